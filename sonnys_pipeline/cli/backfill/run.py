"""`sonnys backfill run` and `resume`: run a job, show its progress and cost."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from sonnys_pipeline.backfill.approval import SessionModeManager
from sonnys_pipeline.backfill.executor import BatchExecutor
from sonnys_pipeline.backfill.listener import Listeners, RunListener
from sonnys_pipeline.backfill.manifest.manifest import Manifest, ManifestError, result_of
from sonnys_pipeline.backfill.manifest.write_back import WriteBack
from sonnys_pipeline.backfill.options import OnError
from sonnys_pipeline.backfill.plan import TRANSACTIONS, Plan
from sonnys_pipeline.backfill.progress import LOG_INTERVAL, Progress
from sonnys_pipeline.backfill.recovery import RecoveryChoice, check_interrupted_jobs, handle_recovery_choice
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.cli.account import open_workspace, to_type
from sonnys_pipeline.cli.backfill import output as show
from sonnys_pipeline.cli.backfill.commands import (
    command_line,
    notice_interrupted,
    one_line_errors,
    requests_sent,
    results,
)
from sonnys_pipeline.cli.output import FAILED, WRONG_USAGE, messages, print_json, refuse
from sonnys_pipeline.cli.report_to_dagster import dagster_document, report_to_dagster
from sonnys_pipeline.ledger.models import Job, JobMode, JobRow, JobStatus
from sonnys_pipeline.ledger.service import JobService
from sonnys_pipeline.runtime.signals import graceful

#: Statuses that `run` and `resume` accept; a running job belongs to another process, or was interrupted.
_MAY_RUN = frozenset({JobStatus.PENDING, JobStatus.PAUSED, JobStatus.FAILED})
_MAY_RESUME = frozenset({JobStatus.PAUSED, JobStatus.FAILED})


def run(job_id: str | None, *, mode: str | None, on_error: str, recover: str | None, as_json: bool) -> None:
    """Run a job; without `job_id`, treat all interrupted jobs as `recover` says."""
    with one_line_errors(), open_workspace() as workspace:
        jobs = workspace.jobs
        if job_id is None:
            _recover_all(workspace, recover, on_error, as_json=as_json)
            return
        job_id = jobs.find_job_id(job_id)
        job = jobs.get_job(job_id)
        notice_interrupted(jobs, but=job_id)
        choice: RecoveryChoice | None = None
        if _is_interrupted(jobs, job_id):
            choice = RecoveryChoice(recover) if recover else _asked(job)
            if choice is RecoveryChoice.CANCEL:
                _print_cancelled(handle_recovery_choice(choice, job_id, jobs), as_json=as_json)
                return
        elif recover in {RecoveryChoice.RESTART, RecoveryChoice.CANCEL}:  # do not run it instead
            refuse(f"job {job_id} is {job.status}, not interrupted; leave out --recover {recover}")
        elif job.status not in _MAY_RUN | {JobStatus.RUNNING}:  # the lease refuses a running one
            refuse(f"job {job_id} is {job.status}; create a new one with: sonnys backfill preview")
        code, document = _execute(workspace, job, OnError(on_error), mode=mode, choice=choice, as_json=as_json)
    if as_json:
        print_json(document)
    sys.exit(code)


def resume(job_id: str, *, on_error: str, as_json: bool) -> None:
    """Continue a job that has begun."""
    with one_line_errors(), open_workspace() as workspace:
        jobs = workspace.jobs
        job_id = jobs.find_job_id(job_id)
        job = jobs.get_job(job_id)
        notice_interrupted(jobs, but=job_id)
        choice: RecoveryChoice | None = None
        if _is_interrupted(jobs, job_id):
            choice = RecoveryChoice.RESUME
        elif job.status is JobStatus.PENDING:
            refuse(f"job {job_id} has not begun; start it with: sonnys backfill run {job_id}")
        elif job.status not in _MAY_RESUME | {JobStatus.RUNNING}:
            refuse(f"job {job_id} is {job.status} and cannot be resumed")
        code, document = _execute(workspace, job, OnError(on_error), choice=choice, as_json=as_json)
    if as_json:
        print_json(document)
    sys.exit(code)


def _recover_all(workspace: Workspace, recover: str | None, on_error: str, *, as_json: bool) -> None:
    """Treat every interrupted job of the command line, oldest first; exits with the highest exit code.

    Jobs of Dagster runs are left out: "Re-execute from failure" in Dagster continues those.
    """
    jobs = workspace.jobs
    found = [job for job in check_interrupted_jobs(jobs) or [] if job.dagster_run is None]
    if recover is None and not (found and sys.stdin.isatty()):
        refuse("no JOB given; find one with sonnys backfill list, or treat all interrupted jobs with --recover")
    codes, documents = [0], []
    for job in found:
        choice = RecoveryChoice(recover) if recover else _asked(job)
        if choice is RecoveryChoice.CANCEL:
            documents.append(_cancelled(handle_recovery_choice(choice, job.id, jobs)))
            messages.print(f"Job {job.id} is cancelled. Landed days stay.")
            continue
        code, document = _execute(workspace, job, OnError(on_error), choice=choice, as_json=as_json)
        codes.append(code)
        documents.append(document)
        if code > 128:  # stopped by a signal
            break
    if as_json:
        print_json({"jobs": documents})
    elif not found:
        messages.print("No job was interrupted.")
    sys.exit(max(codes))


def _execute(
    workspace: Workspace,
    job: Job,
    on_error: OnError,
    *,
    mode: str | None = None,
    choice: RecoveryChoice | None = None,
    as_json: bool,
) -> tuple[int, dict[str, Any]]:
    """Run a job, after applying `choice` if it was interrupted; returns exit code and document."""
    settings, jobs, lake = workspace.settings, workspace.jobs, workspace.lake
    settings.require_credentials()
    session = SessionModeManager(job.mode)
    if mode is not None:
        session.set_mode(JobMode(mode))
    record = jobs.plans.get(job.id)
    plan = Plan.read(record) if record else None
    progress_seconds = 1.0 if messages.is_terminal else LOG_INTERVAL
    options = replace(workspace.options, on_error=on_error, progress_seconds=progress_seconds)
    with ExitStack() as stack:
        written, bar = _WriteBack(jobs, job.id, plan), _ProgressBar()
        stack.callback(written.flush)
        listeners = Listeners([bar, written])
        executor = BatchExecutor(workspace, options, listener=listeners, session=session)
        executor.check(job.id)  # before anything is opened, printed or changed
        if choice is not None:
            job = handle_recovery_choice(choice, job.id, jobs)
        jobs.plans.set_mode(job.id, session.mode)
        dagster = stack.enter_context(report_to_dagster(lake, f"{command_line()} (job {job.id})", settings))
        if dagster is not None:
            listeners.insert(0, dagster)
        stack.enter_context(bar.about(job))
        with graceful(executor.stop) as signals:
            result = executor.execute(job.id)
        if dagster is not None and (plan is None or plan.scope.resource == TRANSACTIONS):
            # Days landed by an earlier process that was killed before it could report them.
            dagster.reconcile(row.day for row in jobs.get_rows(job.id) if row.path is not None)
    written.finish()
    summary, rows = jobs.get_job_summary(job.id), jobs.get_rows(job.id)
    cost = show.RunCost(result, summary, rows, plan, requests_sent(settings, summary), settings.rate_limit)
    document = show.run_document(cost)
    document["dagster"] = dagster_document(dagster)
    document["write_back"] = written.document
    if not as_json:
        show.bill(cost)
    for problem in (*(dagster.problems if dagster else ()), *written.problems):
        messages.print(problem)
    if result.success:
        return 0, document
    if summary.job.status in _MAY_RESUME:
        messages.print(f"Continue with: {to_type(f'sonnys backfill resume {job.id}')}")
    return (128 + signals[0] if signals else FAILED), document


class _ProgressBar(RunListener):
    """Progress on stderr: a bar in a terminal, else a line now and then."""

    def __init__(self) -> None:
        self._bars: Bars | None = None
        self._task = TaskID(0)

    def progressed(self, progress: Progress) -> None:
        """Show the progress."""
        if self._bars is None:
            messages.print(str(progress))
            return
        left = "" if progress.seconds_left is None else f", about {show.duration(progress.seconds_left)} left"
        text = f"{progress.rows:,} rows, {progress.requests:,} requests{left}"
        self._bars.update(self._task, total=progress.days_total, completed=progress.days_done, text=text)

    @contextmanager
    def about(self, job: Job) -> Iterator[None]:
        """Print what begins, and show a progress bar meanwhile."""
        days = job.remaining_days + job.failed_days
        messages.print(f"Job {job.id}: {job.name}, {days:,} day{'s' * (days != 1)} to load.")
        if not messages.is_terminal:
            yield
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Bars(*columns, TextColumn("{task.fields[text]}"), console=messages, transient=True) as bars:
            self._bars, self._task = bars, bars.add_task("days", total=days, text="")
            try:
                yield
            finally:
                self._bars = None


class _WriteBack(RunListener):
    """Writes results of a run into the job's CSV: after each day, or after several if the file is large.

    Stops at the first failure, which is reported once, in `problems`.
    """

    def __init__(self, jobs: JobService, job_id: str, plan: Plan | None) -> None:
        self.problems: list[str] = []
        self.path = plan.manifest if plan else None
        self._write: WriteBack | None = None
        if self.path is not None:
            self._jobs, self._job_id = jobs, job_id
            self._write = WriteBack(Manifest.read(self.path), job_id)

    def row_ended(self, row: JobRow) -> None:
        """Note the result of a day."""
        ended = {(row.day, row.site): result_of(row)}
        self._guarded(lambda write: write.note(ended))

    def flush(self) -> None:
        """Write the noted results, also after an error."""
        self._guarded(WriteBack.flush)

    def finish(self) -> None:
        """Add results without an event in this run: days skipped, or landed by an earlier run."""
        if self._write is not None:
            ended = results(self._jobs.get_rows(self._job_id))
            self._guarded(lambda write: write.write(ended))

    @property
    def document(self) -> dict[str, Any] | None:
        """For `--json`; null if the job has no manifest."""
        return None if self.path is None else {"path": self.path, "problems": self.problems}

    def _guarded(self, act: Callable[[WriteBack], None]) -> None:
        if self._write is None:
            return
        try:
            act(self._write)
        except ManifestError as error:
            self.problems.append(str(error))
            self._write = None


def _is_interrupted(jobs: JobService, job_id: str) -> bool:
    return any(job.id == job_id for job in check_interrupted_jobs(jobs) or ())


def _asked(job: Job) -> RecoveryChoice:
    """Ask at the terminal; without one, end the command and name the option to use."""
    done = f"job {job.id} was interrupted: its process is gone, {job.processed_days} of {job.total_days} days are done"
    if not sys.stdin.isatty():
        refuse(f"{done}. Add --recover resume (or restart, or cancel)", WRONG_USAGE)
    messages.print(
        f"{done[0].upper()}{done[1:]}.\n  resume   load the missing days\n  restart  load all days again\n"
        "  cancel   end the job; landed days stay"
    )
    chosen = click.prompt("What to do?", type=click.Choice([str(choice) for choice in RecoveryChoice]), err=True)
    return RecoveryChoice(chosen)


def _cancelled(job: Job) -> dict[str, Any]:
    return {"job_id": job.id, "status": job.status, "success": False}


def _print_cancelled(job: Job, *, as_json: bool) -> None:
    if as_json:
        print_json(_cancelled(job))
    else:
        messages.print(f"Job {job.id} is cancelled. Landed days stay.")
