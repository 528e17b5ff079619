"""The dimensions: lists of the API as histories, one row for each version."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from sonnys_pipeline.landing.dimensions.landing import ITEMS, Reading, land_reading, read_list
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.events.metadata import file_metadata
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource, SonnysResource

DIMENSIONS_GROUP = "dimensions"
#: Share of the request budget while others use it: what lands days goes first.
SHARE = 0.25


class HowToRead(dg.Config):
    """How a list is taken."""

    accept_shorter: bool = Field(
        default=False, description="Take a list that is empty, or has less than half of the rows before."
    )


def dimension_assets(account: Account = ONLY) -> Sequence[dg.AssetsDefinition]:
    """The dimensions of an account."""

    # It has no partitions; the policy lets the command line take it along in a run over a range of days.
    @dg.asset(
        key=account.key(ITEMS.asset),
        group_name=account.group(DIMENSIONS_GROUP),
        kinds={"parquet"},
        io_manager_key="lake_io",
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def items(
        context: dg.AssetExecutionContext, config: HowToRead, sonnys: SonnysResource, lake: LakeResource
    ) -> dg.MaterializeResult[Any]:
        """Everything that was ever listed for sale: name, department and price at each site, by validity.

        Rows with `is_current` are the present list. A price that changes ends a row and begins another.
        """
        try:
            with account.workspace(lake, sonnys) as workspace:
                client = workspace.client.beside_others(SHARE)
                options, read_at = workspace.options, workspace.now()
                rows = read_list(client.items.list, lambda: workspace.sites().codes)
                read = Reading(rows, read_at, options.timezone, options.source)
                reading = land_reading(workspace.lake, ITEMS, read, accept_shorter=config.accept_shorter)
        except EXPECTED as error:
            raise as_failure(error) from error
        context.log.info("%d items, %d new or changed, %d ended", reading.current, reading.begun, reading.ended)
        return dg.MaterializeResult(
            metadata={
                **file_metadata(reading.file, reading.table, partitioned=False),
                "listed": dg.MetadataValue.int(reading.current),
                "begun_today": dg.MetadataValue.int(reading.begun),
                "ended_today": dg.MetadataValue.int(reading.ended),
                "requests": dg.MetadataValue.int(client.requests_sent),
                "read_at": dg.MetadataValue.timestamp(read_at),
            }
        )

    return [items]
