"""Jobs and their rows as frozen records, and which status may follow which (JS-01…JS-05).

The ledger's errors are re-exported from `errors.py`.

A job is a list of days to load; a row is one day of it, for every site or for one. Instants are aware UTC datetimes,
durations seconds, days keys of the form `YYYY-MM-DD` in the zone of the pipeline.
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


#: What the name of a job that a Dagster run made begins with; the run's id follows.
DAGSTER_PREFIX = "dagster:"


class JobStatus(StrEnum):
    """Where a job stands."""

    PENDING = "pending"  # created; nobody has executed it yet
    RUNNING = "running"  # an executor is at it, or died at it: its lease tells
    COMPLETED = "completed"  # every row was read and landed, or skipped; the end
    FAILED = "failed"  # ended with rows that failed; may be resumed once the cause is gone
    CANCELLED = "cancelled"  # given up by a person; the end
    PAUSED = "paused"  # stopped at a checkpoint (signal, circuit breaker, a person); may be resumed

    @property
    def is_terminal(self) -> bool:
        """Whether the job has ended: it has a `completed_at`, and no executor will take it up by itself."""
        return self in {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED}


#: What may follow a job's status. `failed → running` is the resume of a failed job: its executor stopped because of the
#: failure, and `completed_at` is cleared when the job is taken up again (BX-06).
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
    """Whether a job of one status may take another (JS-02); the same status again is no transition."""
    return attempted in VALID_TRANSITIONS[current]


class RowStatus(StrEnum):
    """Where a row stands."""

    PENDING = "pending"  # to be read
    RUNNING = "running"  # being read, or was when its executor died
    COMPLETED = "completed"  # landed
    FAILED = "failed"  # could not be read or landed; its error says why
    SKIPPED = "skipped"  # deliberately not read; its message says why


#: What may follow a row's status. Back to pending leads `reopen_rows` and `reopen_row` only.
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
    """Whether a person approves a plan before it runs (BX-03)."""

    AUTO = "auto"  # runs without being asked
    CONFIRM = "confirm"  # runs what was approved, or not at all


@dataclass(frozen=True)
class RowSpec:
    """A row to be created.

    Attributes:
        day: `YYYY-MM-DD`.
        site: one site's code; `None` for every site in one read.
    """

    day: str
    site: str | None = None

    def __post_init__(self) -> None:
        """Refuse what is no day, and an empty site.

        Raises:
            ValueError: naming the day.
        """
        if date.fromisoformat(self.day).isoformat() != self.day:
            raise ValueError(f"{self.day!r} is not a day; write YYYY-MM-DD")
        if self.site == "":
            raise ValueError(f"{self.day}: an empty site code; leave it out for every site")

    @property
    def checksum(self) -> str:
        """SHA-256 (hex) of day and site, the same in every job."""
        return hashlib.sha256(json.dumps([self.day, self.site]).encode()).hexdigest()


@dataclass(frozen=True)
class Job:
    """A job as the ledger had it when it was read (JS-01).

    Attributes:
        id: unique; begins with the instant of creation, so that ids sort by age.
        name: what its maker calls it; several jobs may share a name.
        original_command: what was typed, or which Dagster run it was.
        description: for people.
        mode: whether its plan needs approval.
        status: where it stands.
        total_days: days it has: its rows, one of a day and site each.
        processed_days: completed, failed or skipped ones.
        successful_days: completed ones.
        failed_days: failed ones.
        skipped_days: skipped ones.
        error_code: short name of what ended it, such as an error class; `None` if nothing went wrong.
        error_message: the same in words, with the remedy.
        created_at: when it was created.
        started_at: when it was first executed.
        completed_at: when it ended; `None` again while it is resumed.
        lease_owner: executor that holds it.
        lease_until: when the lease ends unless renewed.
        account: whose it is, where there are several; `None` where there are not.
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
        """Days that are not processed: pending ones, and those an executor is at."""
        return self.total_days - self.processed_days

    def is_leased(self, now: datetime) -> bool:
        """Whether an executor holds it at an (aware) instant."""
        return self.lease_owner is not None and self.lease_until is not None and self.lease_until >= now


@dataclass(frozen=True)
class JobRow:
    """A row as the ledger had it when it was read (JS-03, JS-04).

    Attributes:
        id: unique in the ledger, never used again.
        job_id: its job.
        position: place in the job, from 0.
        day: `YYYY-MM-DD`.
        site: one site's code, or `None` for every site.
        checksum: of day and site, see `RowSpec`.
        status: where it stands.
        attempts: how often it was started.
        rows: transactions landed; `None` until it is completed.
        requests: HTTP requests spent, over all attempts.
        seconds: time spent, over all attempts.
        path: the file it became; `None` until it is completed.
        job_hashes: load jobs that brought it, in order.
        error_code: short name of the last failure; cleared when it is started again.
        error_message: the failure in words, or why it was skipped.
        started_at: when it was last started.
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
    """What a row made and cost when it was read (JS-04).

    Attributes:
        job_hashes: load jobs that brought it, in order.
        path: the file it became.
        rows: transactions in it, 0 for a day without any.
        requests: HTTP requests of this attempt; the ledger adds them to those of earlier ones.
        seconds: time of this attempt; added likewise.
    """

    job_hashes: Sequence[str]
    path: str
    rows: int
    requests: int
    seconds: float


@dataclass(frozen=True)
class Knowledge:
    """Something that is known of an API id, as JSON can say it, and since when."""

    content: Any
    learned_at: datetime


@dataclass(frozen=True)
class PlanRecord:
    """A job's plan as the ledger has it (BX-03).

    Attributes:
        job_id: the job.
        fingerprint: of its content when it was made.
        content: JSON text; `backfill/plan.py` knows what it says.
        planned_at: when it was made.
        approved_fingerprint: what was approved; `None` before anything was.
        approved_by: by whom.
        approved_at: when.
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
        """Whether this very plan was approved, and not another one of the job."""
        return self.approved_fingerprint == self.fingerprint


@dataclass(frozen=True)
class Transition:
    """One entry of a job's audit log (JS-07).

    Attributes:
        at: when.
        job_id: which job.
        from_status: what it was.
        to_status: what it became.
        by: who, or what, changed it.
        why: in words; may be empty.
    """

    at: datetime
    job_id: str
    from_status: JobStatus
    to_status: JobStatus
    by: str
    why: str


@dataclass(frozen=True)
class JobSummary:
    """A job's figures, aggregated in the database from its rows in one query (JS-05).

    Attributes:
        job: the job.
        total_days: days it has: its rows, one of a day and site each.
        pending_days: not yet started, or reopened.
        running_days: being read.
        processed_days: completed, failed or skipped.
        successful_days: completed.
        failed_days: failed.
        skipped_days: skipped.
        attempts: starts of rows.
        rows: transactions landed.
        requests: HTTP requests spent.
        seconds: time spent on rows; rows that were read at the same time count each their own.
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
