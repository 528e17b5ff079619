"""BX-05, BX-06: a run that fails fast ends as if its days had been read one by one; a resume reads the rest."""

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from sonnys_pipeline.backfill.executor import BatchExecutor
from sonnys_pipeline.backfill.listener import RunListener
from sonnys_pipeline.backfill.options import OnError
from sonnys_pipeline.client import RequestBudget, RequestRate, SonnysClient, ValidationError
from sonnys_pipeline.extract.events import LoadObserver
from sonnys_pipeline.extract.loader import Loader
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.ledger.models import JobRow, JobStatus, Knowledge
from sonnys_pipeline.ledger.service import JobService, open_ledger
from sonnys_pipeline_tests.support.scripted_executor import create, options
from sonnys_pipeline_tests.support.virtual_clock import VirtualApi, VirtualBudget, VirtualClock, VirtualWorkerPool
from sonnys_pipeline_tests.support.workspaces import workspace_of
from sonnys_pipeline_tests.unit.conftest import specs

DAYS = [spec.day for spec in specs(5)]


class UnevenApi(VirtualApi):
    """Load jobs of the days 1, 2 and 3 take their time; those of bad days are refused when they are fetched."""

    bad: frozenset[int] = frozenset()

    def submit_job(self, **params: Any) -> Any:
        job_hash = super().submit_job(**params)
        if self.day(job_hash) <= 3:
            self.jobs[job_hash].ready = self.clock() + 20.0 * self.day(job_hash)
        return job_hash

    def get_job_body(self, job_hash: str) -> Any:
        body = super().get_job_body(job_hash)
        if self.day(job_hash) in self.bad and b'"working"' not in body:
            raise ValidationError(422, "PayloadValidationError", ("refused",))
        return body

    def day(self, job_hash: str) -> int:
        """Of January 2026, from 1."""
        return int(self.jobs[job_hash].params["startDate"]) // 86400 - 20453


class VirtualExecutor(BatchExecutor):
    """Its loader is the one that it would use, with its very options, on the virtual API."""

    api: UnevenApi

    def _make_loader(self, known: Mapping[str, Knowledge], observer: LoadObserver) -> Loader:
        real = super()._make_loader(known, observer)
        real._pool.close()
        clock = self.api.clock
        return Loader(
            self.api,
            VirtualBudget(clock),
            VirtualWorkerPool(clock),
            real._options,
            observer=observer,
            clock=clock,
            now=clock.now,
            jitter=random.Random(1).random,
        )


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobService]:
    with open_ledger(f"sqlite:///{tmp_path / 'state' / 'ledger.sqlite'}") as opened:
        yield opened


class RowsTold(RunListener):
    """Keeps the rows that have ended."""

    def __init__(self, rows: list[JobRow]) -> None:
        self.rows = rows

    def row_ended(self, row: JobRow) -> None:
        self.rows.append(row)


class Scene:
    """Five days, and executors that read them from one API."""

    def __init__(self, jobs: JobService, client: SonnysClient, folder: Path) -> None:
        self.jobs, self.client, self.folder = jobs, client, folder
        self.api = UnevenApi(VirtualClock(), rows_per_day=120)
        self.lake = Lake(folder / "data")
        self.job_id = create(jobs, 5)
        self.rows_told: list[JobRow] = []

    def executor(self, on_error: OnError = OnError.FAIL_FAST) -> VirtualExecutor:
        parts = {"jobs": self.jobs, "client": self.client, "lake": self.lake}
        executor = VirtualExecutor(
            workspace_of(**parts, options=options(self.folder, on_error)), listener=RowsTold(self.rows_told)
        )
        executor.api = self.api
        return executor

    @property
    def told(self) -> list[tuple[str, str]]:
        return [(row.day, row.status.value) for row in self.rows_told]


@pytest.fixture
def scene(jobs: JobService, tmp_path: Path) -> Iterator[Scene]:
    budget = RequestBudget("nobody", RequestRate(1, 60.0))
    with budget, SonnysClient("nobody", "nothing", base_url="http://127.0.0.1:9/v1", budget=budget) as client:
        yield Scene(jobs, client, tmp_path)


def test_the_third_of_five_fails(scene: Scene) -> None:
    """Two landed, one failed, and although the days behind it were ready first, nothing of them came of it."""
    scene.api.bad = frozenset({3})
    result = scene.executor().execute(scene.job_id)
    assert (result.success, result.processed, result.successful, result.failed, result.pending) == (False, 3, 2, 1, 2)
    assert [row.status.value for row in scene.jobs.get_rows(scene.job_id)] == [
        "completed", "completed", "failed", "pending", "pending"
    ]  # fmt: skip
    job = scene.jobs.get_job(scene.job_id)
    assert (job.status, job.processed_days, job.successful_days, job.failed_days) == (JobStatus.FAILED, 3, 2, 1)
    assert job.error_code == "ValidationError"
    assert scene.lake.partitions("transactions") == DAYS[:2]
    assert scene.told == [(DAYS[0], "completed"), (DAYS[1], "completed"), (DAYS[2], "failed")]


def test_a_resume_reads_exactly_the_rest(scene: Scene) -> None:
    """Three rows; the job ends with five, completed."""
    scene.api.bad = frozenset({3})
    scene.executor().execute(scene.job_id)
    scene.api.bad = frozenset()
    scene.rows_told.clear()
    result = scene.executor().execute(scene.job_id)
    assert (result.success, result.processed, result.successful, result.failed, result.pending) == (True, 3, 3, 0, 0)
    assert scene.told == [(day, "completed") for day in DAYS[2:]]
    job = scene.jobs.get_job(scene.job_id)
    assert (job.status, job.successful_days, job.failed_days) == (JobStatus.COMPLETED, 5, 0)
    assert [row.rows for row in scene.jobs.get_rows(scene.job_id)] == [120] * 5
    assert scene.lake.partitions("transactions") == DAYS


@pytest.mark.parametrize(("bad", "successful"), [({1}, 0), ({5}, 4), ({2, 4}, 1), ({4, 5}, 3)])
def test_whichever_fails_first_the_earliest_counts(scene: Scene, bad: set[int], successful: int) -> None:
    """The days before the earliest failing one are landed, it has failed, and that is all that was processed."""
    scene.api.bad = frozenset(bad)
    result = scene.executor().execute(scene.job_id)
    assert (result.processed, result.successful, result.failed) == (successful + 1, successful, 1)
    assert [failure.day for failure in result.failures] == [DAYS[min(bad) - 1]]
    assert scene.lake.partitions("transactions") == DAYS[:successful]


def test_continue_takes_days_as_they_come(scene: Scene) -> None:
    """The other choice: all but the bad one are landed, the quick ones first."""
    scene.api.bad = frozenset({3})
    result = scene.executor(OnError.CONTINUE).execute(scene.job_id)
    assert (result.success, result.processed, result.successful, result.failed) == (False, 5, 4, 1)
    assert scene.lake.partitions("transactions") == [day for day in DAYS if day != DAYS[2]]
    assert {day for day, _ in scene.told[:2]} == set(DAYS[3:])
