"""The job that reads the dimensions, and its schedule."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from sonnys_pipeline.landing.dimensions.tables import DIMENSIONS as TABLES
from sonnys_pipeline.orchestration.account import ONLY, Account

DIMENSIONS = "daily_dimensions"
#: Local hour, after the morning's run has begun; while it goes on, the lists take their share of the budget only.
DIMENSIONS_HOUR = 7


def dimensions_job(account: Account = ONLY) -> UnresolvedAssetJobDefinition:
    """The job of an account, checks included."""
    return dg.define_asset_job(
        account.named(DIMENSIONS),
        selection=dg.AssetSelection.assets(*(account.key(table.asset) for table in TABLES)),
        description="Read the lists that change slowly, and keep what they said before." + account.of,
    )


def dimensions_schedule(
    job: UnresolvedAssetJobDefinition, timezone: str, account: Account = ONLY
) -> dg.ScheduleDefinition:
    """One reading a day. It spends requests, so like the morning's run it is off until it is switched on."""
    return dg.ScheduleDefinition(
        name=account.named(f"{DIMENSIONS}_schedule"),
        job=job,
        cron_schedule=f"0 {DIMENSIONS_HOUR} * * *",
        execution_timezone=timezone,
        description="Every morning: read items, customers, employees, memberships, prepaid accounts and gift cards.",
    )
