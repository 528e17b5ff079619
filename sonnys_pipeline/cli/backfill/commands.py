"""The verbs of `sonnys backfill`, except those that run a job (`run.py`)."""

from __future__ import annotations

import getpass
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from sonnys_pipeline.backfill.audit import AUDIT_FOLDER, requests_of_job
from sonnys_pipeline.backfill.lists.preview import preview_list
from sonnys_pipeline.backfill.manifest.manifest import Manifest, ManifestError, RowKey, RowResult, result_of
from sonnys_pipeline.backfill.manifest.write_back import WriteBack
from sonnys_pipeline.backfill.plan import TRANSACTIONS, Plan
from sonnys_pipeline.backfill.preview import Request, RequestedDaysError, days_between
from sonnys_pipeline.backfill.preview import preview as make_preview
from sonnys_pipeline.backfill.recovery import NotInterruptedError, check_interrupted_jobs
from sonnys_pipeline.cli.account import open_workspace, to_type
from sonnys_pipeline.cli.backfill import output as show
from sonnys_pipeline.cli.output import FAILED, NOT_APPROVED, WRONG_USAGE, messages, print_json, refuse
from sonnys_pipeline.client import AuthError, SonnysError, ValidationError
from sonnys_pipeline.config.settings import Settings, SettingsError
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.landing.account_sites import NoNamedSiteError
from sonnys_pipeline.landing.sites.answers import UnknownSiteError
from sonnys_pipeline.ledger.errors import (
    AmbiguousJobError,
    InvalidStateTransition,
    LedgerError,
    NotApprovedError,
    PlanDriftError,
    PlanError,
    UnknownJobError,
)
from sonnys_pipeline.ledger.models import Job, JobRow, JobStatus, JobSummary
from sonnys_pipeline.ledger.service import JobService
from sonnys_pipeline.runtime.private_folder import StateUnwritableError


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Turn the errors of the other rooms into one line and an exit code."""
    try:
        yield
    except (NotApprovedError, PlanDriftError) as error:
        refuse(str(error), NOT_APPROVED)
    except (
        SettingsError, NoNamedSiteError, UnknownSiteError, RequestedDaysError, ManifestError, UnknownJobError,
        AmbiguousJobError, InvalidStateTransition, NotInterruptedError, PlanError,
    ) as error:  # fmt: skip
        refuse(str(error), WRONG_USAGE)
    except (AuthError, ValidationError) as error:
        # An unknown site may be answered 422, if the API checks parameters first.
        if error.concerns_site:
            said = "; ".join(error.messages) or error.type
            refuse(f"the API does not know the site, or the key may not read it: {said}", WRONG_USAGE)
        refuse(str(error), FAILED)
    except (SonnysError, LedgerError, LakeError, StateUnwritableError) as error:
        refuse(str(error), FAILED)


def preview(  # one parameter per option
    start: str | None,
    end: str | None,
    site: str | None,
    csv: Path | None,
    *,
    missing_only: bool,
    resource: str,
    as_json: bool,
) -> None:
    """Create a job and print its plan."""
    with one_line_errors():
        is_list = resource != TRANSACTIONS
        if is_list and (site is not None or csv is not None or missing_only):
            raise RequestedDaysError(f"{resource}: lists are read of all sites; give --start and --end alone")
        request = None if is_list else _request(start, end, site, csv, missing_only=missing_only)
        with open_workspace() as workspace:
            workspace.settings.require_credentials()
            if request is None:
                days = days_between(start or end or "", end or start or "") if start or end else []
                job, plan = preview_list(resource, days, workspace, command=command_line())
            else:
                job, plan = make_preview(request, workspace, command=command_line())
            if not as_json:
                notice_interrupted(workspace.jobs)
    if as_json:
        print_json(show.plan_document(job, plan))
    else:
        show.plan(job, plan, workspace.settings.start_date)


def approve(job_id: str, by: str | None, *, as_json: bool) -> None:
    """Approve the plan, if a run would still do what it says."""
    with one_line_errors(), open_workspace() as workspace:
        jobs = workspace.jobs
        job_id = jobs.find_job_id(job_id)
        record = jobs.plans.get(job_id)
        if record is None:
            refuse(f"job {job_id} has no plan to approve; create a job with: sonnys backfill preview")
        plan = Plan.read(record)
        workspace.settings.require_credentials()
        if changed := workspace.changes(plan, jobs.get_rows(job_id)):
            raise PlanDriftError(f"job {job_id} is not what was planned: {'; '.join(changed)}. Make a new preview")
        record = jobs.plans.approve(job_id, record.fingerprint, by=by or _whoami())
    if as_json:
        approved_at = record.approved_at.isoformat() if record.approved_at else None
        print_json(
            {
                "job_id": job_id,
                "fingerprint": record.fingerprint,
                "approved_by": record.approved_by,
                "approved_at": approved_at,
                "estimated": asdict(plan.estimate),
            }
        )
    else:
        show.approval(record, plan)


def cancel(job_id: str, why: str, *, as_json: bool) -> None:
    """Cancel a job."""
    with one_line_errors(), open_workspace() as workspace:
        jobs = workspace.jobs
        job_id = jobs.find_job_id(job_id)
        was = jobs.get_job(job_id)
        job = jobs.update_status(job_id, JobStatus.CANCELLED, by=_whoami(), why=why or "cancelled by a person")
    if as_json:
        print_json({"job_id": job_id, "status": job.status, "was": was.status})
    else:
        soon = "; its process stops within seconds" if was.status is JobStatus.RUNNING else ""
        messages.print(f"Job {job_id} is cancelled{soon}. Landed days stay.")


def list_jobs(status: str | None, limit: int, *, as_json: bool) -> None:
    """Print jobs, newest first."""
    with one_line_errors(), open_workspace() as workspace:
        jobs = workspace.jobs
        found = jobs.list_jobs(JobStatus(status) if status else None, limit)
        interrupted = {job.id for job in check_interrupted_jobs(jobs) or ()}
    if as_json:
        print_json({"jobs": [show.job_document(job, interrupted=job.id in interrupted) for job in found]})
    else:
        show.jobs(found, interrupted)


def status(job_id: str, *, as_json: bool) -> None:
    """Print a job's progress, cost and failures."""
    with one_line_errors(), open_workspace() as workspace:
        jobs = workspace.jobs
        job_id = jobs.find_job_id(job_id)
        summary = jobs.get_job_summary(job_id)
        record = jobs.plans.get(job_id)
        failed = jobs.get_failed_rows(job_id)
        interrupted = job_id in {job.id for job in check_interrupted_jobs(jobs) or ()}
        plan = Plan.read(record) if record else None
        log = jobs.transitions(job_id)
    requests = requests_sent(workspace.settings, summary)
    if as_json:
        print_json(show.status_document(summary, record, plan, failed, requests=requests, interrupted=interrupted))
    else:
        show.status(summary, record, plan, failed, log, requests=requests, interrupted=interrupted)


def write_back(job_id: str, *, as_json: bool) -> None:
    """Write the results in the ledger into the job's CSV."""
    with one_line_errors(), open_workspace() as workspace:
        jobs = workspace.jobs
        job_id = jobs.find_job_id(job_id)
        record = jobs.plans.get(job_id)
        plan = Plan.read(record) if record else None
        if plan is None or plan.manifest is None:
            refuse(f"job {job_id} was not created from a CSV, so there is no file to write to")
        if jobs.get_job(job_id).is_leased(datetime.now(UTC)):
            refuse(f"job {job_id} is running and writes its results itself; wait until it has ended", FAILED)
        rows = jobs.get_rows(job_id)
        manifest = Manifest.read(plan.manifest)
        asked = {(spec.day, spec.site) for spec in manifest.requests}
        lost = [row for row in rows if (row.day, row.site) not in asked]
        WriteBack(manifest, job_id).write(results(rows))
    written = len(rows) - len(lost)
    if as_json:
        gone = [{"day": row.day, "site": row.site} for row in lost]
        print_json({"job_id": job_id, "path": plan.manifest, "written": written, "not_in_the_file": gone})
        return
    messages.print(f"Wrote {written} results into {plan.manifest}.")
    if lost:
        named = ", ".join(f"{row.day}{f' of site {row.site}' if row.site else ''}" for row in lost[:5])
        messages.print(f"{len(lost)} days of the job are no longer in the file: {named}.")


def reconcile(*, as_json: bool) -> None:
    """Report landed days to Dagster that it does not show as materialized."""
    from sonnys_pipeline.orchestration.account import Account
    from sonnys_pipeline.orchestration.events.runless import RunlessDays
    from sonnys_pipeline.orchestration.instance import InstanceError, configured_instance

    with one_line_errors():
        workspace = open_workspace()
        lake = workspace.lake
        try:
            instance = configured_instance()
        except InstanceError as error:
            refuse(str(error), FAILED)
        if instance is None:
            refuse('DAGSTER_HOME is not set; run: mkdir -p .dagster && export DAGSTER_HOME="$PWD/.dagster"')
        with instance:
            account, rate = Account(workspace.settings.account_name), workspace.settings.rate_limit
            days = RunlessDays(instance, lake, source=command_line(), rate=rate, account=account)
            days.reconcile()
            days.reconcile_lists()
    if as_json:
        print_json(
            {
                "reported": days.reported,
                "observed": days.observed,
                "lists": days.lists,
                "problems": days.problems,
            }
        )
    else:
        known = len(lake.partitions("transactions")) - len(days.reported) - len(days.observed) - len(days.problems)
        messages.print(f"Dagster already had {known} landed days; {len(days.reported)} more were reported.")
        if days.lists:
            messages.print(f"{len(days.lists)} lists and days of lists were reported.")
        for day in days.observed:
            messages.print(f"{day} has only some sites: reported as an observation, not as a materialization.")
        for problem in days.problems:
            messages.print(problem)
    if days.problems:
        sys.exit(FAILED)


def requests_sent(settings: Settings, summary: JobSummary) -> int:
    """Requests sent by all runs of a job: from its audits, or from the ledger if those were deleted."""
    return max(summary.requests, requests_of_job(settings.state_dir / AUDIT_FOLDER, summary.job.id))


def results(rows: list[JobRow]) -> dict[RowKey, RowResult]:
    """Results of a job's days, by day and site, for its manifest."""
    return {(row.day, row.site): result_of(row) for row in rows}


def notice_interrupted(jobs: JobService, *, but: str | None = None) -> list[Job]:
    """Print a line for each interrupted job except `but`; returns these jobs."""
    found = [job for job in check_interrupted_jobs(jobs) or () if job.id != but]
    for job in found:
        remedy = f"Run: {to_type(f'sonnys backfill run {job.id} --recover resume')} (or restart, or cancel)"
        if job.dagster_run is not None:
            remedy = f'Re-execute run {job.dagster_run[:8]} "from failure" in Dagster'
        messages.print(
            f"Interrupted: job {job.id} ({job.name}), {job.processed_days} of {job.total_days} days done. {remedy}"
        )
    return found


def _whoami() -> str:
    """The current user, by number if it has no name, as in many containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def command_line() -> str:
    """The command as typed, for the job's record (no option is secret); bytes that are not UTF-8 are escaped."""
    return shlex.join(["sonnys", *sys.argv[1:]]).encode("utf-8", "backslashreplace").decode()


def _request(start: str | None, end: str | None, site: str | None, csv: Path | None, *, missing_only: bool) -> Request:
    """The requested days; raises `RequestedDaysError` for options that exclude each other."""
    if site == "":
        raise RequestedDaysError("--site is empty; leave it out to load all sites")
    if csv is None:
        if not (start and end):
            raise RequestedDaysError("no days given; add --start DAY and --end DAY, or --from-csv FILE")
        return Request(days_between(start, end, site), missing_only)
    if start or end:
        raise RequestedDaysError("--from-csv already gives the days; leave out --start and --end")
    manifest = Manifest.read(csv)
    rows = manifest.requests
    if site is not None:
        raise RequestedDaysError("--from-csv already gives the sites (column site); leave out --site")
    return Request(rows, missing_only, manifest)
