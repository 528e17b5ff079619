"""The landing assets: `transactions` and `sites`, the ones that spend requests."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError

from sonnys_pipeline.backfill.executor import BatchExecutor, ExecutionResult, JobIdentity
from sonnys_pipeline.backfill.options import OnError
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.extract.pages.assemble import REREAD
from sonnys_pipeline.lake.dataset import LandedFile
from sonnys_pipeline.lake.errors import RowsWouldVanishError
from sonnys_pipeline.lake.states import STATES
from sonnys_pipeline.landing.sites.history import ASSET as SITES
from sonnys_pipeline.landing.sites.history import land_sites
from sonnys_pipeline.ledger.errors import JobLeasedError, LedgerError
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.assets.transaction_changes import changes_asset
from sonnys_pipeline.orchestration.assets.transaction_states import states_asset
from sonnys_pipeline.orchestration.events.metadata import file_metadata
from sonnys_pipeline.orchestration.events.recorder import MaterializationRecorder
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure, incomplete_run, is_retried, run_failure
from sonnys_pipeline.orchestration.resources import LakeResource, SonnysResource
from sonnys_pipeline.orchestration.runs import job_identity, missing_first
from sonnys_pipeline.quality.late_edits import Looks
from sonnys_pipeline.runtime.signals import graceful

LANDING_GROUP = "landing"
#: Dagster's tag of a run that a schedule has asked for.
_SCHEDULED = "dagster/schedule_name"


def landing_assets(
    partitions: dg.DailyPartitionsDefinition,
    account: Account = ONLY,
    *,
    with_states: bool = True,
    looks: Looks | None = None,
) -> Sequence[dg.AssetsDefinition]:
    """The assets that spend requests, and what they find changed, of an account.

    `with_states` unless SONNYS_STATES=off; `looks` are the ages at which landed days are looked at.
    """

    @dg.asset(
        key=account.key("transactions"),
        group_name=account.group(LANDING_GROUP),
        kinds={"parquet"},
        io_manager_key="lake_io",
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def transactions(
        context: dg.AssetExecutionContext, sonnys: SonnysResource, lake: LakeResource
    ) -> dg.MaterializeResult[Any]:
        """All transactions of all sites, complete and without duplicates; one Parquet file a day."""
        landed: MaterializationRecorder | None = None
        try:
            with account.workspace(lake, sonnys) as workspace:
                rate = workspace.settings.rate_limit
                landed = MaterializationRecorder(context, workspace.lake, account.key(STATES), rate)
                days = missing_first(workspace.lake, context.partition_keys)
                # A day that the schedule reads again, as opposed to one that a person asked for.
                found_by = "morning" if _SCHEDULED in context.run.tags else REREAD
                result = _load(workspace, dict.fromkeys(days, found_by), job_identity(context, days), landed)
            context.log.info("Landed\n%s", landed.summary(result.measures))
            if not result.success:
                raise incomplete_run(result)  # noqa: TRY301 - what is landed is logged below, whatever ends the run
        except BaseException as error:
            failure = run_failure(error)
            # A run that ends early keeps what it landed: one materialization a landed day, logged before it ends.
            if landed is not None and not is_retried(context, failure):
                landed.log()
            if failure is error:
                raise
            # What the floors below raise on purpose says all in its message; a second trace would only bury it.
            raise failure from (None if isinstance(error, EXPECTED) else error)
        # Returned, not logged: doing both would record every partition twice.
        landed.to_return(result)
        return dg.MaterializeResult()

    # It has no partitions; the policy lets the command line take it along in a run over a range of days.
    @dg.asset(
        key=account.key(SITES),
        group_name=account.group(LANDING_GROUP),
        kinds={"parquet"},
        io_manager_key="lake_io",
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def sites(
        context: dg.AssetExecutionContext, sonnys: SonnysResource, lake: LakeResource
    ) -> dg.MaterializeResult[Any]:
        """Every site that was ever listed, virtual (e-commerce) ones too: name, code and time zone by validity.

        Rows with `is_current` are the present list.
        """
        try:
            with account.workspace(lake, sonnys) as workspace:
                landed_in, narrowed = workspace.lake, bool(workspace.settings.site_code)
                try:
                    land_sites(landed_in, workspace.client.sites.list(), datetime.now(UTC), narrowed=narrowed)
                except RowsWouldVanishError as refused:
                    # The history stays, so what is computed from it goes on; the check `site_list` tells it too.
                    context.log.warning("%s", refused)
            table = landed_in.read(SITES)
            landed = LandedFile(landed_in.path(SITES), table.num_rows, landed_in.size(SITES))
        except EXPECTED as error:
            raise as_failure(error) from error
        return dg.MaterializeResult(metadata=file_metadata(landed, table, partitioned=False))

    states = [states_asset(partitions, account.group(LANDING_GROUP), account)] if with_states else []
    changes = changes_asset(account.group(LANDING_GROUP), account, with_states=with_states, looks=looks)
    return [transactions, *states, changes, sites]


def _load(
    workspace: Workspace, days: Mapping[str, str], identity: JobIdentity, landed: MaterializationRecorder
) -> ExecutionResult:
    """Land days, each with the look that asks for it; whatever comes of it, `landed` then knows all landed days.

    Dagster would raise its interrupt wherever the main thread happens to be, inside DuckDB or between a file and its
    checkpoint, where it is lost or costs a day. So while a job executes, a signal stops it as it does elsewhere.

    Raises:
        DagsterExecutionInterruptedError: when a signal stopped it; one that comes too late for that changes nothing.
    """
    executor = BatchExecutor(
        workspace, replace(workspace.options, on_error=OnError.CONTINUE, found_by=days), listener=landed
    )
    try:
        with graceful(executor.stop) as signals:
            result = executor.load(list(days), identity)
    except JobLeasedError:
        raise  # nothing was done here, and what the lease's holder lands is the holder's to record
    except BaseException:
        with suppress(LedgerError):
            landed.add_earlier(workspace.jobs)
        raise
    landed.add_earlier(workspace.jobs)
    if signals and not result.success:
        raise DagsterExecutionInterruptedError
    return result
