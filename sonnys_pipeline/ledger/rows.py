"""The rows of a job: created, started, completed, failed, skipped, reopened (JS-03, JS-04).

Counts change by what a row's change adds or takes, so a change costs the same in a job of 5 rows and of 5,000.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, case, delete, func, insert, select, update

from sonnys_pipeline.ledger.errors import ClosedJobError, DuplicateRowError, InvalidStateTransition, UnknownRowError
from sonnys_pipeline.ledger.models import VALID_ROW_TRANSITIONS, Job, JobRow, RowFigures, RowSpec, RowStatus
from sonnys_pipeline.ledger.schema import job_rows, jobs, load_jobs
from sonnys_pipeline.ledger.store import JOB_COLUMNS, LedgerPart, as_job, as_record, check_owner, check_paging, retried

#: Count of the job that includes rows of a status.
COUNTED_IN = {
    RowStatus.COMPLETED: ("processed_days", "successful_days"),
    RowStatus.FAILED: ("processed_days", "failed_days"),
    RowStatus.SKIPPED: ("processed_days", "skipped_days"),
}
#: What is cleared in a row that has to be read again; costs and attempts stay.
REOPENED: dict[str, Any] = {
    "status": RowStatus.PENDING, "completed_at": None, "rows": None, "path": None, "job_hashes": ()
}  # fmt: skip

# Built once, see `store.THIS_JOB`.
_ROW = select(job_rows).where(job_rows.c.id == bindparam("of_row"))
_ITS_JOB = select(job_rows.c.job_id).where(job_rows.c.id == bindparam("of_row")).scalar_subquery()
_LOCKED_JOB = select(*JOB_COLUMNS).where(jobs.c.id == _ITS_JOB).with_for_update()
#: Sets the columns that are among its parameters.
_MOVE = update(job_rows).where(job_rows.c.id == bindparam("of_row")).returning(job_rows)
_FORGET_LOAD_JOBS = delete(load_jobs).where(load_jobs.c.row_id == bindparam("of_row"))
_COUNTS = ("total_days", "processed_days", "successful_days", "failed_days", "skipped_days")
_ADD_COUNTS = (
    update(jobs)
    .where(jobs.c.id == bindparam("of_job"))
    .values({name: jobs.c[name] + bindparam(f"more_{name}", 0) for name in _COUNTS})
)
_CHECKSUMS = select(job_rows.c.checksum).where(job_rows.c.job_id == bindparam("of_job"))
_ROWS = select(job_rows).where(job_rows.c.job_id == bindparam("of_job")).order_by(job_rows.c.position)
_NEW_ROWS = insert(job_rows)


class Rows(LedgerPart):
    """The rows of jobs; `JobService` exposes these methods as its own.

    Methods that change a row take `owner`. If given, it must hold the job's lease in the same transaction, else
    `LeaseLostError` is raised: an executor frozen for an hour cannot disturb its successor. They raise
    `InvalidStateTransition` when the row's status forbids the change, and `UnknownRowError`; nothing changes then.
    """

    @retried
    def create_rows(self, job_id: str, specs: Sequence[RowSpec]) -> list[JobRow]:
        """Append rows to a job, in one statement (JS-03); returns them in order.

        Raises:
            DuplicateRowError: when a day (and site) is in the job already, or twice here; nothing is created.
            ClosedJobError: when the job has ended.
        """
        with self._store.writing() as connection:
            job = self._store.job(connection, job_id, lock=True)
            if job.status.is_terminal:
                raise ClosedJobError(f"job {job_id} is {job.status} and accepts no more rows; create another job")
            self.insert_rows(connection, job, specs)
            query = select(job_rows).where(job_rows.c.job_id == job_id, job_rows.c.position >= job.total_days)
            return [_row(found) for found in connection.execute(query.order_by(job_rows.c.position)).mappings()]

    @retried
    def get_row(self, row_id: int) -> JobRow:
        """A row."""
        with self._store.reading() as connection:
            return self._row(connection, row_id)

    @retried
    def get_rows(
        self, job_id: str, status: RowStatus | None = None, limit: int | None = None, offset: int = 0
    ) -> list[JobRow]:
        """Rows of a job in order; all, or those of one status. Raises ValueError for a negative limit or offset."""
        check_paging(limit, offset)
        query = _ROWS
        if status is not None:
            query = query.where(job_rows.c.status == RowStatus(status))
        if limit is not None or offset:
            query = query.limit(limit).offset(offset)
        with self._store.reading() as connection:
            self._store.job(connection, job_id)
            return [_row(found) for found in connection.execute(query, {"of_job": job_id}).mappings()]

    def get_pending_rows(self, job_id: str, limit: int | None = None, offset: int = 0) -> list[JobRow]:
        """Rows to read, in order."""
        return self.get_rows(job_id, RowStatus.PENDING, limit, offset)

    def get_failed_rows(self, job_id: str, limit: int | None = None, offset: int = 0) -> list[JobRow]:
        """Failed rows, in order."""
        return self.get_rows(job_id, RowStatus.FAILED, limit, offset)

    @retried
    def start_row(self, row_id: int, *, owner: str | None = None) -> JobRow:
        """Set a pending or failed row to running: one more attempt, its last error cleared."""
        with self._store.writing() as connection:
            job, row = self._locked(connection, row_id, owner)
            values = {
                "attempts": row.attempts + 1,
                "started_at": self._store.now(),
                "completed_at": None,
                "error_code": None,
                "error_message": None,
            }
            return self._move(connection, job, row, RowStatus.RUNNING, values)

    @retried
    def complete_row(self, row_id: int, figures: RowFigures, *, owner: str | None = None) -> JobRow:
        """Set a running row to completed (JS-04); its load jobs are forgotten, their hashes kept in the row."""
        with self._store.writing() as connection:
            job, row = self._locked(connection, row_id, owner)
            values = {
                "rows": figures.rows,
                "path": figures.path,
                "job_hashes": tuple(figures.job_hashes),
                "completed_at": self._store.now(),
                **_spent(row, figures.requests, figures.seconds),
            }
            moved = self._move(connection, job, row, RowStatus.COMPLETED, values)
            connection.execute(_FORGET_LOAD_JOBS, {"of_row": row_id})
            return moved

    @retried
    def fail_row(
        self,
        row_id: int,
        *,
        code: str,
        message: str,
        requests: int = 0,
        seconds: float = 0.0,
        owner: str | None = None,
    ) -> JobRow:
        """Set a running row to failed; its load jobs are kept for a resume."""
        with self._store.writing() as connection:
            job, row = self._locked(connection, row_id, owner)
            values = {
                "error_code": code,
                "error_message": message,
                "completed_at": self._store.now(),
                **_spent(row, requests, seconds),
            }
            return self._move(connection, job, row, RowStatus.FAILED, values)

    @retried
    def skip_row(self, row_id: int, why: str, *, owner: str | None = None) -> JobRow:
        """Skip a row deliberately; `why` becomes its message."""
        with self._store.writing() as connection:
            job, row = self._locked(connection, row_id, owner)
            values = {"error_code": None, "error_message": why, "completed_at": self._store.now()}
            return self._move(connection, job, row, RowStatus.SKIPPED, values)

    @retried
    def skip_rows_before(self, job_id: str, day: date, why: str) -> int:
        """Skip all pending rows of earlier days, in one statement; returns how many. `why` becomes their message."""
        with self._store.writing() as connection:
            self._store.job(connection, job_id, lock=True)
            earlier = (job_rows.c.job_id == job_id, job_rows.c.day < day.isoformat())
            values = {"status": RowStatus.SKIPPED, "error_message": why, "completed_at": self._store.now()}
            pending = job_rows.c.status == RowStatus.PENDING
            skipped = connection.execute(update(job_rows).where(*earlier, pending).values(values)).rowcount
            _add_counts(connection, job_id, {RowStatus.PENDING: -skipped, RowStatus.SKIPPED: skipped})
            return skipped

    @retried
    def reopen_row(self, row_id: int, *, owner: str | None = None) -> JobRow:
        """Set a row of any other status to pending, such as a completed one whose file is missing."""
        with self._store.writing() as connection:
            job, row = self._locked(connection, row_id, owner)
            return self._move(connection, job, row, RowStatus.PENDING, REOPENED)

    @retried
    def reopen_rows(
        self, job_id: str, *, failed: bool, running: bool, completed: bool = False, owner: str | None = None
    ) -> int:
        """Set rows back to pending: failed ones for a resume, running ones after a crash, all for a restart.

        Their errors stay until they are started again, their load jobs until they are continued. Returns how many.
        """
        with self._store.writing() as connection:
            check_owner(self._store.job(connection, job_id, lock=True), owner)
            asked = {RowStatus.FAILED: failed, RowStatus.RUNNING: running, RowStatus.COMPLETED: completed}
            reopened = {
                status: connection.execute(
                    update(job_rows)
                    .where(job_rows.c.job_id == job_id, job_rows.c.status == status)
                    .values(REOPENED)
                ).rowcount
                for status, wanted in asked.items()
                if wanted
            }  # fmt: skip
            _add_counts(connection, job_id, {status: -count for status, count in reopened.items()})
            return sum(reopened.values())

    @retried
    def update_counts(self, job_id: str) -> Job:
        """Recount the job's rows, for a ledger that was changed by hand."""
        with self._store.writing() as connection:
            self._store.job(connection, job_id, lock=True)
            counts = [func.count().label("total_days")]
            for name in ("processed_days", "successful_days", "failed_days", "skipped_days"):
                inside = [status for status, names in COUNTED_IN.items() if name in names]
                counts.append(func.count(case((job_rows.c.status.in_(inside), 1))).label(name))
            found = connection.execute(select(*counts).where(job_rows.c.job_id == job_id)).mappings().one()
            changed = update(jobs).where(jobs.c.id == job_id).values({str(name): found[name] for name in found})
            return as_job(connection.execute(changed.returning(*JOB_COLUMNS)).mappings().one())

    def insert_rows(self, connection: Connection, job: Job, specs: Sequence[RowSpec]) -> None:
        """Append rows to a (locked) job, and count them."""
        present = set(connection.execute(_CHECKSUMS, {"of_job": job.id}).scalars())
        lines: list[dict[str, Any]] = []
        for position, spec in enumerate(specs, job.total_days):
            checksum = spec.checksum
            if checksum in present:
                raise DuplicateRowError(spec.day, spec.site)
            present.add(checksum)
            lines.append({"position": position, "day": spec.day, "site": spec.site, "checksum": checksum})
        if lines:
            same = {"job_id": job.id, "status": RowStatus.PENDING, "attempts": 0, "requests": 0, "seconds": 0.0}
            connection.execute(_NEW_ROWS, [{**same, "job_hashes": (), **line} for line in lines])
            connection.execute(_ADD_COUNTS, {"of_job": job.id, "more_total_days": len(lines)})

    def _row(self, connection: Connection, row_id: int) -> JobRow:
        found = connection.execute(_ROW, {"of_row": row_id}).mappings().one_or_none()
        if found is None:
            raise UnknownRowError(row_id)
        return _row(found)

    def _locked(self, connection: Connection, row_id: int, owner: str | None) -> tuple[Job, JobRow]:
        """A row and its job, the job locked first: the row must be read after the lock is taken."""
        found = connection.execute(_LOCKED_JOB, {"of_row": row_id}).mappings().one_or_none()
        if found is None:
            raise UnknownRowError(row_id)
        job = as_job(found)
        check_owner(job, owner)
        return job, self._row(connection, row_id)

    def _move(self, connection: Connection, job: Job, row: JobRow, status: RowStatus, values: dict[str, Any]) -> JobRow:
        allowed = VALID_ROW_TRANSITIONS[row.status]
        if status not in allowed:
            raise InvalidStateTransition(row.status, status, allowed, f"row {row.id} ({row.day}) of job {job.id}")
        moved = connection.execute(_MOVE, {**values, "status": status, "of_row": row.id}).mappings().one()
        _add_counts(connection, job.id, {row.status: -1, status: 1})
        return _row(moved)


def _row(line: RowMapping) -> JobRow:
    return as_record(JobRow, job_rows.c, line)


def _spent(row: JobRow, requests: int, seconds: float) -> dict[str, float]:
    return {"requests": row.requests + requests, "seconds": row.seconds + seconds}


def _add_counts(connection: Connection, job_id: str, rows: dict[RowStatus, int]) -> None:
    added: dict[str, int] = {}
    for status, count in rows.items():
        for name in COUNTED_IN.get(status, ()):
            added[f"more_{name}"] = added.get(f"more_{name}", 0) + count
    if any(added.values()):
        connection.execute(_ADD_COUNTS, {"of_job": job_id, **added})
