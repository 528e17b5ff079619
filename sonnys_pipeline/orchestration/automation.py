"""Jobs and schedules: which days run by themselves, and when."""

from collections.abc import Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

#: Local hour of the daily run. At six in the morning of any US zone the day before is over in all of them, Hawaii
#: included, and the rows of late terminals have had time to arrive.
DAILY_HOUR = 6
#: Days read again each morning, yesterday included: rows are edited late, and a row has no modified time (KPIS).
REREAD_DAYS = 4


def daily_job() -> UnresolvedAssetJobDefinition:
    """Land days, check them, and compute what stands downstream."""
    return dg.define_asset_job(
        "daily_transactions",
        selection=dg.AssetSelection.assets("transactions").downstream() | dg.AssetSelection.assets("sites"),
        description="Land one or more days of transactions, check them, and compute what stands downstream.",
    )


def schedules(
    partitions: dg.DailyPartitionsDefinition, job: UnresolvedAssetJobDefinition
) -> Sequence[dg.ScheduleDefinition]:
    """One schedule: yesterday, and the few days before it once more, as one run over the range."""

    @dg.schedule(
        name="daily_transactions_schedule",
        job=job,
        cron_schedule=f"0 {DAILY_HOUR} * * *",
        execution_timezone=partitions.timezone,
        description=f"Every morning: yesterday, and the {REREAD_DAYS - 1} days before it once more.",
    )
    def daily_transactions_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        """Ask for one run over the last days that are over."""
        last = context.scheduled_execution_time.astimezone(ZoneInfo(partitions.timezone)).date() - timedelta(days=1)
        first = max(last - timedelta(days=REREAD_DAYS - 1), partitions.start.date())
        if last < first:
            return dg.SkipReason(f"no day is over yet since {first}")
        return dg.RunRequest(
            run_key=f"{first}...{last}",
            tags={
                "dagster/asset_partition_range_start": first.isoformat(),
                "dagster/asset_partition_range_end": last.isoformat(),
            },
        )

    return [daily_transactions_schedule]
