"""The marts of memberships: `membership_movement`, a partition a business date, and `membership_cohorts`."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

import dagster as dg

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, NotLandedError, UnreachableLakeError
from sonnys_pipeline.marts.incremental.inputs import INPUT_DIGEST, Recipe, metadata_of
from sonnys_pipeline.marts.members.cohorts import membership_cohorts
from sonnys_pipeline.marts.members.columns import (
    MEMBERSHIP_COHORTS,
    MEMBERSHIP_COHORTS_LINEAGE,
    MEMBERSHIP_MOVEMENT,
    MEMBERSHIP_MOVEMENT_LINEAGE,
)
from sonnys_pipeline.marts.members.landed import ACCOUNTS, BILLINGS, CHANGES, MOVEMENT, SITES, LandedMembers
from sonnys_pipeline.marts.members.movement import membership_movement
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.assets.marts import MARTS_GROUP
from sonnys_pipeline.orchestration.automation.conditions import Outdated, idle_and
from sonnys_pipeline.orchestration.events.day_files import DayFiles, DayTable, of_day, warn_of
from sonnys_pipeline.orchestration.events.metadata import (
    column_lineage,
    column_metadata,
    file_metadata,
    reasons_of,
    totals,
    unknown_figures,
)
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.runtime.text import first_few

COHORTS = "membership_cohorts"
#: Of the definitions: raise one when its figures become others.
MOVEMENT_VERSION = "1"
_COHORTS_VERSION = "1"
MOVEMENT_DESCRIPTION = (
    "Per billing site, plan and business day: members who joined, left, came back or switched their plan, active "
    "members, monthly recurring revenue and churn. Each column's description says how far its definition was checked. "
    "Days are in the site's local time. A figure is null if a day of status changes that it needs is not landed; the "
    "column `unknown` says which."
)
_MOVEMENT = DayTable(
    Recipe(MOVEMENT, MOVEMENT_VERSION, by_site_day=True), MEMBERSHIP_MOVEMENT, MEMBERSHIP_MOVEMENT_LINEAGE
)
MOVEMENT_TOTALS = ("joined", "left_voluntary", "left_involuntary", "came_back", "net", "active", "on_trial", "mrr")
#: Accounts that a log line names.
_NAMED = 5


class MembersChanged(Outdated):
    """Business days whose accounts or changes are others than when they were computed, or that are not computed yet."""

    def __init__(self, lake: LakeResource, timezone: str, account: Account = ONLY) -> None:
        super().__init__(lake, account)
        self._timezone = timezone

    @property
    def name(self) -> str:
        """What the UI calls it."""
        return "members_changed"

    @property
    def description(self) -> str:
        """What the UI says of it."""
        return "Accounts or status changes of the day changed since this file was computed, or there is no file yet"

    def outdated(self, lake: Lake, days: Sequence[str], warn: Callable[[str], None]) -> dict[str, str]:  # noqa: ARG002 - the base class's
        """Days that are over, with the state of their inputs."""
        if not lake.has(ACCOUNTS):
            return {}
        landed = LandedMembers(lake, self._timezone)
        states = landed.states(landed.due(days), MOVEMENT_VERSION)
        return {day: state for day, state in states.items() if state != _recorded(lake, day)}


def member_assets(
    partitions: dg.DailyPartitionsDefinition, follows_in: LakeResource, account: Account = ONLY
) -> Sequence[dg.AssetsDefinition]:
    """The marts of an account; they follow what is landed in a lake."""

    @dg.asset(
        **_MOVEMENT.options(partitions, account),
        description=MOVEMENT_DESCRIPTION,
        group_name=account.group(MARTS_GROUP),
        deps=[account.key(name) for name in (ACCOUNTS, CHANGES, SITES)],
        automation_condition=idle_and(
            MembersChanged(follows_in, partitions.timezone, account), "follows accounts and their changes"
        ),
    )
    def movement(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[Any]:
        try:
            workspace, days = account.workspace(lake), list(context.partition_keys)
            landed = LandedMembers(workspace.lake, partitions.timezone)
            # Before the rows are read: a file that is replaced in between then makes the mart outdated.
            states = landed.states(days, MOVEMENT_VERSION)
            dates = [date.fromisoformat(day) for day in days]
            made = membership_movement(landed.members(days), dates, workspace.engine)
            files = DayFiles(_MOVEMENT, context, account, workspace.lake)
            unlisted = dg.MetadataValue.int(len(made.unlisted))
            for day in days:
                rows = of_day(made.table, day)
                kept = metadata_of(states[day], {"version": MOVEMENT_VERSION}, rows=rows)
                figures = {**totals(rows, MOVEMENT_TOTALS), **unknown_figures(rows), "unlisted_accounts": unlisted}
                files.land(day, rows, kept, figures)
        except EXPECTED as error:
            raise as_failure(error) from error
        warn_of(context, "rows have figures that are not known", reasons_of(made.table))
        if made.unlisted:
            context.log.info(
                "%d accounts are in no list, and counted without plan and amount by their changes: %s",
                len(made.unlisted),
                first_few(made.unlisted, _NAMED),
            )
        return dg.MaterializeResult()

    return [movement, _cohorts_asset(partitions.timezone, account)]


def _cohorts_asset(timezone: str, account: Account) -> dg.AssetsDefinition:
    # Older days of changes may never be landed, which is no reason to wait.
    follows = dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing())

    @dg.asset(
        key=account.key(COHORTS),
        group_name=account.group(MARTS_GROUP),
        kinds={"parquet", "duckdb"},
        io_manager_key="lake_io",
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[account.key(name) for name in (ACCOUNTS, BILLINGS, MOVEMENT)],
        code_version=_COHORTS_VERSION,
        automation_condition=follows.with_label("follows movement and charges"),
        metadata=column_metadata(MEMBERSHIP_COHORTS, MEMBERSHIP_COHORTS_LINEAGE, account),
    )
    def cohorts(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[Any]:
        """Members by month of sign-up, billing site and plan: still active and charged, in each month since.

        All landed months in one table, made again whenever movement or charges are new. A figure is null if a day that
        it needs is not landed; the column `unknown` says which.
        """
        try:
            workspace = account.workspace(lake)
            landed = LandedMembers(workspace.lake, timezone)
            if (through := landed.last_due()) is None:
                raise NotLandedError(f"{CHANGES}: no day before the last reading is landed; materialize one first")
            made = membership_cohorts(landed.all_members(), landed.charges(), through, workspace.engine)
            file = workspace.lake.land(COHORTS, made.table, metadata={"version": _COHORTS_VERSION})
        except EXPECTED as error:
            raise as_failure(error) from error
        if made.undated_accounts:
            context.log.warning(
                "%d accounts do not say when they signed up, so they are in no cohort", made.undated_accounts
            )
        return dg.MaterializeResult(
            metadata={
                **file_metadata(file, made.table, partitioned=False),
                **column_lineage(MEMBERSHIP_COHORTS_LINEAGE, account),
                "through": dg.MetadataValue.text(through.isoformat()),
                "unknown_rows": dg.MetadataValue.int(len(made.table) - made.table["unknown"].null_count),
                "accounts_without_sign_up": dg.MetadataValue.int(made.undated_accounts),
                "charges_without_cohort": dg.MetadataValue.int(made.charges_without_cohort),
            }
        )

    return cohorts


def _recorded(lake: Lake, day: str) -> str:
    """State of the inputs that a day was computed from; empty where it is not landed or damaged."""
    try:
        return lake.metadata(MOVEMENT, day).get(INPUT_DIGEST, "") if lake.has(MOVEMENT, day) else ""
    except UnreachableLakeError:
        raise
    except LakeError:
        return ""
