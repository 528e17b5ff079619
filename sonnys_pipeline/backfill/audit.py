"""What a run did: a line an attempt, a summary a run, and the measures an operator asks for (BM-08, BM-09).

Files, in `{state}/audit/`: `{run}.ndjson`, one line a request, appended with one write each, so that a crash can tear
only the last line, which readers pass over; `{run}.json`, the summary, renamed into place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import quantiles
from typing import Any

from sonnys_pipeline.extract.events import Attempt
from sonnys_pipeline.runtime.private_folder import private_folder, writable_state, write_private_file

#: In the state folder.
AUDIT_FOLDER = "audit"


@dataclass(frozen=True)
class DayOutcome:
    """What became of one day.

    Attributes:
        day: partition key.
        site: the one site that was asked for.
        outcome: `success`, `no-record` (a day without rows) or `failed`.
        rows: landed.
        pages: load jobs that made them.
        requests: spent.
        seconds: from its first request to its last answer.
        path: the landed file.
        error: name of the error, where it failed.
        message: its message.
        list_requests: of the requests those to list endpoints, for the day's count and its states.
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
        days, succeeded, failed: counts of days that came to an end.
        success_rate: share of them that succeeded; 1.0 where there were none.
        rows, pages, requests: totals; requests include those of days that did not come to an end.
        list_requests: of them to list endpoints, for counts and states.
        requests_per_page: what a landed page cost, failures and polls in vain included; two is the floor.
        p50_seconds, p95_seconds: per day, from its first request to its last answer.
        seconds: of the whole run.
        budget_wait: seconds in which a request was ready and only the budget kept it back.
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
        """Compute them from what became of the days."""
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
    """The audit of one run; use it as a context manager.

    Attributes:
        folder: `{state}/audit`; made readable by its owner alone.
        run_id: names the files.
        job_id: the ledger job.
    """

    folder: Path
    run_id: str
    job_id: str
    outcomes: list[DayOutcome] = field(default_factory=list)
    _lines: int = -1

    def __enter__(self) -> Audit:
        """Open the file of attempts.

        Raises:
            StateUnwritableError: when it cannot be written, as every method that writes does.
        """
        with writable_state(self.attempts_path):
            private_folder(self.folder)
            flags = os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_NOFOLLOW
            self._lines = os.open(self.attempts_path, flags, 0o600)
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        os.close(self._lines)

    @property
    def attempts_path(self) -> Path:
        """One JSON object a line, one line a request."""
        return self.folder / f"{self.run_id}.ndjson"

    @property
    def summary_path(self) -> Path:
        """One JSON document a run."""
        return self.folder / f"{self.run_id}.json"

    def attempted(self, attempt: Attempt) -> None:
        """Append a line; one write, so that no other line can be torn by it."""
        line = {**asdict(attempt), "sent_at": attempt.sent_at.isoformat(), "seconds": round(attempt.seconds, 4)}
        content = json.dumps({"run_id": self.run_id, "job_id": self.job_id, **line}) + "\n"
        with writable_state(self.attempts_path):
            os.write(self._lines, content.encode())

    def day_ended(self, outcome: DayOutcome) -> None:
        """Keep what became of a day."""
        self.outcomes.append(outcome)

    def summarize(self, measures: Measures, *, status: str, started_at: datetime, reason: str = "") -> dict[str, Any]:
        """Write the summary, atomically, and return it."""
        summary = {
            "run_id": self.run_id,
            "job_id": self.job_id,
            "status": status,
            "reason": reason,
            "started_at": started_at.isoformat(),
            "ended_at": datetime.now(UTC).isoformat(),
            "measures": asdict(measures),
            "days": [asdict(outcome) for outcome in self.outcomes],
        }
        with writable_state(self.summary_path):
            write_private_file(self.summary_path, json.dumps(summary, indent=1))
        return summary


def requests_of_job(folder: Path, job_id: str) -> int:
    """Requests that all runs of a job have sent, by their audits: those of a process that was killed included.

    The ledger counts what days have cost that came to an end; what is lost with a process stands here alone.
    """
    needle, sent = json.dumps(job_id).encode(), 0
    for path in folder.glob("*.ndjson"):
        with path.open("rb") as lines:
            first = lines.readline()
            if needle in first:  # a file is one run's, and a run is one job's
                sent += 1 + sum(line.endswith(b"\n") for line in lines)
    return sent
