"""Jobs whose executor is gone, and what a person can choose to do about them (BX-06)."""

from __future__ import annotations

import os
import secrets
from enum import StrEnum

from sonnys_pipeline.ledger.errors import LedgerError
from sonnys_pipeline.ledger.models import Job, JobStatus
from sonnys_pipeline.ledger.service import JobService
from sonnys_pipeline.runtime.processes import is_running, this_machine

#: Lease for putting a job in order, in seconds; it takes a few statements.
_LEASE_SECONDS = 30.0
#: Page size beyond any number of running jobs.
_ALL = 1000


class RecoveryChoice(StrEnum):
    """What to do with an interrupted job."""

    RESUME = "resume"  # read pending days; landed ones stay and are not read again
    RESTART = "restart"  # read every day again, landed ones included
    CANCEL = "cancel"  # give up; landed days stay


class NotInterruptedError(LedgerError):
    """The job is not running, or its executor is alive."""


def check_interrupted_jobs(job_service: JobService) -> list[Job] | None:
    """Running jobs whose executor is gone, oldest first; `None` when there are none.

    An executor is gone when its lease ran out, or at once when it was a process of this machine that has ended.
    """
    running = job_service.list_jobs(JobStatus.RUNNING, limit=_ALL)
    free = {job.id for job in job_service.leases.interrupted_jobs()}
    found = [job for job in reversed(running) if job.id in free or is_gone(job.lease_owner or "")]
    return found or None


def handle_recovery_choice(choice: RecoveryChoice | str, job_id: str, job_service: JobService) -> Job:
    """Put an interrupted job in order, as a person has chosen.

    `resume` and `restart` leave the job paused with the days to read pending, ready to execute; `cancel` ends it.

    Raises:
        NotInterruptedError: when it is not running, or its executor is alive; nothing changes.
        JobLeasedError: when another executor has just taken it; nothing changes.
        UnknownJobError: when there is no such job.
        ValueError: for an unknown choice.
    """
    choice = RecoveryChoice(choice)
    job = job_service.get_job(job_id)
    if all(known.id != job_id for known in check_interrupted_jobs(job_service) or ()):
        alive = ", and its executor is alive" if job.status is JobStatus.RUNNING else ""
        raise NotInterruptedError(f"job {job_id} is {job.status}{alive}: there is nothing to recover")
    if job.lease_owner is not None:
        job_service.leases.release(job_id, job.lease_owner)
    us = f"{this_machine()}:{os.getpid()}:{secrets.token_hex(4)}"
    job_service.leases.acquire(job_id, us, _LEASE_SECONDS)
    try:
        again = choice is RecoveryChoice.RESTART
        job_service.reopen_rows(job_id, failed=again, running=True, completed=again, owner=us)
        ends = JobStatus.CANCELLED if choice is RecoveryChoice.CANCEL else JobStatus.PAUSED
        why = f"its executor is gone; {choice} was chosen"
        return job_service.update_status(job_id, ends, by=us, why=why, owner=us)
    finally:
        job_service.leases.release(job_id, us)


def is_gone(owner: str) -> bool:
    """Whether a lease's owner was a process of this machine that has ended; always false for other machines."""
    machine, _, process = owner.rpartition(":")[0].rpartition(":")
    return machine == this_machine() and process.isdigit() and not is_running(int(process))
