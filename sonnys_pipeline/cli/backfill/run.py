"""`sonnys backfill run` and `resume`: an executor with everything that listens to it, and how the command ends."""

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
from sonnys_pipeline.backfill.plan import Plan
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

#: What `run` and `resume` may begin with; a running job is another process's, or interrupted.
_MAY_RUN = frozenset({JobStatus.PENDING, JobStatus.PAUSED, JobStatus.FAILED})
_MAY_RESUME = frozenset({JobStatus.PAUSED, JobStatus.FAILED})


def run(job_id: str | None, *, mode: str | None, on_error: str, recover: str | None, as_json: bool) -> None:
    """Run a job; without one, put the interrupted jobs in order as `recover` says."""
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
        elif recover in {RecoveryChoice.RESTART, RecoveryChoice.CANCEL}:  # running it is not what was asked for
            refuse(f"job {job_id} is {job.status}, not interrupted: there is nothing to {recover} by --recover")
        elif job.status not in _MAY_RUN | {JobStatus.RUNNING}:  # a running one is refused by its lease
            refuse(f"job {job_id} is {job.status}; make another one with: sonnys backfill preview")
        code, document = _execute(workspace, job, OnError(on_error), mode=mode, choice=choice, as_json=as_json)
    if as_json:
        print_json(document)
    sys.exit(code)


def resume(job_id: str, *, on_error: str, as_json: bool) -> None:
    """Go on with a job that has begun."""
    with one_line_errors(), open_workspace() as workspace:
        jobs = workspace.jobs
        job_id = jobs.find_job_id(job_id)
        job = jobs.get_job(job_id)
        notice_interrupted(jobs, but=job_id)
        choice: RecoveryChoice | None = None
        if _is_interrupted(jobs, job_id):
            choice = RecoveryChoice.RESUME
        elif job.status is JobStatus.PENDING:
            refuse(f"job {job_id} has not begun; type: sonnys backfill run {job_id}")
        elif job.status not in _MAY_RESUME | {JobStatus.RUNNING}:
            refuse(f"job {job_id} is {job.status}: there is nothing to go on with")
        code, document = _execute(workspace, job, OnError(on_error), choice=choice, as_json=as_json)
    if as_json:
        print_json(document)
    sys.exit(code)


def _recover_all(workspace: Workspace, recover: str | None, on_error: str, *, as_json: bool) -> None:
    """Every interrupted job of the command line, oldest first; the worst exit code of them ends the command.

    Those of Dagster's runs are left to Dagster: there "Re-execute from failure" goes on with them.
    """
    jobs = workspace.jobs
    found = [job for job in check_interrupted_jobs(jobs) or [] if job.dagster_run is None]
    if recover is None and not (found and sys.stdin.isatty()):
        refuse("name a job (sonnys backfill list shows them), or say what to do with interrupted ones: --recover")
    codes, documents = [0], []
    for job in found:
        choice = RecoveryChoice(recover) if recover else _asked(job)
        if choice is RecoveryChoice.CANCEL:
            documents.append(_cancelled(handle_recovery_choice(choice, job.id, jobs)))
            messages.print(f"Job {job.id} is cancelled. What it has landed stays.")
            continue
        code, document = _execute(workspace, job, OnError(on_error), choice=choice, as_json=as_json)
        codes.append(code)
        documents.append(document)
        if code > 128:  # a signal asks for the end of all of it
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
    """Run a job with everybody who listens, put in order first if it was interrupted; exit code and document."""
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
        executor.check(job.id)  # before anything is opened, said, or changed
        if choice is not None:
            job = handle_recovery_choice(choice, job.id, jobs)
        jobs.plans.set_mode(job.id, session.mode)
        dagster = stack.enter_context(
            report_to_dagster(lake, f"{command_line()} (job {job.id})", settings.account_name)
        )
        if dagster is not None:
            listeners.insert(0, dagster)
        stack.enter_context(bar.about(job))
        with graceful(executor.stop) as signals:
            result = executor.execute(job.id)
        if dagster is not None:
            # Days that a process before this one has landed, and was killed before it could tell.
            dagster.reconcile(row.day for row in jobs.get_rows(job.id) if row.path is not None)
    written.finish()
    summary, rows = jobs.get_job_summary(job.id), jobs.get_rows(job.id)
    requests = requests_sent(settings, summary)
    document = show.run_document(result, summary, rows, plan, requests)
    document["dagster"] = dagster_document(dagster)
    document["write_back"] = written.document
    if not as_json:
        show.bill(result, summary, rows, plan, requests)
    for problem in (*(dagster.problems if dagster else ()), *written.problems):
        messages.print(problem)
    if result.success:
        return 0, document
    if summary.job.status in _MAY_RESUME:  # one that was cancelled meanwhile is not
        messages.print(f"Go on with: {to_type(f'sonnys backfill resume {job.id}')}")
    return (128 + signals[0] if signals else FAILED), document


class _ProgressBar(RunListener):
    """Progress: a bar on a terminal, else a line now and then; on stderr in either case."""

    def __init__(self) -> None:
        """Begin without a bar."""
        self._bars: Bars | None = None
        self._task = TaskID(0)

    def progressed(self, progress: Progress) -> None:
        """Show where the run stands."""
        if self._bars is None:
            messages.print(str(progress))
            return
        left = "" if progress.seconds_left is None else f", about {show.duration(progress.seconds_left)} left"
        told = f"{progress.rows:,} rows, {progress.requests:,} requests{left}"
        self._bars.update(self._task, total=progress.days_total, completed=progress.days_done, told=told)

    @contextmanager
    def about(self, job: Job) -> Iterator[None]:
        """Say what begins, and keep a bar up while inside."""
        days = job.remaining_days + job.failed_days
        messages.print(f"Job {job.id}: {job.name}, {days:,} day{'s' * (days != 1)} to read.")
        if not messages.is_terminal:
            yield
            return
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Bars(*columns, TextColumn("{task.fields[told]}"), console=messages, transient=True) as bars:
            self._bars, self._task = bars, bars.add_task("days", total=days, told="")
            try:
                yield
            finally:
                self._bars = None


class _WriteBack(RunListener):
    """The write-back of a run: after each row, or after some where the file is large, until it cannot be written.

    Then its owner hears of it once.
    """

    def __init__(self, jobs: JobService, job_id: str, plan: Plan | None) -> None:
        """Read the manifest as it is now; with what the ledger knows already, it is brought up to date."""
        self.problems: list[str] = []
        self.path = plan.manifest if plan else None
        self._write: WriteBack | None = None
        if self.path is not None:
            self._jobs, self._job_id = jobs, job_id
            self._write = WriteBack(Manifest.read(self.path), job_id)

    def row_ended(self, row: JobRow) -> None:
        """Write what became of it."""
        ended = {(row.day, row.site): result_of(row)}
        self._guarded(lambda write: write.note(ended))

    def flush(self) -> None:
        """Nothing more comes, perhaps because something went wrong: write what is noted."""
        self._guarded(WriteBack.flush)

    def finish(self) -> None:
        """Bring in what ended without an event of its own: rows skipped, or landed by a run before this one."""
        if self._write is not None:
            ended = results(self._jobs.get_rows(self._job_id))
            self._guarded(lambda write: write.write(ended))

    @property
    def document(self) -> dict[str, Any] | None:
        """For `--json`; nothing where the job has no manifest."""
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
    """What the person at the terminal chooses; without a terminal the command ends with what to type."""
    done = f"job {job.id} was interrupted: its process is gone, {job.processed_days} of {job.total_days} days are done"
    if not sys.stdin.isatty():
        refuse(f"{done}. Say what to do: --recover resume, restart or cancel", WRONG_USAGE)
    messages.print(
        f"{done[0].upper()}{done[1:]}.\n  resume   read what is missing\n  restart  read every day again\n"
        "  cancel   give it up; what is landed stays"
    )
    chosen = click.prompt("What now?", type=click.Choice([str(choice) for choice in RecoveryChoice]), err=True)
    return RecoveryChoice(chosen)


def _cancelled(job: Job) -> dict[str, Any]:
    return {"job_id": job.id, "status": job.status, "success": False}


def _print_cancelled(job: Job, *, as_json: bool) -> None:
    if as_json:
        print_json(_cancelled(job))
    else:
        messages.print(f"Job {job.id} is cancelled. What it has landed stays.")
