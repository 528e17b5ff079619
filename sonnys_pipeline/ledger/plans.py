"""Plans and their approval, and a job's mode (BX-03, BX-04)."""

from __future__ import annotations

from sqlalchemy import insert, select, update

from sonnys_pipeline.ledger.errors import JobModeLockedError, PlanError
from sonnys_pipeline.ledger.models import Job, JobMode, JobStatus, PlanRecord
from sonnys_pipeline.ledger.schema import jobs, plans
from sonnys_pipeline.ledger.store import JOB_COLUMNS, LedgerPart, as_job, as_record, retried


class Plans(LedgerPart):
    """Plans of jobs: `JobService.plans`."""

    @retried
    def save(self, job_id: str, *, fingerprint: str, content: str) -> PlanRecord:
        """Store a job's plan, which never changes. Raises PlanError if the job has one, or is no longer pending."""
        with self._store.writing() as connection:
            job = self._store.job(connection, job_id, lock=True)
            known = connection.execute(select(plans.c.job_id).where(plans.c.job_id == job_id)).one_or_none()
            if known is not None or job.status is not JobStatus.PENDING:
                raise PlanError(
                    f"job {job_id} already has a plan or has started; make a new job with: sonnys backfill preview"
                )
            values = {"job_id": job_id, "fingerprint": fingerprint, "content": content, "planned_at": self._store.now()}
            line = connection.execute(insert(plans).values(values).returning(plans)).mappings().one()
            return as_record(PlanRecord, plans.c, line)

    @retried
    def get(self, job_id: str) -> PlanRecord | None:
        """A job's plan; `None` for a job that was made without one."""
        with self._store.reading() as connection:
            self._store.job(connection, job_id)
            line = connection.execute(select(plans).where(plans.c.job_id == job_id)).mappings().one_or_none()
            return None if line is None else as_record(PlanRecord, plans.c, line)

    @retried
    def approve(self, job_id: str, fingerprint: str, *, by: str) -> PlanRecord:
        """Record that a person approved the plan with this fingerprint; repeating it changes nothing.

        Raises:
            PlanError: when the job has no plan, has one with another fingerprint, or has ended.
            ValueError: when `by` is empty.
        """
        if not by:
            raise ValueError("`by` is empty; name who approves the plan")
        with self._store.writing() as connection:
            job = self._store.job(connection, job_id, lock=True)
            line = connection.execute(select(plans).where(plans.c.job_id == job_id)).mappings().one_or_none()
            if line is None or line["fingerprint"] != fingerprint:
                raise PlanError(f"job {job_id} has no plan {fingerprint[:12]}; look at it with: sonnys backfill status")
            if job.status in {JobStatus.COMPLETED, JobStatus.CANCELLED}:
                raise PlanError(f"job {job_id} is {job.status}; there is nothing left to approve")
            if line["approved_fingerprint"] != fingerprint:
                approval = {"approved_fingerprint": fingerprint, "approved_by": by, "approved_at": self._store.now()}
                changed = update(plans).where(plans.c.job_id == job_id).values(approval).returning(plans)
                line = connection.execute(changed).mappings().one()
            return as_record(PlanRecord, plans.c, line)

    @retried
    def set_mode(self, job_id: str, mode: JobMode) -> Job:
        """Change whether the job's plan needs approval. Raises JobModeLockedError while an executor holds the job."""
        mode = JobMode(mode)
        with self._store.writing() as connection:
            job = self._store.job(connection, job_id, lock=True)
            if job.mode is mode:
                return job
            if job.is_leased(self._store.now()):
                raise JobModeLockedError(job_id, job.lease_owner or "")
            changed = update(jobs).where(jobs.c.id == job_id).values(mode=mode).returning(*JOB_COLUMNS)
            return as_job(connection.execute(changed).mappings().one())
