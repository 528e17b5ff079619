"""`transaction_states`: plan flags, status and customer of a day's rows, which live job rows lack (LV-04).

A run of `transactions` lands both, in one read of the day. What is left for this asset is to record them, and to read
them for days that were landed without: by an older version, or while `version-2` was away.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from sonnys_pipeline.backfill.executor import BatchExecutor
from sonnys_pipeline.backfill.listener import RunListener
from sonnys_pipeline.backfill.options import OnError
from sonnys_pipeline.backfill.progress import Progress
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.extract.pages.states import lacks_states
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import NotLandedError
from sonnys_pipeline.lake.states import STATES, TRANSACTION_STATES
from sonnys_pipeline.landing.states import landed_metadata, write
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.catalog import table_schema
from sonnys_pipeline.orchestration.events.metadata import states_metadata
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure, incomplete_run, run_failure
from sonnys_pipeline.orchestration.resources import LakeResource, SonnysResource
from sonnys_pipeline.orchestration.runs import job_identity
from sonnys_pipeline.runtime.signals import graceful

ROWS = "transactions"


def states_asset(
    partitions: dg.DailyPartitionsDefinition, group: str, account: Account = ONLY
) -> dg.AssetsDefinition:  # fmt: skip
    """The asset of an account."""

    @dg.asset(
        key=account.key(STATES),
        description=(
            "Per transaction: customer, plan flags, status and total from the API's list version-2, because live load "
            "jobs leave these out. Costs one request per 100 rows when the day is landed."
        ),
        group_name=group,
        kinds={"parquet"},
        io_manager_key="lake_io",
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[account.key(ROWS)],
        metadata={"dagster/column_schema": dg.MetadataValue.table_schema(table_schema(TRANSACTION_STATES))},
    )
    def transaction_states(
        context: dg.AssetExecutionContext, sonnys: SonnysResource, lake: LakeResource
    ) -> dg.MaterializeResult[Any]:
        days = context.partition_keys
        try:
            with account.workspace(lake, sonnys) as workspace:
                if missing := [day for day in days if not is_current(workspace.lake, day)]:
                    _read(context, workspace, missing)
                for day in days:
                    context.add_asset_metadata(states_metadata(workspace.lake, day), partition_key=day)
        except EXPECTED as error:
            raise as_failure(error) from error
        except DagsterExecutionInterruptedError as error:
            raise run_failure(error) from error
        return dg.MaterializeResult()

    return transaction_states


def is_current(lake: Lake, day: str) -> bool:
    """Whether a day's states were read with its rows, or after them; days whose rows carry them need no more."""
    rows = lake.metadata(ROWS, day)
    states = landed_metadata(lake, day)
    if "loaded_at" in states:
        return datetime.fromisoformat(states["loaded_at"]) >= datetime.fromisoformat(rows["loaded_at"])
    table = lake.read(ROWS, [day])
    if lacks_states(table):
        return False
    metadata = {
        name: rows[name] for name in ("partition", "account", "site_code", "timezone", "loaded_at", "pii", "pii_key")
    }
    why = "the rows carry their states" if table.num_rows else "the day has no rows"
    with lake.writing(ROWS):
        write(lake, day, TRANSACTION_STATES.empty_table(), {**metadata, "windows": "[]", "note": why})
    return True


def _read(context: dg.AssetExecutionContext, workspace: Workspace, days: Sequence[str]) -> None:
    """Read the states of landed days, and land them."""
    if absent := [day for day in days if not workspace.lake.has(ROWS, day)]:
        raise NotLandedError(f"{ROWS}: not landed: {', '.join(absent)}; materialize it first")
    options = replace(workspace.options, on_error=OnError.CONTINUE, states_only=True)
    executor = BatchExecutor(workspace, options, listener=_Logging(context))
    with graceful(executor.stop) as signals:
        result = executor.load(days, job_identity(context, days))
    if signals and not result.success:
        raise DagsterExecutionInterruptedError
    if not result.success:
        raise incomplete_run(result)


class _Logging(RunListener):
    """Says in the run's log where it stands."""

    def __init__(self, context: dg.AssetExecutionContext) -> None:
        self._log = context.log

    def progressed(self, progress: Progress) -> None:
        self._log.info("%s", progress)
