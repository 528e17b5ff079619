"""One execution of a job: the loader's outcomes into lake, ledger and audit.

Belongs here: what happens to each day, and when a run should stop. Does not belong here: leases, and the states of the
job as a whole (`executor.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from sonnys_pipeline.batch.audit import Audit, DayOutcome, Measures
from sonnys_pipeline.batch.jobs import JobRow
from sonnys_pipeline.batch.landing import Source, land_day, set_aside
from sonnys_pipeline.batch.ledger import JobService
from sonnys_pipeline.batch.progress import LOG_INTERVAL, Progress, ProgressReport
from sonnys_pipeline.client import AuthError, SonnysError, UnparsableRowError
from sonnys_pipeline.lake.dataset import Lake, LandedFile
from sonnys_pipeline.lake.errors import LakeError, UnwritableLakeError
from sonnys_pipeline.loading.days import Day, Window
from sonnys_pipeline.loading.loader import Loader
from sonnys_pipeline.loading.outcomes import Attempt, FailedDay, LoadingStoppedError, LoadObserver
from sonnys_pipeline.loading.pages import LoadedDay
from sonnys_pipeline.loading.schedule import LoaderOptions
from sonnys_pipeline.loading.work import DayRequest, LiveJob, PageJob

#: With `continue`, a run stops when of at least so many days more than this share has failed (BM-06).
_DAYS_SAMPLE = 10
_FAILED_SHARE = 0.5


class OnError(StrEnum):
    """What a failing day does to the run."""

    FAIL_FAST = "fail-fast"  # it ends the run; days that are landed stay landed
    CONTINUE = "continue"  # the others go on, until most of them fail, too


@dataclass(frozen=True)
class ExecutorOptions:
    """How a run behaves.

    Attributes:
        timezone: zone of the days.
        state_dir: where audit and quarantine are kept.
        loader: durations and bounds of the loader.
        source: whose rows are asked for; kept in each file.
        on_error: what a failing day does.
        lease_seconds: how long an executor that says nothing counts as alive.
        progress_seconds: how long nothing may be told of where the run stands.
    """

    timezone: str
    state_dir: Path
    loader: LoaderOptions
    source: Source
    on_error: OnError = OnError.FAIL_FAST
    lease_seconds: float = 30.0
    progress_seconds: float = LOG_INTERVAL


@dataclass(frozen=True)
class LandedDay:
    """A day that has just been landed.

    Attributes:
        loaded: what was loaded.
        file: the file that it became.
        budget_wait: seconds that the run has waited for its budget since the day before it was landed.
    """

    loaded: LoadedDay
    file: LandedFile
    budget_wait: float


class JobRun(LoadObserver):
    """One execution of a job: the loader's outcomes into lake, ledger and audit."""

    def __init__(
        self,
        jobs: JobService,
        lake: Lake,
        loader: Callable[[LoadObserver], Loader],
        audit: Audit,
        options: ExecutorOptions,
        rows: Sequence[JobRow],
        *,
        owner: str,
        on_day: Callable[[LandedDay], None],
        on_progress: Callable[[Progress], None],
        on_row: Callable[[JobRow], None],
        clock: Callable[[], float],
    ) -> None:
        """Prepare; nothing is sent yet. `loader` makes the loader that this run observes; `owner` holds the lease."""
        self.audit = audit
        self.started_at = datetime.now(UTC)
        self.report = ProgressReport(len(rows), on_progress, clock, options.progress_seconds)
        self._jobs = jobs
        self._lake = lake
        self._options = options
        self._rows = {(row.day, row.site): row for row in rows}
        self._owner = owner
        self._on_day = on_day
        self._on_row = on_row
        self._clock = clock
        self._started = clock()
        self._stop_reason = ""
        self._budget_wait = 0.0
        self._loader = loader(self)

    def stop(self, reason: str) -> None:
        """End soon, with what is landed; safe to call from a signal handler or another thread."""
        self._stop_reason = self._stop_reason or reason
        self._loader.stop()

    def work_off(self) -> str:
        """Load and land every row; why it stopped before the last one, or nothing.

        Raises:
            LeaseLostError: when another executor has the job; nothing of it was changed since.
        """
        outcomes = self._loader.load(self._requests())
        try:
            for outcome in outcomes:  # a stop ends the loader; days that are already complete are landed still
                stopped = self._landed(outcome) if isinstance(outcome, LoadedDay) else self._failed(outcome)
                if stopped:
                    return stopped
        except LoadingStoppedError as error:
            return str(error)
        finally:
            outcomes.close()  # type: ignore[attr-defined] # a generator, whatever its annotation says
        return self._stop_reason

    def measures(self) -> Measures:
        """The figures of this run so far."""
        return Measures.of(
            self.audit.outcomes,
            requests=self._loader.requests,
            seconds=self._clock() - self._started,
            budget_wait=self._loader.budget_wait,
        )

    def submitting(self, job: PageJob) -> None:
        """Write the intent, before anything is sent."""
        self._jobs.note_submitting(self._row_of(job).id, job.work.window, job.page)

    def submitted(self, job: PageJob) -> None:
        """Write the hash, before anything else is sent."""
        self._jobs.note_submitted(self._row_of(job).id, job.work.window, job.page, job.job_hash)

    def attempted(self, attempt: Attempt) -> None:
        """A line of the audit, and of the progress when it is time for one."""
        self.audit.attempted(attempt)
        self.report.request_answered(self._loader.requests)

    def _requests(self) -> Iterator[DayRequest]:
        """Days in order, each with the load jobs that a run before this one left alive."""
        lifetime = timedelta(seconds=self._options.loader.hash_lifetime)
        for row in self._rows.values():
            self._jobs.start_row(row.id, owner=self._owner)
            now = datetime.now(UTC)
            live = [
                LiveJob(
                    Window(known.window_start, known.window_end),
                    known.page,
                    known.job_hash,
                    (now - known.submitting_at).total_seconds(),
                )
                for known in self._jobs.live_load_jobs(row.id, younger_than=lifetime)
                if known.job_hash
            ]
            yield DayRequest(Day.of(row.day, self._options.timezone), row.site, live)

    def _landed(self, loaded: LoadedDay) -> str:
        row = self._rows[(loaded.day.key, loaded.site)]
        # Asked for again just before the file is put in its place: a successor's newer day must not be overwritten.
        self._jobs.renew_lease(row.job_id, self._owner, self._options.lease_seconds)
        try:
            file = land_day(self._lake, loaded, source=self._options.source)
        except LakeError as error:
            stopped = self._day_failed(row, error, loaded.requests, loaded.seconds)
            # What the disk does not take of this day it takes of no other one; anything else is this day's alone.
            return stopped or (f"{row.day}: {error}" if isinstance(error, UnwritableLakeError) else "")
        rows = loaded.table.num_rows  # of one site's row these; its file may hold other sites, too
        completed = self._jobs.complete_row(
            row.id,
            job_hashes=loaded.job_hashes,
            path=str(file.path),
            rows=rows,
            requests=loaded.requests,
            seconds=loaded.seconds,
            owner=self._owner,
        )
        pages = len(loaded.job_hashes)
        self.audit.day_ended(
            DayOutcome(
                row.day, row.site, "success" if rows else "no-record", rows, pages, loaded.requests,
                round(loaded.seconds, 3), str(file.path),
            )
        )  # fmt: skip
        waited, self._budget_wait = self._loader.budget_wait - self._budget_wait, self._loader.budget_wait
        self._on_day(LandedDay(loaded, file, waited))
        self._on_row(completed)
        self.report.day_ended(rows=rows, pages=pages, failed=False)
        return ""

    def _failed(self, failed: FailedDay) -> str:
        row = self._rows[(failed.request.day.key, failed.request.site)]
        return self._day_failed(row, failed.error, failed.requests, failed.seconds)

    def _day_failed(self, row: JobRow, error: SonnysError | LakeError, requests: int, seconds: float) -> str:
        """Keep what is known of a failed day; why the run should stop now, or nothing."""
        message = str(error)
        if isinstance(error, UnparsableRowError):
            kept = set_aside(self._options.state_dir / "quarantine", row.day, error)
            message = f"{message}; the raw page is kept in {kept}"
        name = type(error).__name__
        bad_row = self._jobs.fail_row(
            row.id, code=name, message=message, requests=requests, seconds=seconds, owner=self._owner
        )
        self.audit.day_ended(
            DayOutcome(
                row.day, row.site, "failed", requests=requests, seconds=round(seconds, 3), error=name, message=message
            )
        )
        self._on_row(bad_row)
        self.report.day_ended(rows=0, pages=0, failed=True)
        done, bad = self.report.now.days_done, self.report.now.days_failed
        if isinstance(error, AuthError):
            return f"{row.day}: the API refuses the credentials; every other day would fail, too"
        if self._options.on_error is OnError.FAIL_FAST:
            return f"{row.day} failed ({name}), and the run fails fast"
        if done >= _DAYS_SAMPLE and bad > _FAILED_SHARE * done:
            return f"{bad} of {done} days failed: the run stops itself"
        return ""

    def _row_of(self, job: PageJob) -> JobRow:
        request = job.work.day.request
        return self._rows[(request.day.key, request.site)]
