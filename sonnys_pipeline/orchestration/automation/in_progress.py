"""Runs that will land days of an account, so that nobody asks for them twice (KT-03)."""

import time
from datetime import timedelta

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES, RunRecord
from dagster._core.storage.tags import AUTO_RETRY_RUN_ID_TAG, BACKFILL_ID_TAG, WILL_RETRY_TAG

from sonnys_pipeline.orchestration.account import Account
from sonnys_pipeline.orchestration.automation.mornings import Span
from sonnys_pipeline.orchestration.checks.evaluations import RANGE
from sonnys_pipeline.orchestration.services.processes import lost_runs

_PARTITION = "dagster/partition"
#: Time after which a run that has not begun is not counted any more: its launch was lost.
_LOST_LAUNCH = timedelta(hours=1)
#: How long Dagster may take to start the retry that it has announced.
_RETRY_STARTS = timedelta(minutes=10)
_NOT_BEGUN = (dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING)
#: Runs looked at.
_MOST = 500


def run_on_its_way(instance: dg.DagsterInstance, account: Account, job_name: str, days: Span) -> dg.DagsterRun | None:
    """A queued or running run of the account's daily job, or of its `transactions` for any of these days.

    A backfill of other days does not count. A run whose process is gone counts only if Dagster will end it and try it
    again; one that failed counts while its announced retry has not begun.
    """
    gone = set() if _monitored(instance) else {run.run_id for run in lost_runs(instance)}
    now = time.time()
    unfinished = instance.get_run_records(dg.RunsFilter(statuses=NOT_FINISHED_STATUSES), limit=_MOST)
    for record in unfinished:
        run = record.dagster_run
        age = now - record.create_timestamp.timestamp()
        if run.run_id in gone or (run.status in _NOT_BEGUN and age > _LOST_LAUNCH.total_seconds()):
            continue
        if _lands(run, account, job_name, days):
            return run
    failed = instance.get_run_records(dg.RunsFilter(job_name=job_name, statuses=[dg.DagsterRunStatus.FAILURE]), limit=1)
    return next((record.dagster_run for record in failed if _is_about_to_be_retried(record, now)), None)


def covers(run: dg.DagsterRun, days: Span) -> bool:
    """Whether a run is of any of the days, ends included."""
    first, last = (run.tags.get(tag) or run.tags.get(_PARTITION) for tag in RANGE)
    return first is not None and last is not None and first <= days[1].isoformat() and last >= days[0].isoformat()


def _lands(run: dg.DagsterRun, account: Account, job_name: str, days: Span) -> bool:
    if run.job_name == job_name and BACKFILL_ID_TAG not in run.tags:
        return True
    chosen = run.asset_selection or ()
    return (run.job_name == job_name or account.key("transactions") in chosen) and covers(run, days)


def _monitored(instance: dg.DagsterInstance) -> bool:
    return bool(instance.run_monitoring_enabled and instance.run_launcher.supports_check_run_worker_health)


def _is_about_to_be_retried(record: RunRecord, now: float) -> bool:
    tags = record.dagster_run.tags
    ended = record.end_time or 0.0
    return (
        tags.get(WILL_RETRY_TAG) == "true"
        and AUTO_RETRY_RUN_ID_TAG not in tags
        and now - ended < _RETRY_STARTS.total_seconds()
    )
