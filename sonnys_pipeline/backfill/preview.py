"""From a person's request to a pending job with a plan (BX-02)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from sonnys_pipeline.backfill.manifest.manifest import Manifest
from sonnys_pipeline.backfill.plan import TRANSACTIONS, Plan, make_plan
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.calendar.windows import Day, first_kept_day, last_complete_day
from sonnys_pipeline.client import AuthError, ValidationError
from sonnys_pipeline.lake.transactions import LandedRows
from sonnys_pipeline.landing.account_sites import SpanCounter
from sonnys_pipeline.landing.transactions import Source, refuse_other_source, refuse_other_zone
from sonnys_pipeline.ledger.models import Job, JobMode, RowSpec
from sonnys_pipeline.ledger.service import JobService

#: Longest span of one request, in days (ten years); more is a typing error.
MOST_DAYS = 3660


class RequestedDaysError(ValueError):
    """The requested days cannot be read; the message says which, why, and what to ask for instead."""


@dataclass(frozen=True)
class Request:
    """What a person asks for: days (and sites) in order; with `missing_only`, landed ones are left out."""

    rows: Sequence[RowSpec]
    missing_only: bool = False
    manifest: Manifest | None = None


def days_between(start: str, end: str, site: str | None = None) -> list[RowSpec]:
    """Every day from `start` to `end`, both included; `RequestedDaysError` for no dates, reversed ones, or too many."""
    first, last = (_date(text) for text in (start, end))
    if last < first:
        raise RequestedDaysError(f"the dates are reversed: {start} is after {end}")
    count = (last - first).days + 1
    if count > MOST_DAYS:
        raise RequestedDaysError(f"{start} … {end} are {count:,} days; ask for {MOST_DAYS:,} at most")
    return [RowSpec((first + timedelta(days=number)).isoformat(), site) for number in range(count)]


def preview(
    request: Request, workspace: Workspace, *, command: str, now: datetime | None = None
) -> tuple[Job | None, Plan]:
    """Size and estimate a request and make it a pending job that requires approval; no job if nothing is to read.

    The API gets at most 20 requests. Nothing is kept before everything is checked: an error leaves no job.

    Raises:
        RequestedDaysError: a day is not over yet, the API keeps none of them, or it refuses a site named in the CSV.
        OtherSourceError: a day is landed from another account, site or time zone.
        SonnysError: the API refuses, or cannot be reached.
        LedgerError: the ledger cannot be written, or a day (and site) is requested twice.
    """
    now, scope, lake = now or datetime.now(UTC), workspace.scope(), workspace.lake
    last, first_kept = last_complete_day(now, scope.timezone), first_kept_day(now, scope.timezone)
    future = [spec.day for spec in request.rows if date.fromisoformat(spec.day) > last]
    if future:
        raise RequestedDaysError(f"{future[0]} is not over yet in {scope.timezone}: ask for days up to {last}")
    if all(date.fromisoformat(spec.day) < first_kept for spec in request.rows):
        raise RequestedDaysError(f"the API keeps six months: ask for days from {first_kept} on")

    source = Source(scope.account, scope.site_code)
    for day in dict.fromkeys(spec.day for spec in request.rows):
        refuse_other_source(lake, day, source, scope.timezone)
    refuse_other_zone(lake, [spec.day for spec in request.rows], scope.timezone)

    # After the days are checked, since it may cost a request.
    scope = workspace.scope(workspace.sites())
    counter = SpanCounter(workspace.jobs, workspace.client, scope.account, scope.sites)

    def size(spec: RowSpec) -> int:
        day = Day.of(spec.day, scope.timezone)
        span = {"startDate": int(day.start.timestamp()), "endDate": int(day.end.timestamp())}
        try:
            return counter.count(span, spec.site or scope.site_code or None)
        except (AuthError, ValidationError) as error:
            if not (request.manifest and spec.site and error.concerns_site):
                raise
            said = "; ".join(error.messages) or error.type
            raise RequestedDaysError(
                f"{request.manifest.path}, line {request.manifest.line_of(spec)}: the API does not know site "
                f"{spec.site!r}, or the key may not read it ({said}). Nothing was changed."
            ) from error

    landed = LandedRows(lake)
    plan = make_plan(
        request.rows,
        scope,
        workspace.client.budget.rate,
        size=size,
        landed_rows=lambda spec: landed.of(spec.day, spec.site or scope.site_code or None),
        first_kept=first_kept,
        missing_only=request.missing_only,
        manifest=request.manifest.path if request.manifest else None,
    )
    if not plan.rows:
        return None, plan
    left_out = set(plan.left_out)
    specs = [spec for spec in request.rows if spec not in left_out]
    return pending_job(workspace.jobs, plan, specs, command, first_kept), plan


def pending_job(
    jobs: JobService, plan: Plan, specs: Sequence[RowSpec], command: str, first_kept: date = date.min
) -> Job:
    """A job with a plan that requires approval; rows before `first_kept` are skipped."""
    sites = {spec.site for spec in specs}
    where = "" if sites == {None} else f", {_sites(sites)}"
    days = sorted(spec.day for spec in specs)
    what = "" if plan.scope.resource == TRANSACTIONS else f"{plan.scope.resource} "
    name = f"backfill {what}{days[0]} … {days[-1]}{where}" if len(days) > 1 else f"backfill {what}{days[0]}{where}"
    job = jobs.create_job(name, command, plan.manifest or "", JobMode.CONFIRM, rows=specs)
    try:
        if plan.too_old:
            jobs.skip_rows_before(
                job.id, first_kept, f"the API no longer has this day; it keeps days from {first_kept} on"
            )
        jobs.plans.save(job.id, fingerprint=plan.fingerprint, content=plan.content)
        return jobs.get_job(job.id)
    except BaseException:  # interrupts too: a job without its plan could never be approved
        jobs.delete_job(job.id)
        raise


def _sites(sites: set[str | None]) -> str:
    named = sorted(site for site in sites if site)
    one_by_one = f"site {named[0]}" if len(named) == 1 else f"{len(named)} sites"
    return f"all sites and {one_by_one}" if None in sites else one_by_one


def _date(text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:
        raise RequestedDaysError(f"{text!r} is not a day; write YYYY-MM-DD, such as 2026-11-10")
    return day
