"""A loader that follows a script, and days for it to give out: shared by the tests of job runs and of the executor."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa

from sonnys_pipeline.backfill.executor import BatchExecutor
from sonnys_pipeline.backfill.options import ExecutorOptions, OnError
from sonnys_pipeline.client import APIError, RequestBudget, RequestRate, SonnysClient
from sonnys_pipeline.extract.events import FailedDay, LoadObserver
from sonnys_pipeline.extract.loader import Loader
from sonnys_pipeline.extract.pages.assemble import LoadedDay, LoadedWindow
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.schema import TRANSACTIONS
from sonnys_pipeline.landing.transactions import Source
from sonnys_pipeline.ledger.models import JobMode, Knowledge
from sonnys_pipeline.ledger.service import JobService
from sonnys_pipeline_tests.support.workspaces import workspace_of
from sonnys_pipeline_tests.unit.conftest import specs

#: What becomes of a day: so many rows, or an error of its own.
Script = Callable[[DayRequest], int | APIError]


def day_number(request: DayRequest) -> int:
    """Of the month, from 1."""
    return request.day.start.day


def create(jobs: JobService, days: int = 3) -> str:
    """A job of so many days from the first of January on."""
    return jobs.create_job("a job", mode=JobMode.AUTO, rows=specs(days)).id


def log(jobs: JobService, job_id: str) -> list[tuple[str, str]]:
    """What became of a job, and why."""
    return [(entry.to_status.value, entry.why) for entry in jobs.transitions(job_id)]


def loaded_day(request: DayRequest, rows: int) -> LoadedDay:
    """A day of so many rows, all alike but for their ids, by one load job a window."""
    columns = {
        "id": [f"{request.day.key}:{number}" for number in range(rows)],
        "complete_date": [request.day.start] * rows,
        "location_code": ["MAIN"] * rows,
    }
    table = pa.Table.from_arrays(
        [pa.array(columns.get(field.name, [None] * rows), field.type) for field in TRANSACTIONS],
        schema=pa.schema([field.with_nullable(True) for field in TRANSACTIONS]),
    )
    windows = tuple(
        LoadedWindow(window, rows, (f"hash-{request.day.key}-{number}",), table if number == 0 else table.slice(0, 0))
        for number, window in enumerate(request.day.windows)
    )
    return LoadedDay(request.day, windows, table, datetime.now(UTC), 2, 0.5, request.site)


class ScriptedLoader(Loader):
    """One day after the other, as the script says; counts two requests for each, and a second of waiting."""

    #: What it has learned of the time that load jobs take.
    seconds: float | None = None

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[DayRequest] = []
        self.requests = 0
        self.budget_wait = 0.0
        self.stopping = False
        self.closed = False

    def load(self, days: Iterable[DayRequest]) -> Iterator[LoadedDay | FailedDay]:
        try:
            coming = iter(days)
            while not self.stopping and (request := next(coming, None)) is not None:
                self.asked.append(request)
                self.requests += 2
                self.budget_wait += 1.0
                said = self.script(request)
                yield FailedDay(request, said, 2, 0.5) if isinstance(said, APIError) else loaded_day(request, said)
        finally:
            self.closed = True

    @property
    def job_seconds(self) -> float | None:
        return self.seconds

    def stop(self) -> None:
        self.stopping = True


class ScriptedExecutor(BatchExecutor):
    """An executor whose loader follows a script."""

    script: Script
    loader: ScriptedLoader

    def _make_loader(self, known: Mapping[str, Knowledge], observer: LoadObserver) -> Loader:
        self.loader = ScriptedLoader(self.script)
        return self.loader


def options(folder: Path, on_error: OnError = OnError.FAIL_FAST, lease_seconds: float = 30.0) -> ExecutorOptions:
    """How a run of these tests behaves."""
    return ExecutorOptions("UTC", folder / "state", LoaderOptions(), Source("account"), on_error, lease_seconds)


#: Makes an executor of a script, what a failing day does, and the seconds of its lease.
MakeExecutor = Callable[..., ScriptedExecutor]


@contextmanager
def scripted_executors(jobs: JobService, folder: Path) -> Iterator[MakeExecutor]:
    """Executors on a ledger; the API is never asked."""
    budget = RequestBudget("nobody", RequestRate(1, 60.0))
    with budget, SonnysClient("nobody", "nothing", base_url="http://127.0.0.1:9/v1", budget=budget) as client:

        def make(
            script: Script = lambda _: 3, on_error: OnError = OnError.FAIL_FAST, lease_seconds: float = 30.0
        ) -> ScriptedExecutor:
            executor = ScriptedExecutor(
                workspace_of(
                    jobs=jobs,
                    client=client,
                    lake=Lake(folder / "data"),
                    options=options(folder, on_error, lease_seconds),
                )
            )
            executor.script = script
            return executor

        yield make
