"""Runs of the project's `transactions` over five days, as Dagster's UI and its run retries start them.

A run "from failure" carries its parent's id and the tag `dagster/is_resume_retry`.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.execution.execution_result import ExecutionResult

from sonnys_pipeline.ledger.models import Job
from sonnys_pipeline.ledger.service import JobService, open_ledger
from sonnys_pipeline.simulator import Faults
from sonnys_pipeline_tests.integration.conftest import Pipeline, range_tags
from sonnys_pipeline_tests.support.pipelines.definitions import asset_job
from sonnys_pipeline_tests.support.pipelines.executors import submissions

DAYS = [f"2026-03-{number}" for number in range(10, 15)]


def run(
    pipeline: Pipeline, *, parent: ExecutionResult | None = None, from_failure: bool = False, retries: int = 0
) -> ExecutionResult:
    """One run over the five days, by a job of the project's own assets; `parent` is the run that it re-executes."""
    job = asset_job(dg.AssetSelection.assets("transactions"), "land", retries)
    tags = range_tags(DAYS[0], DAYS[-1])
    if from_failure:
        tags["dagster/is_resume_retry"] = "true"
    before = parent.dagster_run if parent else None
    created = pipeline.instance.create_run_for_job(
        job,
        tags=tags,
        parent_run_id=before.run_id if before else None,
        root_run_id=(before.root_run_id or before.run_id) if before else None,
    )
    return execute_run(InMemoryJob(job), created, pipeline.instance)


def fail_days(pipeline: Pipeline, *days: str) -> None:
    """Let every load job of these days fail, and of no others."""
    pipeline.simulator.set_faults(Faults(fail_dates=frozenset(map(date.fromisoformat, days))))


@contextmanager
def ledger(pipeline: Pipeline) -> Iterator[JobService]:
    """The pipeline's ledger, open while inside."""
    with open_ledger(f"sqlite:///{pipeline.state / 'ledger.sqlite'}") as jobs:
        yield jobs


def only_job(pipeline: Pipeline) -> Job:
    """The one job that the ledger has."""
    with ledger(pipeline) as jobs:
        (job,) = jobs.list_jobs()
        return job


def statuses(pipeline: Pipeline) -> list[str]:
    """What became of the one job, one status after the other."""
    with ledger(pipeline) as jobs:
        return [entry.to_status.value for entry in jobs.transitions(only_job(pipeline).id)]


def reads(pipeline: Pipeline) -> dict[str, set[int]]:
    """How often the pages of each day were submitted."""
    found: dict[str, set[int]] = {day: set() for day in DAYS}
    for (day, _), count in submissions(pipeline.simulator).items():
        found[day].add(count)
    return found


def recorded_by(pipeline: Pipeline, result: ExecutionResult) -> Counter[str | None]:
    """How many materializations of each day a run has made."""
    return Counter(
        record.partition_key for record in pipeline.materializations("transactions") if record.run_id == result.run_id
    )


def assert_all_landed_once(pipeline: Pipeline) -> None:
    """Every row of every day once, and no unfinished file."""
    for day in DAYS:
        assert pipeline.landed_ids(day) == pipeline.expected_ids(day)
    assert not list(pipeline.lake.root.rglob("*.tmp"))
