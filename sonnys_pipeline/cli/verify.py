"""`sonnys verify`: compare landed days with the API again, and read again those that differ (KT-01, KT-02)."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from sonnys_pipeline.cli.account import account_option, open_workspace, to_type
from sonnys_pipeline.cli.output import FAILED, json_option, messages, print_json

if TYPE_CHECKING:
    from sonnys_pipeline.backfill.workspace import Workspace
    from sonnys_pipeline.landing.verified import Verification
    from sonnys_pipeline.revisit.result import Looked, SweepResult
    from sonnys_pipeline.revisit.sweep import SweepPlan

#: Days in the table of a plan; `--json` has all.
_MOST_LINES = 40


@click.command()
@click.option("--start", metavar="DAY", help="First day, YYYY-MM-DD.  [default: the first that the API keeps]")
@click.option("--end", metavar="DAY", help="Last day (included), YYYY-MM-DD.  [default: yesterday]")
@click.option(
    "--by",
    type=click.Choice(["full", "states", "count"]),
    help="Look at every day like this: read it in full, by version-2, or by its count.  [default: as SONNYS_REVISIT "
    "says, only days that are due]",
)
@click.option("--repair", is_flag=True, help="Read again the days that differ, alone the sites that differ.")
@click.option("--plan", "is_plan", is_flag=True, help="Only show the days, the looks and their price; send nothing.")
@account_option
@json_option
def verify(start: str | None, end: str | None, by: str | None, repair: bool, is_plan: bool, as_json: bool) -> None:
    """Compare landed days with the API again, and tell or repair the ones that differ.

    Days are edited late: rows are voided, added, deleted or moved weeks afterwards. Exits with 1 when days differ and
    were not repaired. An interrupted sweep goes on with the days that it has not looked at.
    """
    from sonnys_pipeline.cli.backfill.commands import command_line, one_line_errors
    from sonnys_pipeline.cli.report_to_dagster import dagster_document, report_to_dagster
    from sonnys_pipeline.config.revisit import Look
    from sonnys_pipeline.revisit.resume import Unfinished
    from sonnys_pipeline.revisit.sweep import plan_sweep
    from sonnys_pipeline.revisit.verify import Sweep
    from sonnys_pipeline.runtime.signals import graceful

    with one_line_errors(), open_workspace() as workspace:
        first, last = _days(workspace, start, end)
        look = Look(by) if by else None
        unfinished = Unfinished(workspace, first, last, look)
        plan = plan_sweep(workspace, first, last, by=look, since=unfinished.since)
        if is_plan:
            _print_plan(workspace, plan, as_json=as_json)
            return
        workspace.settings.require_credentials()
        messages.print(_summary(plan), markup=False)
        with report_to_dagster(workspace.lake, command_line(), workspace.settings.account_name) as dagster:
            sweep = Sweep(workspace, listener=dagster, on_look=_tell)
            unfinished.begin()
            with graceful(sweep.stop) as signals:
                found = sweep.run(plan, repair=repair)
            if not found.stopped:
                unfinished.end()
    document = {**_document(plan, found), "dagster": dagster_document(dagster)}
    if as_json:
        print_json(document)
    else:
        _print(plan, found, repair=repair)
    for problem in dagster.problems if dagster else ():
        messages.print(problem, markup=False)
    if signals:
        sys.exit(128 + signals[0])
    sys.exit(0 if found.success else FAILED)


def _days(workspace: Workspace, start: str | None, end: str | None) -> tuple[Any, Any]:
    """The days asked for, or all that the API keeps."""
    from sonnys_pipeline.backfill.preview import days_between
    from sonnys_pipeline.calendar.windows import first_kept_day, last_complete_day

    now, timezone = workspace.now(), workspace.settings.timezone
    first = start or first_kept_day(now, timezone).isoformat()
    last = end or last_complete_day(now, timezone).isoformat()
    days = days_between(first, last)
    return tuple(datetime.fromisoformat(spec.day).date() for spec in (days[0], days[-1]))  # type: ignore[return-value] # two


def _tell(looked: Looked) -> None:
    if looked.note:
        messages.print(f"{looked.day}: {looked.note}", markup=False)


def _summary(plan: SweepPlan) -> str:
    looks = [one.look.value for one in plan.looks]
    parts = [f"{looks.count(look)} by {look}" for look in dict.fromkeys(looks)]
    said = f"{len(looks)} days to look at" + (f" ({', '.join(parts)})" if parts else "")
    return f"{said}, about {plan.requests:,} requests if nothing has changed. {_skipped(plan)}".rstrip()


def _skipped(plan: SweepPlan) -> str:
    return f"Not compared: {'; '.join(f'{day}: {why}' for day, why in plan.skipped.items())}" if plan.skipped else ""


def _print_plan(workspace: Workspace, plan: SweepPlan, *, as_json: bool) -> None:
    price = _price(workspace)
    if as_json:
        days = [
            {
                "day": one.day.key, "look": one.look.value, "rows": one.rows, "requests": one.requests,
                **_verified(plan.looked_at.complete_as_of(one.day.key)),
            }
            for one in plan.looks
        ]  # fmt: skip
        landed = {day: _verified(plan.looked_at.complete_as_of(day)) for day in plan.landed}
        print_json(
            {
                "policy": str(workspace.settings.revisit), "requests": plan.requests, "requests_a_day": price,
                "looks": days, "landed": landed, "skipped": dict(plan.skipped),
            }
        )  # fmt: skip
        return
    table = Table("day", "look", "rows", "requests", "complete as of", "by", box=None)
    for one in plan.looks[:_MOST_LINES]:
        known = _verified(plan.looked_at.complete_as_of(one.day.key))
        at = known["verified_at"][:16].replace("T", " ") if known["verified_at"] else "not known"
        table.add_row(one.day.key, one.look.value, f"{one.rows:,}", f"{one.requests:,}", at, known["verified_by"] or "")
    if plan.looks:
        messages.print(table)
    if len(plan.looks) > _MOST_LINES:
        messages.print(f"and {len(plan.looks) - _MOST_LINES} more days; --json has all", markup=False)
    click.echo(_summary(plan))
    click.echo(f"Policy: {workspace.settings.revisit}")
    click.echo(f"It costs about {price:,} requests a day, the morning's run included, with the rows that are landed.")


def _price(workspace: Workspace) -> int:
    """Requests a day of the policy, with the sites and rows of the last landed days."""
    from sonnys_pipeline.revisit.policy import price_of_account

    return price_of_account(workspace).total


def _verified(known: Verification | None) -> dict[str, Any]:
    return {
        "verified_at": known and known.verified_at.isoformat(),
        "verified_by": known and known.look.value,
        "verified_result": known and known.result.value,
    }


def _document(plan: SweepPlan, found: SweepResult) -> dict[str, Any]:
    return {
        "checked": len(found.looked),
        "different": found.different,
        "repaired": list(found.repaired),
        "requests": found.requests,
        "repair_requests": found.repair_requests,
        "differences": {one.day: one.note for one in found.looked if one.note},
        "failed": dict(found.failed),
        "skipped": dict(plan.skipped),
        "stopped": found.stopped,
    }


def _print(plan: SweepPlan, found: SweepResult, *, repair: bool) -> None:
    click.echo(
        f"{len(found.looked)} days looked at, {len(found.different)} differ, {len(found.repaired)} read again; "
        f"{found.requests:,} requests, {found.repair_requests:,} of them for repairs."
    )
    for day, why in found.failed.items():
        messages.print(f"{day}: {why}", markup=False)
    if found.stopped:
        messages.print(f"Stopped early: {found.stopped}. The same command goes on.", markup=False)
    if _skipped(plan):
        messages.print(_skipped(plan), markup=False)
    if not repair and any(not one.result.is_good for one in found.looked):
        days = [one.day for one in found.looked if not one.result.is_good]
        command = f"sonnys verify --start {days[0]} --end {days[-1]} --repair"
        click.echo(f"To read them again: {to_type(command)}")
