"""Executes jobs: loads and lands their days, for Dagster and the command line (BM-01 … BM-09, BX-01, BX-05).

A row is completed in the ledger after its file is renamed into place, so a crash between the two costs a second read of
that day, never a row.
"""

from __future__ import annotations

import logging
import os
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from zoneinfo import ZoneInfo

from sonnys_pipeline.backfill.approval import SessionModeManager
from sonnys_pipeline.backfill.audit import AUDIT_FOLDER, Audit, DayOutcome, Measures, RunSetup
from sonnys_pipeline.backfill.listener import RunListener
from sonnys_pipeline.backfill.lists.run import ListRun
from sonnys_pipeline.backfill.options import ExecutorOptions, OnError
from sonnys_pipeline.backfill.plan import TRANSACTIONS, Plan, refuse_unapproved
from sonnys_pipeline.backfill.recovery import is_gone
from sonnys_pipeline.backfill.run import JobRun
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.extract.events import LoadObserver
from sonnys_pipeline.extract.loader import Loader
from sonnys_pipeline.lake.transactions import is_landed
from sonnys_pipeline.landing.account_sites import ALL_AT_ONCE
from sonnys_pipeline.landing.archive import remove_expired
from sonnys_pipeline.landing.sites.history import ensure_sites
from sonnys_pipeline.landing.states import landed_metadata
from sonnys_pipeline.landing.transactions import refuse_other_zone
from sonnys_pipeline.ledger.errors import InvalidStateTransition, JobLeasedError, LeaseLostError, LedgerError
from sonnys_pipeline.ledger.leases import Heartbeat
from sonnys_pipeline.ledger.models import Job, JobMode, JobRow, JobStatus, Knowledge, PlanRecord, RowSpec, RowStatus
from sonnys_pipeline.runtime.processes import this_machine

logger = logging.getLogger(__name__)

#: Jobs that can be continued. The days of a completed or cancelled job are read again in a new one.
UNFINISHED = frozenset({JobStatus.PENDING, JobStatus.RUNNING, JobStatus.PAUSED, JobStatus.FAILED})


@dataclass(frozen=True)
class JobIdentity:
    """Names a job made without a person; `names`: its own, then those of jobs it may continue, newest first."""

    names: Sequence[str]
    command: str = ""
    description: str = ""


@dataclass(frozen=True)
class ExecutionResult:
    """How a run ended (BX-01, BX-05).

    Attributes:
        run_id: names the audit files.
        success: whether every day of the job is landed now.
        processed: days that this run ended: `successful` and `failed`.
        pending: days of the job still to be done.
        stopped: why the run ended early; empty if it did not.
    """

    job_id: str
    run_id: str
    success: bool
    processed: int
    successful: int
    failed: int
    pending: int
    stopped: str
    failures: tuple[DayOutcome, ...]
    measures: Measures


class BatchExecutor:
    """Executes ledger jobs, one at a time, each under a lease (JS-06).

    `session` decides whether approval is required and is locked while a job executes; without it the job's own mode
    decides. `clock` gives monotonic seconds.
    """

    def __init__(
        self,
        workspace: Workspace,
        options: ExecutorOptions | None = None,
        *,
        listener: RunListener | None = None,
        session: SessionModeManager | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workspace = workspace
        self._jobs = workspace.jobs
        self._options = options or workspace.options
        self._listener = listener or RunListener()
        self._session = session
        self._clock = clock
        self._run: JobRun | ListRun | None = None
        self._stop_reason = ""
        self.owner = f"{this_machine()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"

    def stop(self, reason: str) -> None:
        """End the run soon, at a checkpoint: no new day, no poll; safe to call from a signal handler (BM-04)."""
        self._stop_reason = self._stop_reason or reason
        self._jobs.hurry()
        self._workspace.lake.hurry()
        if self._run is not None:
            self._run.stop(self._stop_reason)

    def check(self, job_id: str) -> None:
        """Refuse early, with the same errors, what `execute` would refuse."""
        job, now = self._jobs.get_job(job_id), datetime.now(UTC)
        if job.is_leased(now) and not is_gone(job.lease_owner or ""):
            raise JobLeasedError(job_id, job.lease_owner or "another executor", job.lease_until or now)
        mode = (self._session or SessionModeManager(job.mode)).mode
        self._refuse_unapproved(job, self._jobs.plans.get(job_id), self._jobs.get_rows(job_id), mode)

    def execute(self, job_id: str) -> ExecutionResult:
        """Run a job's pending days; a stopped or crashed job continues. A failed day is a result, not an exception.

        Raises:
            JobLeasedError: another executor runs it.
            InvalidStateTransition: it is completed or cancelled.
            PlanError: not approved, or changed since approval; nothing was done (BX-03).
            OtherSourceError: days of another time zone are landed beside its days; nothing was done.
            ManifestError: the CSV it was made from cannot be read; nothing was done.
            UnknownJobError: no such job.
            BaseException: an interrupt, or a failure of disk or ledger, after the job was paused or failed with it.
        """
        return self._execute(lambda: job_id)

    def _execute(self, find: Callable[[], str]) -> ExecutionResult:
        """Execute the job whose id `find` tells, inside the transaction that leases it."""
        job, plan, rows, known = self._jobs.together(lambda: self._acquire(find()))
        heartbeat = Heartbeat(self._jobs.leases, job.id, self.owner, self._options.lease_seconds, self.stop)
        with heartbeat, self._locked_mode(job) as mode:
            self._refuse_unapproved(job, plan, rows, mode)
            resource = TRANSACTIONS if plan is None else Plan.read(plan).scope.resource
            if resource == TRANSACTIONS:
                refuse_other_zone(self._workspace.lake, [row.day for row in rows], self._options.timezone)
            sites = self._workspace.sites() if resource == TRANSACTIONS else ALL_AT_ONCE
            self._listener.job_began(job)
            pending = self._take_up(job, rows, resource)
            run_id = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"
            with Audit(self._options.state_dir / AUDIT_FOLDER, run_id, job.id) as audit:
                make_loader = partial(self._make_loader, known)
                setup = RunSetup(self._options, self._listener, self.owner, make_loader, self._clock)
                run: JobRun | ListRun
                if resource == TRANSACTIONS:
                    run = JobRun(self._workspace, setup, pending, sites, audit)
                else:
                    run = ListRun(self._workspace, setup, pending, resource, audit)
                self._run = run
                if self._stop_reason:  # asked for before there was anything to stop
                    run.stop(self._stop_reason)
                try:
                    stopped = run.work_off()
                except BaseException as error:
                    stopped = self._lost_lease(job.id) if isinstance(error, LedgerError) else ""
                    if not stopped:
                        # Interrupts arrive here too: the ledger says paused before the caller sees them.
                        self._end(heartbeat, run, JobStatus.PAUSED, f"{type(error).__name__}: {error}")
                        raise
                result = self._end(heartbeat, run, None, stopped)
            if resource == TRANSACTIONS:
                if result.successful and self._options.lands_sites:
                    ensure_sites(self._workspace.lake, self._jobs, self._workspace.client, self._options.source)
                self._remove_expired_archives()
            return result

    def load(self, days: Sequence[str | RowSpec], identity: JobIdentity) -> ExecutionResult:
        """Land days (partition keys, or days of single sites) by a new job, or by their unfinished one.

        Errors as for `execute`.
        """
        rows = [day if isinstance(day, RowSpec) else RowSpec(day) for day in days]
        return self._execute(lambda: self._job_of(rows, identity).id)

    def _job_of(self, rows: Sequence[RowSpec], identity: JobIdentity) -> Job:
        known = next((job for name in identity.names if (job := self._jobs.find_job(name)) is not None), None)
        if known is not None and known.status in UNFINISHED and self._has_rows(known, rows):
            return known
        return self._jobs.create_job(
            identity.names[0],
            original_command=identity.command,
            description=identity.description,
            mode=JobMode.AUTO,
            rows=rows,
        )

    def _has_rows(self, job: Job, rows: Sequence[RowSpec]) -> bool:
        return {(row.day, row.site) for row in self._jobs.get_rows(job.id)} == {(row.day, row.site) for row in rows}

    def _locked_mode(self, job: Job) -> AbstractContextManager[JobMode]:
        return (self._session or SessionModeManager(job.mode)).locked()

    def _refuse_unapproved(self, job: Job, plan: PlanRecord | None, rows: Sequence[JobRow], mode: JobMode) -> None:
        changed = [] if plan is None else self._workspace.changes(Plan.read(plan), rows)
        refuse_unapproved(job, plan, mode, changed)

    def _lost_lease(self, job_id: str) -> str:
        holder = self._jobs.get_job(job_id).lease_owner
        return "" if holder == self.owner else str(LeaseLostError(job_id, self.owner, holder))

    def _make_loader(self, known: Mapping[str, Knowledge], observer: LoadObserver) -> Loader:
        # Fail-fast ends as if the days had been read one after the other (BX-05).
        options = replace(self._options.loader, in_order=self._options.on_error is OnError.FAIL_FAST)
        return self._workspace.loader(replace(self._options, loader=options), observer, known, clock=self._clock)

    def _take_up(self, job: Job, rows: Sequence[JobRow], resource: str) -> list[JobRow]:
        # Checked before anything changes: an unreachable store is no reason to read a day again.
        completed = [row for row in rows if row.status is RowStatus.COMPLETED]
        lost = [row for row in completed if not self._is_landed(row, resource)]
        for row in lost:
            logger.warning("%s: its landed file is missing or damaged; the day will be read again", row.day)

        def begin() -> list[JobRow]:
            if job.status is JobStatus.RUNNING:
                # Running, but with a free lease: its executor died.
                why = "its executor is no longer running"
                self._jobs.update_status(job.id, JobStatus.PAUSED, by=self.owner, why=why, owner=self.owner)
            self._jobs.update_status(job.id, JobStatus.RUNNING, by=self.owner, owner=self.owner)
            self._jobs.reopen_rows(job.id, failed=True, running=True, owner=self.owner)
            for row in lost:
                self._jobs.reopen_row(row.id, owner=self.owner)
            return self._jobs.get_pending_rows(job.id)

        return self._jobs.together(begin)

    def _is_landed(self, row: JobRow, resource: str) -> bool:
        if resource != TRANSACTIONS:
            return self._workspace.lake.has(resource, row.day) or self._workspace.lake.has(resource)
        if self._options.states_only:
            return bool(landed_metadata(self._workspace.lake, row.day))
        return is_landed(self._workspace.lake, row.day, row.site or self._options.source.site_code or None)

    def _end(
        self, heartbeat: Heartbeat, run: JobRun | ListRun, status: JobStatus | None, reason: str
    ) -> ExecutionResult:
        """Checkpoint: ledger, then audit; the lease is given back. Without a given status, the days decide it."""
        job_id = heartbeat.job_id
        failures = tuple(outcome for outcome in run.outcomes if outcome.outcome == "failed")

        def give_back() -> tuple[int, JobStatus]:
            if failures:
                message = f"{failures[0].day}: {failures[0].message}"
                self._jobs.set_error(job_id, failures[0].error, message, owner=self.owner)
            self._jobs.reopen_rows(job_id, failed=False, running=True, owner=self.owner)
            pending = len(self._jobs.get_pending_rows(job_id))
            if (ends := self._jobs.get_job(job_id).status) is not JobStatus.CANCELLED:
                by_days = JobStatus.FAILED if failures else JobStatus.PAUSED if pending else JobStatus.COMPLETED
                ends = status or by_days
                self._jobs.update_status(job_id, ends, by=self.owner, why=reason, owner=self.owner)
            if isinstance(run, JobRun):
                run.remember()
            self._jobs.leases.release(job_id, self.owner)
            return pending, ends

        heartbeat.stop()  # not inside the transaction, for which its thread would wait
        try:
            pending, status = self._jobs.together(give_back)
            if status is JobStatus.CANCELLED:
                reason = reason or "the job was cancelled"
        except (LeaseLostError, InvalidStateTransition) as error:
            # Another executor holds the job: keep the status it has now.
            status, pending = self._jobs.get_job(job_id).status, len(self._jobs.get_pending_rows(job_id))
            reason = reason or str(error)
            self._jobs.leases.release(job_id, self.owner)  # unless it is the other's
        measures = run.measures()
        run.audit.summarize(measures, run.outcomes, status=status.value, started_at=run.started_at, reason=reason)
        return ExecutionResult(
            job_id=job_id,
            run_id=run.audit.run_id,
            success=status is JobStatus.COMPLETED,
            processed=measures.days,
            successful=measures.succeeded,
            failed=measures.failed,
            pending=pending,
            stopped=reason,
            failures=failures,
            measures=measures,
        )

    def _remove_expired_archives(self) -> None:
        if self._options.archive_days is not None:
            today = datetime.now(ZoneInfo(self._options.timezone)).date()
            remove_expired(self._workspace.lake, self._options.archive_days, today)

    def _acquire(self, job_id: str) -> tuple[Job, PlanRecord | None, list[JobRow], dict[str, Knowledge]]:
        """Lease a job; returns it with its plan, its rows and what is known of the API."""
        holder = self._jobs.get_job(job_id).lease_owner
        if holder is not None and is_gone(holder):
            # A dead process of this machine: no need to wait until its lease expires.
            self._jobs.leases.release(job_id, holder)
        return (
            self._jobs.leases.acquire(job_id, self.owner, self._options.lease_seconds),
            self._jobs.plans.get(job_id),
            self._jobs.get_rows(job_id),
            self._jobs.knowledge.recall_all(self._options.source.api_id_digest),
        )
