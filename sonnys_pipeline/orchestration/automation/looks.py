"""The job and the sensor that look at the day so far, declared only where SONNYS_TODAY_EVERY is set (KT-04)."""

import time

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.today.file import ASSET

#: Seconds between two evaluations of the sensor at most: a look that was late is followed soon by the next one.
_INTERVAL = 60
_NOT_ENDED = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def look_job(account: Account = ONLY) -> UnresolvedAssetJobDefinition:
    """One look at the day so far."""
    return dg.define_asset_job(
        account.named("look_at_today"),
        selection=dg.AssetSelection.assets(account.key(ASSET)),
        description="Read what is new of the business day so far, within a small share of the request budget."
        + account.of,
    )


def looks_sensor(job: UnresolvedAssetJobDefinition, every: float, account: Account = ONLY) -> dg.SensorDefinition:
    """Asks for a look every `every` seconds, one at a time; it is on, because the setting that declares it is."""

    @dg.sensor(
        name=account.named("looks_at_today"),
        job=job,
        minimum_interval_seconds=max(1, min(_INTERVAL, int(every))),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Looks at the business day so far every {every:g} seconds, one look at a time.{account.of}",
    )
    def looks_at_today(context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        ours = dg.RunsFilter(job_name=job.name, statuses=_NOT_ENDED)
        if context.instance.get_runs_count(ours):
            return dg.SkipReason("the look before has not ended")
        last = float(context.cursor or 0)
        if (left := last + every - time.time()) > 0:
            return dg.SkipReason(f"the next look is due in {left:.0f} s")
        context.update_cursor(str(time.time()))
        return dg.RunRequest()

    return looks_at_today
