"""Jobs and their rows as frozen records, and which status may follow which (JS-01…JS-05).

A job is a list of days to load; a row is one day of it, for all sites or for one. Instants are aware UTC datetimes,
durations seconds, days `YYYY-MM-DD` in the pipeline's zone. The ledger's errors are re-exported from `errors.py`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from sonnys_pipeline.ledger.errors import (
    ClosedJobError,
    DuplicateRowError,
    InvalidStateTransition,
    JobLeasedError,
    LeaseLostError,
    LedgerError,
    LedgerUnavailableError,
    LedgerVersionError,
    UnknownJobError,
    UnknownRowError,
    UnknownStoredValueError,
)

__all__ = [
    "DAGSTER_PREFIX",
    "VALID_ROW_TRANSITIONS",
    "VALID_TRANSITIONS",
    "ClosedJobError",
    "DuplicateRowError",
    "InvalidStateTransition",
    "Job",
    "JobLeasedError",
    "JobMode",
    "JobRow",
    "JobStatus",
    "JobSummary",
    "LeaseLostError",
    "LedgerError",
    "LedgerUnavailableError",
    "LedgerVersionError",
    "PlanRecord",
    "RowFigures",
    "RowSpec",
    "RowStatus",
    "Transition",
    "UnknownJobError",
    "UnknownRowError",
    "UnknownStoredValueError",
    "can_transition",
]


#: Prefix of the names of jobs made by Dagster runs; the run id follows.
DAGSTER_PREFIX = "dagster:"


class JobStatus(StrEnum):
    """Status of a job."""

    PENDING = "pending"  # created, not yet executed
    RUNNING = "running"  # being executed, or its executor died: the lease tells which
    COMPLETED = "completed"  # every row was landed or skipped; final
    FAILED = "failed"  # ended with failed rows; can be resumed
    CANCELLED = "cancelled"  # given up by a person; final
    PAUSED = "paused"  # stopped at a checkpoint (signal, circuit breaker, a person); can be resumed

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended: it has a `completed_at`, and is not continued unless a person asks."""
        return self in {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}


#: Allowed changes of a job's status. `failed → running` resumes a failed job; it clears `completed_at` (BX-06).
VALID_TRANSITIONS: Mapping[JobStatus, frozenset[JobStatus]] = MappingProxyType(
    {
        JobStatus.PENDING: frozenset({JobStatus.RUNNING, JobStatus.CANCELLED}),
        JobStatus.RUNNING: frozenset(
            {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.PAUSED}
        ),
        JobStatus.COMPLETED: frozenset(),
        JobStatus.FAILED: frozenset({JobStatus.RUNNING}),
        JobStatus.CANCELLED: frozenset(),
        JobStatus.PAUSED: frozenset({JobStatus.RUNNING, JobStatus.CANCELLED}),
    }
)  # fmt: skip


def can_transition(current: JobStatus, attempted: JobStatus) -> bool:
    """Whether a job may change its status so (JS-02); the same status again is not a change."""
    return attempted in VALID_TRANSITIONS[current]


class RowStatus(StrEnum):
    """Status of a row."""

    PENDING = "pending"  # to be read
    RUNNING = "running"  # being read, or its executor died
    COMPLETED = "completed"  # landed
    FAILED = "failed"  # could not be read or landed; the error says why
    SKIPPED = "skipped"  # deliberately not read; the message says why


#: Allowed changes of a row's status; only `reopen_rows` and `reopen_row` lead back to pending.
VALID_ROW_TRANSITIONS: Mapping[RowStatus, frozenset[RowStatus]] = MappingProxyType(
    {
        RowStatus.PENDING: frozenset({RowStatus.RUNNING, RowStatus.SKIPPED}),
        RowStatus.RUNNING: frozenset(
            {RowStatus.COMPLETED, RowStatus.FAILED, RowStatus.SKIPPED, RowStatus.PENDING}
        ),
        RowStatus.COMPLETED: frozenset({RowStatus.PENDING}),
        RowStatus.FAILED: frozenset({RowStatus.RUNNING, RowStatus.SKIPPED, RowStatus.PENDING}),
        RowStatus.SKIPPED: frozenset({RowStatus.PENDING}),
    }
)  # fmt: skip


class JobMode(StrEnum):
    """Whether a plan needs a person's approval (BX-03)."""

    AUTO = "auto"  # runs without approval
    CONFIRM = "confirm"  # runs only an approved plan


@dataclass(frozen=True)
class RowSpec:
    """A row to create: a day (`YYYY-MM-DD`) of one site, or with `None` of all sites in one read."""

    day: str
    site: str | None = None

    def __post_init__(self) -> None:
        if date.fromisoformat(self.day).isoformat() != self.day:
            raise ValueError(f"{self.day!r} is not a day; write YYYY-MM-DD")
        if self.site == "":
            raise ValueError(f"{self.day}: an empty site code; leave it out for every site")

    @property
    def checksum(self) -> str:
        """SHA-256 (hex) of day and site, equal in every job."""
        return hashlib.sha256(json.dumps([self.day, self.site]).encode()).hexdigest()


@dataclass(frozen=True)
class Job:
    """A job as the ledger had it when it was read (JS-01).

    Attributes:
        id: unique; begins with the instant of creation, so that ids sort by age.
        original_command: what was typed, or the Dagster run.
        total_days: its rows, one per day and site.
        processed_days: completed, failed and skipped ones.
        error_code: short name of what ended it, such as an error class; `None` if nothing went wrong.
        error_message: the same in words, with the remedy.
        started_at: first execution.
        completed_at: when it ended; `None` while it is resumed.
    """

    id: str
    name: str
    original_command: str
    description: str
    mode: JobMode
    status: JobStatus
    total_days: int
    processed_days: int
    successful_days: int
    failed_days: int
    skipped_days: int
    error_code: str | None
    error_message: str | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    lease_owner: str | None
    lease_until: datetime | None
    account: str | None = None

    @property
    def dagster_run(self) -> str | None:
        """Id of the Dagster run that made it; `None` for a job of the command line."""
        return self.name.removeprefix(DAGSTER_PREFIX) if self.name.startswith(DAGSTER_PREFIX) else None

    @property
    def remaining_days(self) -> int:
        """Pending and running days."""
        return self.total_days - self.processed_days

    def is_leased(self, now: datetime) -> bool:
        """Whether an executor holds it at an (aware) instant."""
        return self.lease_owner is not None and self.lease_until is not None and self.lease_until >= now


@dataclass(frozen=True)
class JobRow:
    """A row as the ledger had it when it was read (JS-03, JS-04).

    Attributes:
        id: unique in the ledger, never reused.
        position: place in the job, from 0.
        attempts: how often it was started.
        rows, path: landed transactions and their file; `None` until it is completed.
        requests, seconds: HTTP requests and time, over all attempts.
        job_hashes: load jobs that delivered it, in order.
        error_code: short name of the last failure; cleared at the next start.
        error_message: the failure in words, or why it was skipped.
        started_at: last start.
        completed_at: when it was completed, failed or skipped.
    """

    id: int
    job_id: str
    position: int
    day: str
    site: str | None
    checksum: str
    status: RowStatus
    attempts: int
    rows: int | None
    requests: int
    seconds: float
    path: str | None
    job_hashes: tuple[str, ...]
    error_code: str | None
    error_message: str | None
    started_at: datetime | None
    completed_at: datetime | None


@dataclass(frozen=True)
class RowFigures:
    """Results and costs of reading a row (JS-04); `requests` and `seconds` are of this attempt alone."""

    job_hashes: Sequence[str]
    path: str
    rows: int
    requests: int
    seconds: float


@dataclass(frozen=True)
class Knowledge:
    """A fact about an API id as a JSON value, and since when it is known."""

    content: Any
    learned_at: datetime


@dataclass(frozen=True)
class PlanRecord:
    """A job's plan in the ledger (BX-03); `backfill/plan.py` reads `content` (JSON text).

    `fingerprint` is of the content when it was made; `approved_fingerprint` is what was approved, `None` before that.
    """

    job_id: str
    fingerprint: str
    content: str
    planned_at: datetime
    approved_fingerprint: str | None
    approved_by: str | None
    approved_at: datetime | None

    @property
    def is_approved(self) -> bool:
        """Whether exactly this plan was approved."""
        return self.approved_fingerprint == self.fingerprint


@dataclass(frozen=True)
class Transition:
    """One entry of a job's audit log (JS-07); `by` is a person or an executor, `why` may be empty."""

    at: datetime
    job_id: str
    from_status: JobStatus
    to_status: JobStatus
    by: str
    why: str


@dataclass(frozen=True)
class JobSummary:
    """A job's figures, aggregated from its rows by one database query (JS-05).

    `rows` are landed transactions; `seconds` are summed over rows, also where these were read at the same time.
    """

    job: Job
    total_days: int
    pending_days: int
    running_days: int
    processed_days: int
    successful_days: int
    failed_days: int
    skipped_days: int
    attempts: int
    rows: int
    requests: int
    seconds: float
