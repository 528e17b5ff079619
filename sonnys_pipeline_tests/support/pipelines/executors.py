"""Executors on a simulator, with ledger, lake and audit in the test's own folder: shared by the executor's tests."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from sonnys_pipeline.backfill.executor import BatchExecutor, ExecutionResult
from sonnys_pipeline.backfill.listener import LandedDay, RunListener
from sonnys_pipeline.backfill.options import ExecutorOptions, OnError
from sonnys_pipeline.calendar.windows import Window
from sonnys_pipeline.client import RequestBudget, RequestRate, SonnysClient
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.transactions import Source
from sonnys_pipeline.ledger.models import JobMode, RowSpec, RowStatus
from sonnys_pipeline.ledger.service import JobService, open_ledger
from sonnys_pipeline.simulator import Simulator
from sonnys_pipeline_tests.support.workspaces import workspace_of

#: Seconds after which a test that would hang fails instead.
PATIENCE = 60.0
API_ID = "id-that-must-not-show-0815"
API_KEY = "key-that-must-not-show-4711"
FIRST_DAY = datetime(2026, 3, 1, tzinfo=UTC)


def keys(count: int) -> list[str]:
    """So many days in a row."""
    return [(FIRST_DAY + timedelta(days=number)).date().isoformat() for number in range(count)]


@dataclass
class Bench:
    """One simulator, one client, one ledger, one lake; as many executors as a test wants."""

    simulator: Simulator
    client: SonnysClient
    jobs: JobService
    folder: Path
    landed: list[str] = field(default_factory=list)

    @property
    def lake(self) -> Lake:
        """Where days land."""
        return Lake(self.folder / "data")

    @property
    def state(self) -> Path:
        """Folder of ledger, audit and quarantine."""
        return self.folder / "state"

    def job(self, days: int | Sequence[str] = 5) -> str:
        """A new job of so many days, or of these."""
        named = keys(days) if isinstance(days, int) else days
        return self.jobs.create_job("a job", mode=JobMode.AUTO, rows=[RowSpec(day) for day in named]).id

    def executor(
        self,
        on_error: OnError = OnError.FAIL_FAST,
        *,
        client: SonnysClient | None = None,
        on_day: Callable[[LandedDay], None] = lambda _: None,
        lease_seconds: float = 30.0,
        open_days: int = 60,
        max_retries: int = 3,
    ) -> BatchExecutor:
        """An executor, its durations scaled as the server's clock is; `open_days` 1 makes it read day after day."""
        client = client or self.client
        loader = LoaderOptions(
            poll_interval=0.01,
            job_timeout=PATIENCE,
            max_retries=max_retries,
            hash_lifetime=client.hash_lifetime,
            max_open_days=open_days,
        )

        bench = self

        class Listener(RunListener):
            def day_landed(self, day: LandedDay) -> None:
                bench.landed.append(day.loaded.day.key)
                on_day(day)

        options = ExecutorOptions("UTC", self.state, loader, Source("account"), on_error, lease_seconds)
        workspace = workspace_of(jobs=self.jobs, client=client, lake=self.lake, options=options)
        return BatchExecutor(workspace, listener=Listener())

    def states(self, job_id: str) -> str:
        """The first letters of the rows' states, in order."""
        return "".join(row.status.value[0] for row in self.jobs.get_rows(job_id))

    def log(self, job_id: str) -> list[str]:
        """What became of the job, one status after the other."""
        return [entry.to_status.value for entry in self.jobs.transitions(job_id)]

    def submissions(self) -> Counter[tuple[str, int]]:
        """How often the server was given each page: by day of its window, and page number."""
        return submissions(self.simulator)

    def live_pages(self, job_id: str, status: RowStatus = RowStatus.PENDING) -> set[tuple[str, int]]:
        """Pages of whole days in this state whose hash the ledger knows."""
        lifetime = timedelta(seconds=self.client.hash_lifetime)
        return {
            (row.day, known.page)
            for row in self.jobs.get_rows(job_id, status)
            for known in self.jobs.load_jobs.live(row.id, younger_than=lifetime)
            if known.window == Window(day_start(row.day), day_start(row.day) + timedelta(days=1))
        }

    def expected_ids(self, days: Sequence[str]) -> list[str]:
        """What these UTC days must hold, straight from the simulated world, in order of id."""
        found = []
        for day in days:
            rows = self.simulator.world.rows(
                day_start(day), day_start(day) + timedelta(days=1) - timedelta(milliseconds=1)
            )
            found += [row["id"] for row in rows]
        return sorted(found)

    def landed_ids(self, days: Sequence[str]) -> list[str]:
        """What has landed, in order of id, repeated ones included."""
        return sorted(self.lake.read("transactions", days, ["id"])["id"].to_pylist())

    def state_bytes(self) -> bytes:
        """Every byte of ledger, audit, budget and quarantine."""
        return b"\n".join(path.read_bytes() for path in sorted(self.state.rglob("*")) if path.is_file())


@contextmanager
def bench_in(
    folder: Path,
    start_simulator: Callable[..., Simulator],
    connect: Callable[..., SonnysClient],
    *,
    ledger_url: str = "",
    budget_url: str = "",
    block: float = 0.02,
    **config: Any,
) -> Iterator[Bench]:
    """A bench whose days have 230 rows, so three pages, and whose hashes outlive every test.

    Ledger and budget lie in the state folder unless URLs are given; the budget's block is so short, in seconds, that
    the breaker's pauses are short, too.
    """
    chosen = {"rows_per_day": 230, "hash_seconds": 60_000, "api_id": API_ID, "api_key": API_KEY, **config}
    simulator = start_simulator(**chosen)
    state = folder / "state"
    with open_ledger(ledger_url or f"sqlite:///{state / 'ledger.sqlite'}") as jobs:
        rate = RequestRate(simulator.config.rate_limit, block)
        budget = RequestBudget(API_ID, rate, budget_url or f"sqlite:///{state / 'budget.sqlite'}")
        yield Bench(simulator, connect(simulator, budget=budget, owns_budget=True), jobs, folder)


def day_start(day: str) -> datetime:
    """Midnight, UTC."""
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def submissions(simulator: Simulator) -> Counter[tuple[str, int]]:
    """How often the server was given each page: by day of its window, and page number."""
    counted: Counter[tuple[str, int]] = Counter()
    for record in simulator.log:
        if record.operation == "submit":
            asked = parse_qs(record.query)
            day = datetime.fromtimestamp(int(asked["startDate"][0]), UTC).date().isoformat()
            counted[(day, int(asked["offset"][0]))] += 1
    return counted


def wait_until(condition: Callable[[], bool]) -> None:
    """Look again and again, for as long as a test may wait."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


@dataclass
class Background:
    """A run in another thread."""

    result: ExecutionResult | None = None
    error: BaseException | None = None


class Gate:
    """Holds a run at its n-th landed day until it is opened."""

    def __init__(self, number: int) -> None:
        self._left = number
        self._reached = threading.Event()
        self._open = threading.Event()

    def __call__(self, _: LandedDay) -> None:
        """Given to an executor as its `on_day`."""
        self._left -= 1
        if self._left == 0:
            self._reached.set()
            assert self._open.wait(PATIENCE)

    def wait(self) -> None:
        """Until the run stands before the gate."""
        assert self._reached.wait(PATIENCE)

    def open(self) -> None:
        """Let it go on."""
        self._open.set()


@contextmanager
def running(executor: BatchExecutor, job_id: str) -> Iterator[Background]:
    """Execute a job in another thread while inside; on leaving, wait for its end."""
    outcome = Background()

    def run() -> None:
        try:
            outcome.result = executor.execute(job_id)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test looks at it
            outcome.error = error

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield outcome
    finally:
        thread.join(PATIENCE)
        assert not thread.is_alive()
