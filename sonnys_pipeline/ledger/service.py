"""The ledger: jobs, their days, and who executes them (JS-01…JS-07).

```
with open_ledger("sqlite:///.sonnys/ledger.sqlite") as ledger:
    job = ledger.create_job("March", rows=[RowSpec("2026-03-01"), RowSpec("2026-03-02")])
```
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Label, bindparam, case, delete, func, insert, select, true, update

from sonnys_pipeline.ledger.engine import open_engine
from sonnys_pipeline.ledger.errors import (
    MOST_NAMED,
    AmbiguousJobError,
    InvalidStateTransition,
    JobLeasedError,
    UnknownJobError,
)
from sonnys_pipeline.ledger.knowledge import ApiKnowledge
from sonnys_pipeline.ledger.leases import Leases
from sonnys_pipeline.ledger.load_jobs import LoadJobs
from sonnys_pipeline.ledger.models import (
    DAGSTER_PREFIX,
    VALID_TRANSITIONS,
    Job,
    JobMode,
    JobStatus,
    JobSummary,
    RowSpec,
    RowStatus,
    Transition,
    can_transition,
)
from sonnys_pipeline.ledger.plans import Plans
from sonnys_pipeline.ledger.rows import Rows
from sonnys_pipeline.ledger.schema import job_rows, jobs, transitions
from sonnys_pipeline.ledger.store import (
    JOB_COLUMNS,
    THIS_JOB,
    LedgerPart,
    LedgerStore,
    as_job,
    as_record,
    check_owner,
    check_paging,
    retried,
    utc_now,
)
from sonnys_pipeline.runtime.closing import Closing

#: What a person types for the newest job.
LATEST = "latest"


def _total(name: str) -> Label[Any]:
    return func.coalesce(func.sum(job_rows.c[name]), 0).label(f"sum_{name}")


def _count(status: RowStatus) -> Label[int]:
    return func.count(case((job_rows.c.status == status, 1))).label(f"are_{status}")


# Built once, see `store.THIS_JOB`.
_NEW_JOB = insert(jobs).returning(*JOB_COLUMNS)
#: Sets the columns that are among its parameters.
_CHANGE_JOB = update(jobs).where(jobs.c.id == bindparam("of_job")).returning(*JOB_COLUMNS)
_NEW_TRANSITION = insert(transitions)
_TRANSITION_COLUMNS = [column for column in transitions.c if column is not transitions.c.id]
_TRANSITIONS = (
    select(*_TRANSITION_COLUMNS).where(transitions.c.job_id == bindparam("of_job")).order_by(transitions.c.id)
)
_FIGURES = (
    select(
        func.count().label("are_all"),
        *map(_count, RowStatus),
        *map(_total, ("attempts", "rows", "requests", "seconds")),
    )
    .where(job_rows.c.job_id == bindparam("of_job"))
    .subquery()
)
_SUMMARY = select(_FIGURES, *JOB_COLUMNS).join_from(jobs, _FIGURES, true()).where(*THIS_JOB)


def open_ledger(url: str, *, now: Callable[[], datetime] = utc_now, account: str | None = None) -> JobService:
    """Open a ledger; it is created or migrated if necessary, also by several processes at once.

    A SQLite file and a directory made for it are readable by their owner only.

    Args:
        url: `sqlite:///relative/path`, `sqlite:////absolute/path` or `postgresql://user:password@host/database`.
        now: clock of aware datetimes.
        account: whose jobs these are, where several accounts share the ledger.

    Raises:
        ValueError: for a URL of another kind.
        LedgerUnavailableError: when the store cannot be reached or written.
        LedgerVersionError: when a newer version of this package wrote it; upgrade, or use another ledger.
    """
    return JobService(LedgerStore(open_engine(url), now=now, account=account))


class JobService(LedgerPart, Closing):
    """The ledger's methods: jobs and rows here, the rest in its parts (`leases`, `load_jobs`, `plans`, `knowledge`).

    Each method is one transaction, done wholly or, when it raises, not at all; `together` joins several. Safe for
    use by several threads and processes. Records are frozen; read again to see changes. Every method may raise
    `LedgerUnavailableError` when the store fails, and `UnknownJobError` or `UnknownRowError` for an id that it does not
    find.
    """

    def __init__(self, store: LedgerStore) -> None:
        super().__init__(store)
        self.where = store.where
        self.together = store.together
        self.leases = Leases(store)
        self.load_jobs = LoadJobs(store)
        self.plans = Plans(store)
        self.knowledge = ApiKnowledge(store)
        # JS-03 names these as methods of the service.
        rows = self._rows = Rows(store)
        self.create_rows, self.update_counts = rows.create_rows, rows.update_counts
        self.get_row, self.get_rows = rows.get_row, rows.get_rows
        self.get_pending_rows, self.get_failed_rows = rows.get_pending_rows, rows.get_failed_rows
        self.start_row, self.complete_row, self.fail_row = rows.start_row, rows.complete_row, rows.fail_row
        self.skip_row, self.skip_rows_before = rows.skip_row, rows.skip_rows_before
        self.reopen_row, self.reopen_rows = rows.reopen_row, rows.reopen_rows

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.where!r})"

    def close(self) -> None:
        """Close all connections; leases stay until released or expired."""
        self._store.close()

    def hurry(self) -> None:
        """Stop waiting for a server that is away, since the run is to end; safe to call from a signal handler."""
        self._store.deadline.hurry()

    @retried
    def create_job(
        self,
        name: str,
        original_command: str = "",
        description: str = "",
        mode: JobMode = JobMode.CONFIRM,
        *,
        rows: Sequence[RowSpec] = (),
    ) -> Job:
        """Create a pending job, with its rows if they are known (JS-01).

        Raises:
            DuplicateRowError: when a day (and site) is in `rows` twice; no job is created.
            ValueError: for an empty name, or an unknown mode.
        """
        if not name:
            raise ValueError("a job needs a name")
        now = self._store.now()
        counts = ("total_days", "processed_days", "successful_days", "failed_days", "skipped_days")
        values: dict[str, Any] = {
            "id": f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}",
            "name": name,
            "original_command": original_command,
            "description": description,
            "mode": JobMode(mode),
            "status": JobStatus.PENDING,
            "created_at": now,
            "account": self._store.account,
            **dict.fromkeys(counts, 0),
        }
        with self._store.writing() as connection:
            job = as_job(connection.execute(_NEW_JOB, values).mappings().one())
            if not rows:
                return job
            self._rows.insert_rows(connection, job, rows)
            return self._store.job(connection, job.id)

    @retried
    def get_job(self, job_id: str) -> Job:
        """A job."""
        with self._store.reading() as connection:
            return self._store.job(connection, job_id)

    @retried
    def find_job(self, name: str) -> Job | None:
        """The newest job of a name, or `None`."""
        query = (
            select(*JOB_COLUMNS).where(jobs.c.name == name, self._store.ours()).order_by(jobs.c.number.desc()).limit(1)
        )
        with self._store.reading() as connection:
            found = connection.execute(query).mappings().one_or_none()
        return None if found is None else as_job(found)

    @retried
    def find_job_id(self, text: str) -> str:
        """The id that a person means: a whole id, its unique beginning, or `latest` (newest, not of a Dagster run).

        Raises:
            AmbiguousJobError: when several ids have this beginning.
        """
        newest = select(jobs.c.id).where(self._store.ours()).order_by(jobs.c.number.desc())
        if text == LATEST:
            query = newest.where(~jobs.c.name.startswith(DAGSTER_PREFIX)).limit(1)
        else:
            query = newest.where(jobs.c.id.startswith(text, autoescape=True)).limit(MOST_NAMED + 1)
        with self._store.reading() as connection:
            found = list(connection.execute(query).scalars()) if text else []
        if not found:
            raise UnknownJobError(text)
        if text in found:
            return text
        if len(found) > 1:
            raise AmbiguousJobError(text, found)
        return str(found[0])

    @retried
    def list_jobs(self, status: JobStatus | None = None, limit: int = 50, offset: int = 0) -> list[Job]:
        """Jobs, newest first; all, or those of one status (JS-01). Raises ValueError for a negative limit or offset."""
        check_paging(limit, offset)
        query = (
            select(*JOB_COLUMNS).where(self._store.ours()).order_by(jobs.c.number.desc()).limit(limit).offset(offset)
        )
        if status is not None:
            query = query.where(jobs.c.status == JobStatus(status))
        with self._store.reading() as connection:
            return [as_job(found) for found in connection.execute(query).mappings()]

    @retried
    def delete_job(self, job_id: str) -> None:
        """Delete a job, its rows, load jobs and audit log (JS-01); landed files stay. Raises JobLeasedError."""
        with self._store.writing() as connection:
            now = self._store.now()
            job = self._store.job(connection, job_id, lock=True)
            if job.status is JobStatus.RUNNING and job.is_leased(now):
                raise JobLeasedError(job_id, job.lease_owner or "another executor", job.lease_until or now)
            connection.execute(delete(jobs).where(jobs.c.id == job_id))

    @retried
    def update_status(self, job_id: str, status: JobStatus, *, by: str, why: str = "", owner: str | None = None) -> Job:
        """Change a job's status, and log it with `by` (executor or person) and `why` (JS-02, JS-07).

        The first `running` sets `started_at`; a terminal status sets `completed_at`. `running` clears `completed_at`
        and the error, which stay in the log.

        Raises:
            InvalidStateTransition: when the change is not allowed; nothing changes.
            LeaseLostError: when `owner` is given and does not hold the job; nothing changes.
            ValueError: when `by` is empty, or the status unknown.
        """
        if not by:
            raise ValueError("`by` is empty; name who changes the status")
        status = JobStatus(status)
        with self._store.writing() as connection:
            now = self._store.now()
            job = self._store.job(connection, job_id, lock=True)
            check_owner(job, owner)
            if not can_transition(job.status, status):
                raise InvalidStateTransition(job.status, status, VALID_TRANSITIONS[job.status], f"job {job_id}")
            values: dict[str, Any] = {"status": status, "completed_at": now if status.is_terminal else None}
            if status is JobStatus.RUNNING:
                values |= {"started_at": job.started_at or now, "error_code": None, "error_message": None}
            entry = {"job_id": job_id, "at": now, "from_status": job.status, "to_status": status, "by": by, "why": why}
            connection.execute(_NEW_TRANSITION, entry)
            return as_job(connection.execute(_CHANGE_JOB, {"of_job": job_id, **values}).mappings().one())

    @retried
    def set_error(self, job_id: str, code: str, message: str, *, owner: str | None = None) -> Job:
        """Record an error of the job as a whole (JS-03), whatever its status. Raises LeaseLostError."""
        with self._store.writing() as connection:
            check_owner(self._store.job(connection, job_id, lock=True), owner)
            values = {"of_job": job_id, "error_code": code, "error_message": message}
            return as_job(connection.execute(_CHANGE_JOB, values).mappings().one())

    @retried
    def transitions(self, job_id: str) -> list[Transition]:
        """The job's audit log, oldest first (JS-07)."""
        with self._store.reading() as connection:
            self._store.job(connection, job_id)
            lines = connection.execute(_TRANSITIONS, {"of_job": job_id}).mappings()
            return [as_record(Transition, _TRANSITION_COLUMNS, found) for found in lines]

    @retried
    def get_job_summary(self, job_id: str) -> JobSummary:
        """A job's figures, aggregated by the database in one query (JS-05)."""
        with self._store.reading() as connection:
            values = connection.execute(_SUMMARY, self._store.this_job(job_id)).mappings().one_or_none()
        if values is None:
            raise UnknownJobError(job_id)
        completed, failed, skipped = values["are_completed"], values["are_failed"], values["are_skipped"]
        return JobSummary(
            job=as_job(values),
            total_days=values["are_all"],
            pending_days=values["are_pending"],
            running_days=values["are_running"],
            processed_days=completed + failed + skipped,
            successful_days=completed,
            failed_days=failed,
            skipped_days=skipped,
            attempts=values["sum_attempts"],
            rows=values["sum_rows"],
            requests=values["sum_requests"],
            seconds=float(values["sum_seconds"]),
        )
