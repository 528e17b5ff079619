"""The jobs that read the lists of the API, and their schedules."""

from collections.abc import Sequence

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from sonnys_pipeline.landing.facts.tables import CLOCK_SPAN
from sonnys_pipeline.orchestration.account import ONLY, Account

DIMENSIONS = "daily_dimensions"
#: Local hour, after the morning's run has begun; while it goes on, the lists take their share of the budget only.
DIMENSIONS_HOUR = 7
PEOPLE = "daily_people"
#: Local hour, after the dimensions: charges are taken from what they have read.
PEOPLE_HOUR = 8
#: Days that each morning reads again. One request takes as many, so that they cost nothing more.
PEOPLE_DAYS = CLOCK_SPAN
_RANGE_START, _RANGE_END = "dagster/asset_partition_range_start", "dagster/asset_partition_range_end"


def dimensions_job(assets: Sequence[dg.AssetsDefinition], account: Account = ONLY) -> UnresolvedAssetJobDefinition:
    """The job of an account, checks included."""
    return dg.define_asset_job(
        account.named(DIMENSIONS),
        selection=dg.AssetSelection.assets(*assets),
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


def people_job(assets: Sequence[dg.AssetsDefinition], account: Account = ONLY) -> UnresolvedAssetJobDefinition:
    """The job of an account, checks included."""
    return dg.define_asset_job(
        account.named(PEOPLE),
        selection=dg.AssetSelection.assets(*assets),
        description="Read changes of status, clock entries and offers of some days, and take the charges of these days "
        "from the memberships." + account.of,
    )


def people_schedule(
    job: UnresolvedAssetJobDefinition, partitions: dg.DailyPartitionsDefinition, account: Account = ONLY
) -> dg.ScheduleDefinition:
    """One run a morning over the last days. It spends requests, so it is off until it is switched on."""

    @dg.schedule(
        name=account.named(f"{PEOPLE}_schedule"),
        job=job,
        cron_schedule=f"0 {PEOPLE_HOUR} * * *",
        execution_timezone=partitions.timezone,
        description=f"Every morning: read the last {PEOPLE_DAYS} days again, so that late corrections are found.",
    )
    def people(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        keys = partitions.get_partition_keys(current_time=context.scheduled_execution_time)[-PEOPLE_DAYS:]
        if not keys:
            return dg.SkipReason("No day is over yet.")
        return dg.RunRequest(run_key=keys[-1], tags={_RANGE_START: keys[0], _RANGE_END: keys[-1]})

    return people
