"""Plans, jobs and costs: as tables, and as documents for `--json` (docs/compatibility.md)."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from rich.table import Table

from sonnys_pipeline.backfill.executor import ExecutionResult
from sonnys_pipeline.backfill.plan import TRANSACTIONS, Plan
from sonnys_pipeline.backfill.progress import duration
from sonnys_pipeline.cli.account import to_type
from sonnys_pipeline.cli.output import Screen
from sonnys_pipeline.client import RequestRate
from sonnys_pipeline.ledger.models import Job, JobRow, JobStatus, JobSummary, PlanRecord, RowStatus, Transition
from sonnys_pipeline.runtime.text import first_few

__all__ = ["RunCost", "approval", "bill", "duration", "job_document", "jobs", "plan", "plan_document", "run_document",
           "status", "status_document"]  # fmt: skip

#: Failed days that are listed.
_SHOWN_FAILURES = 20
#: Statuses of days whose requests are recorded.
_ENDED = frozenset({RowStatus.COMPLETED, RowStatus.FAILED, RowStatus.SKIPPED})
#: Sites named in one line.
_NAMED_SITES = 5

#: A fixed width in a pipe or file, so that nothing is cut off.
_out = Screen(highlight=False, soft_wrap=True, markup=False, width=None if sys.stdout.isatty() else 200)


def plan_document(job: Job | None, planned: Plan) -> dict[str, Any]:
    """A preview, for `--json`; `job_id` is null if there is nothing to load."""
    replaced = [row for row in planned.rows if row.landed_rows is not None]
    return {
        "job_id": job.id if job else None,
        "fingerprint": planned.fingerprint,
        "total_rows": len(planned.rows) + len(planned.too_old),
        "preview_rows": len(planned.sized),
        "additional_rows": len(planned.rows) - len(planned.sized),
        "estimated": asdict(planned.estimate),
        "replaces": {"days": len(replaced), "rows": sum(row.landed_rows or 0 for row in replaced)},
        "too_old": [asdict(spec) for spec in planned.too_old],
        "left_out": [asdict(spec) for spec in planned.left_out],
        "rows": [asdict(row) for row in planned.rows],
    }


def _named(sites: Sequence[str]) -> str:
    return first_few(sites, _NAMED_SITES)


def plan(job: Job | None, planned: Plan, first_partition: date) -> None:
    """Print a preview."""
    if job is None:
        _out.print(f"Nothing is missing: all {len(planned.left_out)} days are already landed.")
        return
    is_list = planned.scope.resource != TRANSACTIONS
    if not is_list:
        _out.print(_sample(planned))
    estimate, sites = planned.estimate, {row.site for row in planned.rows if row.site}
    metadata = Table.grid(padding=(0, 2))
    metadata.add_row("days", f"{len(planned.rows):,}{f' (of {len(sites)} sites)' if len(sites) > 1 else ''}")
    metadata.add_row("zone", f"days begin at midnight in {planned.scope.timezone}")
    metadata.add_row("rows", f"about {estimate.rows:,}")
    if is_list:
        metadata.add_row("what", planned.scope.resource)
    else:
        metadata.add_row("pages", f"about {estimate.pages:,}")
    lists = f", {estimate.lists:,} of them for counts and states" if estimate.lists and not is_list else ""
    metadata.add_row("requests", f"about {estimate.requests:,}{lists}")
    if len(planned.scope.sites) > 1:
        metadata.add_row("sites", f"{_named(planned.scope.sites)}; each load job names one")
    metadata.add_row("time", f"{_about(estimate.seconds)}, if nothing else uses this API id")
    replaced = [row for row in planned.rows if row.landed_rows is not None]
    if replaced:
        rows = sum(row.landed_rows or 0 for row in replaced)
        metadata.add_row(
            "replaces", f"{len(replaced):,} landed days with {rows:,} rows (--missing-only leaves them out)"
        )
    if planned.left_out:
        metadata.add_row("left out", f"{_days(len(planned.left_out))} already landed")
    if planned.too_old:
        days = sorted(spec.day for spec in planned.too_old)
        span = days[0] if len(days) == 1 else f"{days[0]} … {days[-1]}"
        metadata.add_row("too old", f"{_days(len(days))} that the API no longer keeps: {span}")
    unsized = sorted(sites - {row.site for row in planned.sized})
    if unsized:
        metadata.add_row("unchecked", f"{_named(unsized)}: no request was sent for these sites")
    unseen = [row for row in planned.rows if date.fromisoformat(row.day) < first_partition]
    if unseen:
        early = f"{_days(len(unseen))} before SONNYS_START_DATE ({first_partition})"
        metadata.add_row("no partition", f"{early}: Dagster will not show them")
    _out.print(metadata)
    _out.print(f"\nJob {job.id}, plan {planned.fingerprint[:12]}. Nothing is loaded yet. Next:")
    approve, run = (to_type(f"sonnys backfill {verb} {job.id}") for verb in ("approve", "run"))
    _out.print(f"  {approve}\n  {run}")


def _sample(planned: Plan) -> Table:
    """Days whose size the API was asked for, and one line for the others."""
    with_sites = any(row.site for row in planned.rows)
    table = Table("day", title="Sizes from the API, one request each", title_justify="left")
    if with_sites:
        table.add_column("site")
    for name in ("rows", "pages", "landed"):
        table.add_column(name, justify="right")
    for row in planned.sized:
        landed = "" if row.landed_rows is None else f"{row.landed_rows:,}"
        table.add_row(
            row.day, *([row.site or "(all)"] if with_sites else []), f"{row.rows:,}", f"{row.pages:,}", landed
        )
    rest = [row for row in planned.rows if not row.sized]
    if rest:
        table.add_section()
        replaced = sum(row.landed_rows is not None for row in rest)
        rows, pages = sum(row.rows for row in rest), sum(row.pages for row in rest)
        table.add_row(
            f"{len(rest):,} more", *([""] if with_sites else []), f"≈ {rows:,}", f"≈ {pages:,}",
            f"{replaced:,} days" if replaced else "",
        )  # fmt: skip
    return table


def approval(record: PlanRecord, planned: Plan) -> None:
    """Print an approval."""
    estimate = planned.estimate
    _out.print(
        f"Approved by {record.approved_by}: {_days(len(planned.rows))}, about {estimate.requests:,} requests, "
        f"{_about(estimate.seconds)}; plan {record.fingerprint[:12]}. Next:\n  "
        + to_type(f"sonnys backfill run {record.job_id}")
    )


@dataclass(frozen=True)
class RunCost:
    """A run's result, and what all runs of its job cost: rows and `requests`, at a `rate`."""

    result: ExecutionResult
    summary: JobSummary
    rows: Sequence[JobRow]
    planned: Plan | None
    requests: int
    rate: RequestRate


def run_document(cost: RunCost) -> dict[str, Any]:
    """Result of a run, for `--json`: `spent` by this run, `job` and `days` by all runs of the job."""
    result, summary, measures = cost.result, cost.summary, cost.result.measures
    return {
        "job_id": result.job_id,
        "run_id": result.run_id,
        "status": summary.job.status,
        "success": result.success,
        "processed": result.processed,
        "successful": result.successful,
        "failed": result.failed,
        "pending": result.pending,
        "stopped": result.stopped,
        "failures": [asdict(failure) for failure in result.failures],
        "estimated": asdict(cost.planned.estimate) if cost.planned else None,
        "spent": {
            "rows": measures.rows,
            "pages": measures.pages,
            "requests": measures.requests,
            "minutes_of_budget": cost.rate.minutes_of_budget(measures.requests),
            "seconds": measures.seconds,
        },
        "job": {
            "successful_rows": summary.successful_days,
            "failed_rows": summary.failed_days,
            "rows": summary.rows,
            "pages": _pages(cost.rows),
            "requests": cost.requests,
            "minutes_of_budget": cost.rate.minutes_of_budget(cost.requests),
        },
        "days": [_day_document(row, cost.rate) for row in cost.rows],
        "measures": asdict(measures),
    }


def _day_document(row: JobRow, rate: RequestRate) -> dict[str, Any]:
    """Cost of a day, or of a site of it; null with the reason where a reading has begun and not ended."""
    is_known = row.attempts == 0 or row.status in _ENDED
    return {
        "day": row.day,
        "site": row.site,
        "status": row.status,
        "rows": row.rows,
        "requests": row.requests if is_known else None,
        "minutes_of_budget": rate.minutes_of_budget(row.requests) if is_known else None,
        "unknown": None if is_known else "its last reading did not end, so its requests are not recorded",
    }


def bill(cost: RunCost) -> None:
    """Print the result of a run: days, estimated and actual cost of all runs of the job, failures."""
    result, summary, planned, measures = cost.result, cost.summary, cost.planned, cost.result.measures
    _out.print(
        f"{summary.successful_days:,} of {summary.total_days:,} days landed"
        f"{f', {summary.failed_days:,} failed' if summary.failed_days else ''}"
        f"{f', {summary.skipped_days:,} skipped' if summary.skipped_days else ''}"
        f"{f', {result.pending:,} not loaded yet' if result.pending else ''}: the job is {summary.job.status}."
    )
    if result.stopped:
        _out.print(f"The run stopped: {result.stopped}.")
    table = Table("", "estimated", "actual", title="Cost", title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    estimate = planned.estimate if planned else None
    lines = [
        ("rows", estimate.rows if estimate else None, summary.rows),
        ("pages", estimate.pages if estimate else None, _pages(cost.rows)),
        ("requests", estimate.requests if estimate else None, cost.requests),
    ]
    if planned is not None and planned.scope.resource != TRANSACTIONS:
        lines.pop(1)  # lists have no load jobs
    for name, guessed, spent in lines:
        table.add_row(name, "-" if guessed is None else f"{guessed:,}", f"{spent:,}")
    guess = f"{cost.rate.minutes_of_budget(estimate.requests):,.1f}" if estimate else "-"
    table.add_row("minutes of budget", guess, f"{cost.rate.minutes_of_budget(cost.requests):,.1f}")
    table.add_row("time (this run)", _about(estimate.seconds) if estimate else "-", duration(measures.seconds))
    _out.print(table)
    if measures.pages:
        _out.print(
            f"{measures.requests_per_page:.2f} requests a page; waited {duration(measures.budget_wait)} for the "
            f"request budget; a day took {measures.p50_seconds:.1f} s (p50), {measures.p95_seconds:.1f} s (p95)."
        )
    for failure in result.failures[:_SHOWN_FAILURES]:
        where = f"{failure.day}{f' of site {failure.site}' if failure.site else ''}"
        _out.print(f"  {where}: {failure.error}: {failure.message}")


def job_document(job: Job, *, interrupted: bool) -> dict[str, Any]:
    """A job in a list, for `--json`."""
    return {
        "job_id": job.id,
        "name": job.name,
        "status": job.status,
        "interrupted": interrupted,
        "mode": job.mode,
        "total_rows": job.total_days,
        "processed_rows": job.processed_days,
        "successful_rows": job.successful_days,
        "failed_rows": job.failed_days,
        "created_at": job.created_at.isoformat(),
        "completed_at": job.completed_at.isoformat() if job.completed_at else None,
        "original_command": job.original_command,
    }


def jobs(found: Sequence[Job], interrupted: Collection[str]) -> None:
    """Print a list of jobs."""
    if not found:
        _out.print(f"No jobs yet. Create one with: {to_type('sonnys backfill preview --start DAY --end DAY')}")
        return
    # A job's id is never cut off, so that it can be copied; it just fits into 80 columns beside a span of days.
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    for name in ("job", "status", "landed", "failed"):
        table.add_column(name, no_wrap=True, justify="right" if name == "failed" else "left")
    table.add_column("what", overflow="fold", no_wrap=False)
    for job in found:
        status = "interrupted" if job.id in interrupted else str(job.status)
        days = f"{job.successful_days:,} of {job.total_days:,}"
        table.add_row(job.id, status, days, f"{job.failed_days:,}", job.name.removeprefix("backfill "))
    _out.print(table)


def status_document(
    summary: JobSummary,
    record: PlanRecord | None,
    planned: Plan | None,
    failed: Sequence[JobRow],
    *,
    requests: int,
    interrupted: bool,
) -> dict[str, Any]:
    """A job's progress, cost and failures, for `--json`."""
    return {
        **job_document(summary.job, interrupted=interrupted),
        "pending_rows": summary.pending_days + summary.running_days,
        "skipped_rows": summary.skipped_days,
        "rows": summary.rows,
        "requests": requests,
        "seconds": round(summary.seconds, 3),
        "estimated": asdict(planned.estimate) if planned else None,
        "fingerprint": record.fingerprint if record else None,
        "approved_by": record.approved_by if record else None,
        "approved_at": record.approved_at.isoformat() if record and record.approved_at else None,
        "error_code": summary.job.error_code,
        "error_message": summary.job.error_message,
        "failures": [
            {"day": row.day, "site": row.site, "error": row.error_code, "message": row.error_message} for row in failed
        ],
    }


def status(  # everything that the screen shows
    summary: JobSummary,
    record: PlanRecord | None,
    planned: Plan | None,
    failed: Sequence[JobRow],
    log: Sequence[Transition],
    *,
    requests: int,
    interrupted: bool,
) -> None:
    """Print a job's progress, cost and failures."""
    job = summary.job
    metadata = Table.grid(padding=(0, 2))
    metadata.add_row("job", job.id)
    metadata.add_row("what", job.name)
    metadata.add_row("status", f"{job.status}{', but its process is gone' if interrupted else ''}")
    metadata.add_row("mode", _mode(job, record))
    metadata.add_row(
        "days",
        f"{summary.total_days:,}: {summary.successful_days:,} landed, {summary.failed_days:,} failed, "
        f"{summary.pending_days + summary.running_days:,} to load, {summary.skipped_days:,} skipped",
    )
    metadata.add_row("rows", f"{summary.rows:,}{_of(planned, 'rows')}")
    metadata.add_row("requests", f"{requests:,}{_of(planned, 'requests')}")
    if job.started_at:
        until = job.completed_at or (log[-1].at if log and job.status is not JobStatus.RUNNING else None)
        ended = f", ended {until:%Y-%m-%d %H:%M:%S}" if until else ""
        metadata.add_row("time (UTC)", f"started {job.started_at:%Y-%m-%d %H:%M:%S}{ended}")
    if job.error_code and not failed:  # else it is listed with its day
        metadata.add_row("error", f"{job.error_code}: {job.error_message}")
    _out.print(metadata)
    for row in failed[:_SHOWN_FAILURES]:
        where = f"{row.day}{f' of site {row.site}' if row.site else ''}"
        _out.print(f"  {where}: {row.error_code}: {row.error_message}")
    if len(failed) > _SHOWN_FAILURES:
        _out.print(f"  and {len(failed) - _SHOWN_FAILURES} more")
    if hint := _next(job, record, interrupted=interrupted):
        _out.print(f"Next: {hint}")


def _mode(job: Job, record: PlanRecord | None) -> str:
    if record is None:
        return f"{job.mode}, without a plan"
    if not record.is_approved:
        return f"{job.mode}, not approved{' yet' if job.mode == 'confirm' else ''}"
    return f"{job.mode}, approved by {record.approved_by} at {record.approved_at:%Y-%m-%d %H:%M} UTC"


def _next(job: Job, record: PlanRecord | None, *, interrupted: bool) -> str:
    if interrupted:
        return f"{to_type(f'sonnys backfill run {job.id} --recover resume')} (or restart, or cancel)"
    if job.status is JobStatus.PENDING:
        waits = record is not None and not record.is_approved and job.mode == "confirm"
        return to_type(f"sonnys backfill {'approve' if waits else 'run'} {job.id}")
    return to_type(f"sonnys backfill resume {job.id}") if job.status in {JobStatus.PAUSED, JobStatus.FAILED} else ""


def _days(count: int) -> str:
    return f"{count:,} day{'s' * (count != 1)}"


def _about(seconds: float) -> str:
    """An estimate; 0 s means that all requests fit into one block of the budget."""
    return f"about {duration(seconds)}" if seconds else "a few seconds"


def _of(planned: Plan | None, name: str) -> str:
    return f" of about {getattr(planned.estimate, name):,}" if planned else ""


def _pages(rows: Sequence[JobRow]) -> int:
    return sum(len(row.job_hashes) for row in rows)
