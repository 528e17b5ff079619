"""The audit of a run: one line per request, one summary per run, and its measures (BM-08, BM-09).

Files in `{state}/audit/`: `{run}.ndjson`, appended with one write per line, so that a crash can damage only the last
line, which readers skip; `{run}.json`, the summary, replaced atomically.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

from sonnys_pipeline.backfill.listener import RunListener
from sonnys_pipeline.backfill.options import ExecutorOptions
from sonnys_pipeline.backfill.progress import ProgressReport
from sonnys_pipeline.extract.events import Attempt, LoadObserver
from sonnys_pipeline.extract.loader import Loader
from sonnys_pipeline.ledger.models import JobRow
from sonnys_pipeline.ledger.service import JobService
from sonnys_pipeline.runtime.private_folder import private_folder, writable_state, write_private_file

AUDIT_FOLDER = "audit"


@dataclass(frozen=True)
class DayOutcome:
    """What became of one day (`day`: partition key; `site`: the one site asked for, `None` for all).

    Attributes:
        outcome: `success`, `no-record` (a day without rows) or `failed`.
        pages: load jobs that made its rows.
        seconds: from its first request to its last answer.
        error: class name of the error, where it failed.
        list_requests: of its requests, those to list endpoints (count and states).
    """

    day: str
    site: str | None
    outcome: str
    rows: int = 0
    pages: int = 0
    requests: int = 0
    seconds: float = 0.0
    path: str = ""
    error: str = ""
    message: str = ""
    list_requests: int = 0


@dataclass(frozen=True)
class Measures:
    """The figures of a run (BM-09).

    Attributes:
        success_rate: succeeded / days; 1.0 without days.
        requests: includes those of days that did not end.
        list_requests: of them, to list endpoints (counts and states).
        requests_per_page: per landed page, failures and unready polls included; at least 2.
        p50_seconds, p95_seconds: per succeeded day, from its first request to its last answer.
        budget_wait: seconds in which only the budget held a request back.
    """

    days: int
    succeeded: int
    failed: int
    success_rate: float
    rows: int
    pages: int
    requests: int
    requests_per_page: float
    p50_seconds: float
    p95_seconds: float
    seconds: float
    budget_wait: float
    list_requests: int = 0

    @classmethod
    def of(cls, outcomes: Sequence[DayOutcome], *, requests: int, seconds: float, budget_wait: float) -> Measures:
        """Compute them from the outcomes of the days."""
        good = [outcome for outcome in outcomes if outcome.outcome != "failed"]
        pages = sum(outcome.pages for outcome in good)
        lists = sum(outcome.list_requests for outcome in outcomes)
        times = sorted(outcome.seconds for outcome in good)
        cuts = quantiles(times, n=20, method="inclusive") if len(times) > 1 else (times or [0.0]) * 19
        return cls(
            days=len(outcomes),
            succeeded=len(good),
            failed=len(outcomes) - len(good),
            success_rate=len(good) / len(outcomes) if outcomes else 1.0,
            rows=sum(outcome.rows for outcome in good),
            pages=pages,
            requests=requests,
            requests_per_page=round((requests - lists) / pages, 3) if pages else 0.0,
            p50_seconds=round(cuts[9], 3),
            p95_seconds=round(cuts[18], 3),
            seconds=round(seconds, 3),
            budget_wait=round(budget_wait, 3),
            list_requests=lists,
        )


@dataclass
class Audit:
    """A run's audit, as a context manager; `folder` is for its owner only. `StateUnwritableError` if writing fails."""

    folder: Path
    run_id: str
    job_id: str
    _lines: int = -1

    def __enter__(self) -> Audit:
        with writable_state(self.attempts_path):
            private_folder(self.folder)
            flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_NOFOLLOW
            self._lines = os.open(self.attempts_path, flags, 0o600)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._lines)

    @property
    def attempts_path(self) -> Path:
        """The requests: one JSON object per line."""
        return self.folder / f"{self.run_id}.ndjson"

    @property
    def summary_path(self) -> Path:
        """The summary: one JSON document."""
        return self.folder / f"{self.run_id}.json"

    def attempted(self, attempt: Attempt) -> None:
        """Append a line in a single write, so that lines never mix."""
        line = {**asdict(attempt), "sent_at": attempt.sent_at.isoformat(), "seconds": round(attempt.seconds, 4)}
        content = json.dumps({"run_id": self.run_id, "job_id": self.job_id, **line}) + "\n"
        with writable_state(self.attempts_path):
            os.write(self._lines, content.encode())

    def summarize(
        self,
        measures: Measures,
        outcomes: Sequence[DayOutcome] = (),
        *,
        status: str,
        started_at: datetime,
        reason: str = "",
    ) -> dict[str, Any]:
        """Write the summary, atomically, and return it."""
        summary = {
            "run_id": self.run_id,
            "job_id": self.job_id,
            "status": status,
            "reason": reason,
            "started_at": started_at.isoformat(),
            "ended_at": datetime.now(UTC).isoformat(),
            "measures": asdict(measures),
            "days": [asdict(outcome) for outcome in outcomes],
        }
        with writable_state(self.summary_path):
            write_private_file(self.summary_path, json.dumps(summary, indent=1))
        return summary


@dataclass(frozen=True)
class RunSetup:
    """What all runs of an executor share; `owner` holds the job's lease, `clock` gives monotonic seconds."""

    options: ExecutorOptions
    listener: RunListener
    owner: str
    make_loader: Callable[[LoadObserver], Loader]
    clock: Callable[[], float]


class AuditedRun:
    """One execution of a job: it writes each row to the ledger, keeps its outcome for the audit, and reports it.

    Attributes:
        outcomes: what became of each row that has ended.
        report: how far it is.
    """

    def __init__(self, jobs: JobService, setup: RunSetup, days: int, audit: Audit) -> None:
        self.audit = audit
        self.outcomes: list[DayOutcome] = []
        self.started_at = datetime.now(UTC)
        self.report = ProgressReport(days, setup.listener.progressed, setup.clock, setup.options.progress_seconds)
        self._jobs = jobs
        self._options = setup.options
        self._listener = setup.listener
        self._owner = setup.owner
        self._clock = setup.clock
        self._started = setup.clock()
        self._stop_reason = ""

    def stop(self, reason: str) -> None:
        """End soon, keeping what is landed; safe to call from a signal handler or another thread."""
        self._stop_reason = self._stop_reason or reason

    def _row_failed(self, row: JobRow, error: Exception, message: str, requests: int, seconds: float) -> None:
        """Write a failed row to the ledger, keep its outcome, and report it."""
        name = type(error).__name__
        failed = self._jobs.fail_row(
            row.id, code=name, message=message, requests=requests, seconds=seconds, owner=self._owner
        )
        outcome = DayOutcome(
            row.day, row.site, "failed", requests=requests, seconds=round(seconds, 3), error=name, message=message
        )
        self.outcomes.append(outcome)
        self._tell(failed, outcome)

    def _tell(self, row: JobRow, outcome: DayOutcome) -> None:
        """Report a row that has ended to the listener, and the progress."""
        self._listener.row_ended(row)
        self.report.day_ended(rows=outcome.rows, pages=outcome.pages, failed=outcome.outcome == "failed")


def requests_of_job(folder: Path, job_id: str) -> int:
    """Requests sent by all runs of a job, according to their audits.

    The ledger counts only days that ended; requests of a killed process are recorded here alone.
    """
    needle, sent = json.dumps(job_id).encode(), 0
    for path in folder.glob("*.ndjson"):
        with path.open("rb") as lines:
            if needle in lines.readline():  # each file is of one run, each run of one job
                sent += 1 + sum(line.endswith(b"\n") for line in lines)
    return sent
