"""BM-04, BM-05, BM-06, BM-08, BX-05, JS-04, LV-05: what happens to each day of a run, and when the run should stop."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sonnys_pipeline.backfill.audit import Audit, RunSetup
from sonnys_pipeline.backfill.listener import LandedDay, RunListener
from sonnys_pipeline.backfill.options import OnError
from sonnys_pipeline.backfill.progress import Progress
from sonnys_pipeline.backfill.run import JobRun
from sonnys_pipeline.calendar.windows import Window
from sonnys_pipeline.client import APIError, AuthError, JobFailedError, UnparsableRowError
from sonnys_pipeline.extract.events import JOB_SECONDS, LoadingStoppedError
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.extract.state import DayWork
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import UnwritableLakeError
from sonnys_pipeline.landing.account_sites import ALL_AT_ONCE
from sonnys_pipeline.ledger.models import JobRow, LeaseLostError, RowStatus
from sonnys_pipeline.ledger.service import JobService, open_ledger
from sonnys_pipeline_tests.support.scripted_executor import Script, ScriptedLoader, create, day_number, options
from sonnys_pipeline_tests.support.workspaces import workspace_of

OWNER = "this test"
FAILED = JobFailedError("h1")


class Listener(RunListener):
    """Hears for a run of these tests."""

    def __init__(self, run: "Run") -> None:
        self.run = run

    def day_landed(self, day: LandedDay) -> None:
        self.run.on_day(day)

    def row_ended(self, row: JobRow) -> None:
        self.run.rows_told.append(row)

    def progressed(self, progress: Progress) -> None:
        self.run.told.append(progress)


class Run:
    """A job of some days under its lease, and a run of it that follows a script."""

    def __init__(self, jobs: JobService, folder: Path, days: int, script: Script, on_error: OnError) -> None:
        self.jobs = jobs
        self.lake = Lake(folder / "data")
        self.job_id = create(jobs, days)
        jobs.leases.acquire(self.job_id, OWNER, 60)
        self.audit = Audit(folder / "state" / "audit", f"run-{self.job_id}", self.job_id)
        self.loader = ScriptedLoader(script)
        self.on_day: Callable[[LandedDay], None] = lambda day: None
        self.told: list[Progress] = []
        self.rows_told: list[JobRow] = []
        setup = RunSetup(options(folder, on_error), Listener(self), OWNER, lambda _: self.loader, lambda: 0.0)
        workspace = workspace_of(jobs=jobs, lake=self.lake)
        self.run = JobRun(workspace, setup, jobs.get_rows(self.job_id), ALL_AT_ONCE, self.audit)

    def work_off(self) -> str:
        with self.audit:
            stopped = self.run.work_off()
        self.run.remember()
        return stopped

    @property
    def rows(self) -> list[JobRow]:
        return self.jobs.get_rows(self.job_id)

    @property
    def states(self) -> str:
        """The first letters of the rows' states, in order."""
        return "".join(row.status.value[0] for row in self.rows)


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    with open_ledger(f"sqlite:///{tmp_path / 'state' / 'ledger.sqlite'}") as jobs:

        def make(days: int, script: Script = lambda _: 3, on_error: OnError = OnError.FAIL_FAST) -> Run:
            return Run(jobs, tmp_path, days, script, on_error)

        yield make


def failing(*days: int, error: APIError = FAILED) -> Script:
    """These days fail, the others have three rows."""
    return lambda request: error if day_number(request) in days else 3


def test_a_day_is_landed_and_then_checked_off(begin: Callable[..., Run]) -> None:
    """First the file, then the ledger, then whoever wants to know: a crash between costs a reading, never a row."""
    run = begin(3, lambda request: 0 if day_number(request) == 2 else 3)
    seen = []

    def on_day(day: LandedDay) -> None:
        row = next(row for row in run.rows if row.day == day.loaded.day.key)
        seen.append((row.day, row.status, day.file.path.exists(), day.file.rows, day.budget_wait))

    run.on_day = on_day
    assert run.work_off() == ""
    assert seen == [
        ("2026-01-01", RowStatus.COMPLETED, True, 3, 1.0),
        ("2026-01-02", RowStatus.COMPLETED, True, 0, 1.0),
        ("2026-01-03", RowStatus.COMPLETED, True, 3, 1.0),
    ]
    assert [(row.rows, row.requests, row.seconds, row.job_hashes) for row in run.rows] == [
        (rows, 2, 0.5, (f"hash-{row.day}-0",)) for row, rows in zip(run.rows, (3, 0, 3), strict=True)
    ]
    assert [row.path for row in run.rows] == [str(run.lake.path("transactions", row.day)) for row in run.rows]
    assert [outcome.outcome for outcome in run.run.outcomes] == ["success", "no-record", "success"]
    assert [(now.days_done, now.rows, now.pages) for now in run.told] == [(1, 3, 1), (2, 3, 2), (3, 6, 3)]
    assert run.rows_told == run.rows
    measures = run.run.measures()
    assert (measures.requests, measures.rows, measures.budget_wait) == (6, 6, 3.0)


@pytest.mark.parametrize("seconds", [4.5, None])
def test_what_a_run_learned_of_job_times_is_remembered(begin: Callable[..., Run], seconds: float | None) -> None:
    """For the next run's first guess (LV-05), also of a run that ended early; without a job that passed, nothing."""
    run = begin(2, failing(2))
    run.loader.seconds = seconds
    assert run.work_off() != ""
    kept = run.jobs.knowledge.recall("account", JOB_SECONDS)
    assert (kept.content if kept else None) == seconds


def test_fail_fast_ends_at_the_first_failing_day(begin: Callable[..., Run]) -> None:
    """What is landed stays; the days after it are not begun, and the loader is closed."""
    run = begin(5, failing(3))
    assert run.work_off() == "2026-01-03 failed (JobFailedError); the run stops at its first failed day"
    assert run.states == "ccfpp"
    failed = run.rows[2]
    assert (failed.error_code, failed.requests, failed.path) == ("JobFailedError", 2, None)
    assert failed.error_message is not None
    assert failed.error_message.startswith("Batch job failed")
    assert run.loader.closed
    assert run.lake.partitions("transactions") == ["2026-01-01", "2026-01-02"]


@pytest.mark.parametrize(
    ("bad", "states"),
    [
        ((2, 4, 6), "cfcfcfcccccc"),
        ((1, 2, 3, 4, 5), "fffffccccccc"),  # half of ten is not most of them
        ((6, 7, 8, 9, 10), "cccccfffffcc"),
        ((1, 2, 3, 4, 5, 6), "ffffffcccccc"),  # a day that lands is no reason to stop
        (range(1, 13), "ffffffffffpp"),  # fewer than ten days say nothing
        ((1, 2, 3, 4, 5, 6, 11), "ffffffccccfp"),
        ((6, 7, 8, 9, 10, 11, 12), "cccccffffffp"),
    ],
)
def test_continue_goes_on_until_most_days_fail(begin: Callable[..., Run], bad: tuple[int, ...], states: str) -> None:
    """The others land; more than half of ten or more failing end the run, which says so."""
    run = begin(12, failing(*bad), OnError.CONTINUE)
    stopped = run.work_off()
    assert run.states == states
    assert ("days failed: the run stops itself" in stopped) is ("p" in states)


@pytest.mark.parametrize("on_error", OnError)
def test_refused_credentials_end_every_run(begin: Callable[..., Run], on_error: OnError) -> None:
    """Each other day would fail, too."""
    run = begin(3, failing(1, error=AuthError(403, "BadClientCredentialsError", ())), on_error)
    assert run.work_off() == "2026-01-01: the API refuses the credentials; every other day would fail too"
    assert run.states == "fpp"


def test_a_disk_that_takes_nothing_ends_every_run(begin: Callable[..., Run], monkeypatch: pytest.MonkeyPatch) -> None:
    """The day has failed with the disk's own words; no request is spent on days that could not be landed."""
    run = begin(3, on_error=OnError.CONTINUE)

    def full(*_: object, **__: object) -> None:
        raise UnwritableLakeError("cannot write: No space left on device")

    monkeypatch.setattr(Lake, "land", full)
    assert run.work_off() == "2026-01-01: cannot write: No space left on device"
    assert run.states == "fpp"
    assert run.rows[0].error_code == "UnwritableLakeError"


@pytest.mark.parametrize(("on_error", "states"), [(OnError.CONTINUE, "cfc"), (OnError.FAIL_FAST, "cfp")])
def test_a_day_that_turns_empty_concerns_no_other(begin: Callable[..., Run], on_error: OnError, states: str) -> None:
    """It fails, and its rows stay; the others go on where the run is to continue."""
    assert begin(3).work_off() == ""
    again = begin(3, lambda request: 0 if day_number(request) == 2 else 3, on_error)
    again.work_off()
    assert again.states == states
    assert again.rows[1].error_code == "RowsWouldVanishError"
    assert again.lake.rows("transactions", "2026-01-02") == 3


def test_an_unparsable_page_is_kept_and_named(begin: Callable[..., Run], tmp_path: Path) -> None:
    """The row's message says where to look."""
    run = begin(1, failing(1, error=UnparsableRowError("1:1", "total", "no number", [{"total": "abc"}], "h7")))
    run.work_off()
    kept = tmp_path / "state" / "quarantine" / "2026-01-01-h7.json"
    assert (
        run.rows[0].error_message == f"row 1:1 of load job h7: field total: no number; the raw page is kept in {kept}"
    )
    assert json.loads(kept.read_text())["rows"] == [{"total": "abc"}]
    assert run.run.outcomes[0].message == run.rows[0].error_message


def test_a_loader_that_stops_itself_says_why(begin: Callable[..., Run]) -> None:
    """No day has failed of it: what was open is still to be done."""

    def give_up(request: DayRequest) -> int:
        if day_number(request) == 2:
            raise LoadingStoppedError("the API fails every request")
        return 3

    run = begin(3, give_up)
    assert run.work_off() == "the API fails every request"
    assert run.states == "crp"


def test_stop_begins_nothing_more(begin: Callable[..., Run]) -> None:
    """After the day at which it was asked for; the first reason stays the reason."""
    run = begin(3)

    def stop(_: LandedDay) -> None:
        run.run.stop("asked for")
        run.run.stop("asked again")

    run.on_day = stop
    assert run.work_off() == "asked for"
    assert run.states == "cpp"
    assert run.loader.closed


def test_a_day_that_is_complete_lands_although_a_stop_was_asked_for(begin: Callable[..., Run]) -> None:
    """What has been paid for is kept; the loader opens nothing more."""

    def stop(request: DayRequest) -> int:
        if day_number(request) == 2:
            run.run.stop("asked for")
        return 3

    run: Run = begin(3, stop)
    assert run.work_off() == "asked for"
    assert run.states == "ccp"
    assert run.lake.partitions("transactions") == ["2026-01-01", "2026-01-02"]


def test_intent_and_hash_are_written_down(begin: Callable[..., Run]) -> None:
    """Before the POST that a page is about to be submitted; after it, its hash."""
    run = begin(2)
    request = DayRequest(loaded_request(run).day)
    (job,) = DayWork.begin(request, 0.0).jobs()
    run.run.submitting(job)
    (intent,) = run.jobs.load_jobs.of(run.rows[0].id)
    assert (intent.window, intent.page, intent.job_hash) == (job.work.window, 1, None)
    job.job_hash = "h9"
    run.run.submitted(job)
    (known,) = run.jobs.load_jobs.of(run.rows[0].id)
    assert known.job_hash == "h9"
    assert run.jobs.load_jobs.of(run.rows[1].id) == []


def loaded_request(run: Run) -> DayRequest:
    """The first day of a run, as its loader is asked for it."""
    run.run.stop("after the first")
    return next(iter(run.run._requests()))


def test_live_jobs_are_handed_to_the_loader(begin: Callable[..., Run]) -> None:
    """Those with a hash, each as old as it is at most; an intent alone is nothing to take up."""
    run = begin(1)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    window = Window(start, start + timedelta(days=1))
    row = run.rows[0].id
    before = datetime.now(UTC)
    for page in (1, 2, 3):
        run.jobs.load_jobs.note_submitting(row, window, page)
    run.jobs.load_jobs.note_submitted(row, window, 1, "h1")
    run.jobs.load_jobs.note_submitted(row, window, 3, "h3")
    request = loaded_request(run)
    after = (datetime.now(UTC) - before).total_seconds()
    assert [(live.window, live.page, live.job_hash) for live in request.live_jobs] == [
        (window, 1, "h1"), (window, 3, "h3")
    ]  # fmt: skip
    assert all(0 <= live.age <= after for live in request.live_jobs)


def test_without_the_lease_nothing_is_changed(begin: Callable[..., Run]) -> None:
    """Another executor has the job: the run ends with that, and neither completes nor fails a row of his."""
    run = begin(3)

    def taken(_: LandedDay) -> None:
        run.jobs.leases.release(run.job_id, OWNER)
        run.jobs.leases.acquire(run.job_id, "another", 60)

    run.on_day = taken
    with pytest.raises(LeaseLostError, match=r"has lost the lease on job .* to another"):
        run.work_off()
    assert run.states == "cpp"
    assert run.loader.closed
