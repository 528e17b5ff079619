"""Leases with a heartbeat (JS-06), and jobs whose executor is gone (BX-06).

Instants come from the caller's clock. Clocks of several machines should agree within a small part of a lease; an
executor whose lease expired while it was frozen is stopped by `Leases.renew` and the `owner` of row methods.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, or_, select, update

from sonnys_pipeline.ledger.errors import JobLeasedError, LeaseLostError
from sonnys_pipeline.ledger.models import Job, JobStatus
from sonnys_pipeline.ledger.schema import jobs
from sonnys_pipeline.ledger.store import JOB_COLUMNS, LedgerPart, as_job, retried


class Leases(LedgerPart):
    """Leases of jobs: `JobService.leases`."""

    @retried
    def acquire(self, job_id: str, owner: str, seconds: float) -> Job:
        """Take a job that nobody holds, or renew the owner's own lease.

        `owner` must be unique among executors (host, process id and something random); the lease lasts `seconds`.

        Raises:
            JobLeasedError: when another executor holds it.
            UnknownJobError: when there is no such job.
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
            UnknownJobError: when the job was deleted.
            ValueError: for an empty owner, or seconds that are not positive.
        """
        with self._store.writing() as connection:
            until = _until(self._store.now(), owner, seconds)
            renewed = connection.execute(
                update(jobs).where(jobs.c.id == job_id, jobs.c.lease_owner == owner).values(lease_until=until)
            ).rowcount
            if not renewed:
                raise LeaseLostError(job_id, owner, self._store.job(connection, job_id).lease_owner)
        return until

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


def is_free(now: datetime) -> ColumnElement[bool]:
    """SQL condition: nobody holds the job at this instant; the rule of `Job.is_leased`."""
    return or_(jobs.c.lease_owner.is_(None), jobs.c.lease_until.is_(None), jobs.c.lease_until < now)


def _until(now: datetime, owner: str, seconds: float) -> datetime:
    if not owner:
        raise ValueError("a lease needs an owner: host, process id and something random")
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"a lease lasts a positive number of seconds, not {seconds}")
    return now + timedelta(seconds=seconds)
