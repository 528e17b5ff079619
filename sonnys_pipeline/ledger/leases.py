"""Leases with a heartbeat (JS-06), and jobs whose executor is gone (BX-06).

Instants come from the caller's clock. Clocks of several machines should agree within a small part of a lease; an
executor whose lease expired while it was frozen is stopped by `Leases.renew` and the `owner` of row methods.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from sqlalchemy import ColumnElement, Connection, bindparam, or_, select, update

from sonnys_pipeline.ledger.errors import JobLeasedError, LeaseLostError
from sonnys_pipeline.ledger.models import Job, JobStatus
from sonnys_pipeline.ledger.schema import jobs
from sonnys_pipeline.ledger.store import JOB_COLUMNS, LedgerPart, as_job, retried

#: Longest interval between two looks of a heartbeat, in seconds: cancelling a job from outside takes this long.
_INTERVAL = 3.0

_RENEW = (  # built once, see `store.THIS_JOB`
    update(jobs)
    .where(jobs.c.id == bindparam("of_job"), jobs.c.lease_owner == bindparam("of_owner"))
    .values(lease_until=bindparam("until"))
    .returning(jobs.c.status)
)


class Leases(LedgerPart):
    """Leases of jobs: `JobService.leases`."""

    @retried
    def acquire(self, job_id: str, owner: str, seconds: float) -> Job:
        """Take a job that nobody holds, or renew the owner's own lease.

        `owner` must be unique among executors (host, process id and something random); the lease lasts `seconds`.

        Raises:
            JobLeasedError: when another executor holds it.
            ValueError: for an empty owner, or seconds that are not positive.
        """
        with self._store.writing() as connection:
            now = self._store.now()  # read after the wait for the write lock, so that the lease starts now
            until = _until(now, owner, seconds)
            taken = (
                connection.execute(
                    update(jobs)
                    .where(jobs.c.id == job_id, self._store.ours(), or_(is_free(now), jobs.c.lease_owner == owner))
                    .values(lease_owner=owner, lease_until=until)
                    .returning(*JOB_COLUMNS)
                )
                .mappings()
                .one_or_none()
            )
            if taken is not None:
                return as_job(taken)
            job = self._store.job(connection, job_id)
            raise JobLeasedError(job_id, job.lease_owner or "another executor", job.lease_until or now)

    @retried
    def renew(self, job_id: str, owner: str, seconds: float) -> datetime:
        """Extend a lease from now on (the heartbeat); returns its end. An expired lease is renewed unless it was taken.

        Raises:
            LeaseLostError: when it is another's, or was released; stop working on the job.
            ValueError: for an empty owner, or seconds that are not positive.
        """
        with self._store.writing() as connection:
            return self._renew(connection, job_id, owner, seconds)[0]

    @retried
    def beat(self, job_id: str, owner: str, seconds: float) -> bool:
        """As `renew`, in the same statement asking whether the job has been cancelled."""
        with self._store.writing() as connection:
            return self._renew(connection, job_id, owner, seconds)[1] is JobStatus.CANCELLED

    def _renew(self, connection: Connection, job_id: str, owner: str, seconds: float) -> tuple[datetime, JobStatus]:
        until = _until(self._store.now(), owner, seconds)
        held = {"of_job": job_id, "of_owner": owner, "until": until}
        status = connection.execute(_RENEW, held).scalar_one_or_none()
        if status is None:
            raise LeaseLostError(job_id, owner, self._store.job(connection, job_id).lease_owner)
        return until, JobStatus(status)

    @retried
    def release(self, job_id: str, owner: str) -> bool:
        """Give a lease back; returns whether `owner` still held it."""
        with self._store.writing() as connection:
            released = connection.execute(
                update(jobs)
                .where(jobs.c.id == job_id, jobs.c.lease_owner == owner)
                .values(lease_owner=None, lease_until=None)
            )
            return bool(released.rowcount)

    @retried
    def interrupted_jobs(self) -> list[Job]:
        """Running jobs that no executor holds, oldest first (BX-06)."""
        now = self._store.now()
        interrupted = (jobs.c.status == JobStatus.RUNNING, is_free(now), self._store.ours())
        query = select(*JOB_COLUMNS).where(*interrupted).order_by(jobs.c.number)
        with self._store.reading() as connection:
            return [as_job(found) for found in connection.execute(query).mappings()]


class Heartbeat:
    """Renews a lease in a thread of its own until it is stopped; a context manager.

    `lost` is called with the reason when the lease is lost or the job was cancelled.
    """

    def __init__(self, leases: Leases, job_id: str, owner: str, seconds: float, lost: Callable[[str], None]) -> None:
        self.job_id = job_id
        self._leases = leases
        self._owner = owner
        self._seconds = seconds
        self._lost = lost
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat-{job_id}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; after an error also give the lease back, which a job that has ended well did with its status."""
        self.stop()
        if error is not None:
            self._leases.release(self.job_id, self._owner)

    def stop(self) -> None:
        """Renew no more; the lease stays until it is given back or expires."""
        self._done.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._done.wait(min(self._seconds / 3, _INTERVAL)):
            try:
                if self._leases.beat(self.job_id, self._owner, self._seconds):
                    self._lost("the job was cancelled")
            except Exception as error:  # noqa: BLE001 - whatever it is, without a lease the run must end
                if not self._done.is_set():
                    self._lost(f"the lease was lost ({type(error).__name__}: {error})")
                return


def is_free(now: datetime) -> ColumnElement[bool]:
    """SQL condition: nobody holds the job at this instant; the rule of `Job.is_leased`."""
    return or_(jobs.c.lease_owner.is_(None), jobs.c.lease_until.is_(None), jobs.c.lease_until < now)


def _until(now: datetime, owner: str, seconds: float) -> datetime:
    if not owner:
        raise ValueError("a lease needs an owner: host, process id and something random")
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"a lease lasts a positive number of seconds, not {seconds}")
    return now + timedelta(seconds=seconds)
