"""The dimensions: lists of the API as histories, one row for each version."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from sonnys_pipeline.landing.dimensions.read import read_and_land
from sonnys_pipeline.landing.dimensions.tables import (
    ACCOUNTS,
    CUSTOMERS,
    EMPLOYEES,
    GIFT_CARDS,
    ITEMS,
    WASHBOOKS,
    Dimension,
)
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.events.metadata import file_metadata
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource, SonnysResource

DIMENSIONS_GROUP, PEOPLE_GROUP = "dimensions", "people"
_DESCRIPTIONS = {
    ITEMS: "Everything that was ever listed for sale: name, department and price at each site, by validity.\n\n"
    "Rows with `is_current` are the present list. A price that changes ends a row and begins another.",
    CUSTOMERS: "Customers by validity. Address, e-mail and the like are known of those who are new or have changed "
    "since the first reading; `detail_read_at` is null for the others, unless a run is launched with `every_detail`.",
    EMPLOYEES: "Employees by validity; details are read of new ones, and of each once a week.",
    ACCOUNTS: "Memberships by validity: plan, status, amount, customer, tags, vehicles. `recurring_billings` and "
    "`recurring_statuses` are as last read. Accounts older than six months are read once something changes.",
    WASHBOOKS: "Prepaid accounts and the washes that are left on them, by validity.",
    GIFT_CARDS: "Gift cards: what each was sold for and what was used of it, by validity.",
}


class HowToRead(dg.Config):
    """How a list is taken."""

    accept_shorter: bool = Field(
        default=False, description="Take a list that is empty, or has less than half of the rows before."
    )
    every_detail: bool = Field(
        default=False,
        description="Read every detail that costs a request, not only those of what changed, however many there are.",
    )


def dimension_assets(account: Account = ONLY) -> Sequence[dg.AssetsDefinition]:
    """The dimensions of an account."""
    return [_asset(dimension, account) for dimension in _DESCRIPTIONS]


def _asset(dimension: Dimension, account: Account) -> dg.AssetsDefinition:
    # It has no partitions; the policy lets the command line take it along in a run over a range of days.
    @dg.asset(
        key=account.key(dimension.asset),
        description=_DESCRIPTIONS[dimension],
        group_name=account.group(PEOPLE_GROUP if dimension in {CUSTOMERS, EMPLOYEES} else DIMENSIONS_GROUP),
        kinds={"parquet"},
        io_manager_key="lake_io",
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def one(
        context: dg.AssetExecutionContext, config: HowToRead, sonnys: SonnysResource, lake: LakeResource
    ) -> dg.MaterializeResult[Any]:
        try:
            with account.workspace(lake, sonnys) as workspace:
                read = read_and_land(
                    workspace.lake,
                    dimension,
                    workspace.lists(),
                    workspace.now(),
                    accept_shorter=config.accept_shorter,
                    every_detail=config.every_detail,
                )
        except EXPECTED as error:
            raise as_failure(error) from error
        landed = read.landed
        context.log.info(
            "%s: %d listed, %d new or changed, %d ended", dimension.asset, landed.current, landed.begun, landed.ended
        )
        if read.unread:
            context.log.warning("%d older accounts are left for the next readings", read.unread)
        return dg.MaterializeResult(
            metadata={
                **file_metadata(landed.file, landed.table, partitioned=False),
                "listed": dg.MetadataValue.int(landed.current),
                "begun_today": dg.MetadataValue.int(landed.begun),
                "ended_today": dg.MetadataValue.int(landed.ended),
                "requests": dg.MetadataValue.int(read.requests),
                "answers_known_before": dg.MetadataValue.int(read.known_before),
                "unread": dg.MetadataValue.int(read.unread),
                "read_at": dg.MetadataValue.timestamp(read.read_at),
            }
        )

    return one
