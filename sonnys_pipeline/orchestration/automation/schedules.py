"""Jobs, schedules and sensors: which days run automatically, and when.

On as soon as a daemon runs: marts follow landed days, two checks against silent loss read the lake, and failures become
messages; none of these spends a request. The morning's run is off until it is switched on.
"""

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from sonnys_pipeline.calendar.mornings import DAILY_HOUR
from sonnys_pipeline.calendar.windows import first_kept_day
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.assets.people_marts.daily import PEOPLE_TABLES
from sonnys_pipeline.orchestration.automation.in_progress import run_on_its_way
from sonnys_pipeline.orchestration.automation.mornings import (
    CATCH_UP_DAYS,
    MISSED,
    MORNING,
    REREAD_DAYS,
    Morning,
)
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.quality.moved import days_to_read_again

#: Local hours of the checks against silent loss; the first is just after the morning's run is due.
WATCH_HOURS = (8, 12, 16, 20)


def daily_job(computed: Sequence[dg.AssetsDefinition], account: Account = ONLY) -> UnresolvedAssetJobDefinition:
    """Land days, check them, and compute downstream assets; under the account's prefix if there are several.

    Marts of people are left out: they follow lists that are read at other times, or not at all.
    A job has one kind of days in Dagster: assets across accounts have their own, and follow automatically.
    """
    downstream: dg.AssetSelection = dg.AssetSelection.assets(account.key("transactions")).downstream()
    if before := account.key("transactions").path[:-1]:
        downstream = downstream & dg.AssetSelection.key_prefixes(list(before))
    people = {account.key(table.recipe.asset) for table in PEOPLE_TABLES}
    downstream = downstream - dg.AssetSelection.assets(*(asset for asset in computed if asset.key in people))
    return dg.define_asset_job(
        account.named("daily_transactions"),
        selection=downstream | dg.AssetSelection.assets(account.key("sites")),
        description="Land one or more days of transactions, check them, and compute the downstream tables."
        + account.of,
    )


def watch_job(checks: Sequence[dg.AssetChecksDefinition], account: Account = ONLY) -> UnresolvedAssetJobDefinition:
    """The checks against silent loss alone."""
    return dg.define_asset_job(
        account.named("watch"),
        selection=dg.AssetSelection.checks(*checks),
        description="Check that all days are landed before the API deletes them. Sends no requests." + account.of,
    )


def reconcile_with_api_job(
    checks: Sequence[dg.AssetChecksDefinition], account: Account = ONLY
) -> UnresolvedAssetJobDefinition:
    """The checks that ask the API, switched on."""
    return dg.define_asset_job(
        account.named("reconcile_with_api"),
        selection=dg.AssetSelection.checks(*checks),
        config={"ops": {check.node_def.name: {"config": {"enabled": True}} for check in checks}},
        description="Compare a random landed day with the API's lists; costs two requests per 100 rows." + account.of,
    )


def schedules(
    partitions: dg.DailyPartitionsDefinition,
    job: UnresolvedAssetJobDefinition,
    watch: UnresolvedAssetJobDefinition,
    looked_into: LakeResource,
    account: Account = ONLY,
) -> Sequence[dg.ScheduleDefinition]:
    """The morning's run over the last days, and the checks against silent loss several times a day.

    `looked_into` is the lake in which the morning looks for transactions that have moved between days.
    """

    @dg.schedule(
        name=account.named(MORNING),
        job=job,
        cron_schedule=f"0 {DAILY_HOUR} * * *",
        execution_timezone=partitions.timezone,
        description=f"Every morning: land yesterday and missing days of the last {CATCH_UP_DAYS}, and read again the "
        f"{REREAD_DAYS - 1} days before it and days from which a transaction has moved to another day.",
    )
    def daily_transactions_schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        """Ask for one run over the last days that are over, and one for each day that kept what has moved (KT-02)."""
        moment = context.scheduled_execution_time
        yesterday = moment.astimezone(ZoneInfo(partitions.timezone)).date() - timedelta(days=1)
        start = partitions.start.date()
        if yesterday < start:
            return dg.SkipReason(f"no day is over yet since {start}")
        kept = first_kept_day(moment, partitions.timezone)
        lake = account.workspace(looked_into).lake.snapshot()
        morning = Morning.of(lake, yesterday, start=start, kept_from=kept)
        span = morning.span
        if busy := run_on_its_way(context.instance, account, job.name, span):
            return dg.SkipReason(
                f"run {busy.run_id[:8]} is on its way; {account.named(MISSED)} asks for what is missing after it"
            )
        first, last = span
        oldest = max(kept, start)
        before = [(oldest + timedelta(days=number)).isoformat() for number in range((first - oldest).days)]
        again = days_to_read_again(lake, within=before)
        requests = [morning.request(span, f"{first}...{last}")]
        return [*requests, *(dg.RunRequest(run_key=f"{day} on {last}", partition_key=day) for day in again)]

    watch_schedule = dg.ScheduleDefinition(
        name=account.named("watch_schedule"),
        job=watch,
        cron_schedule=f"0 {','.join(map(str, WATCH_HOURS))} * * *",
        execution_timezone=partitions.timezone,
        # On by default: it guards against something else being off.
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Several times a day: check that all days are landed before the API deletes them.",
    )
    return [daily_transactions_schedule, watch_schedule]
