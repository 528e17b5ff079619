"""`sonnys verify`: compare landed days with the API again, and read again those that differ (KT-01, KT-02)."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from sonnys_pipeline.cli.account import account_option, open_workspace
from sonnys_pipeline.cli.output import FAILED, json_option, messages, print_json
from sonnys_pipeline.cli.revisit import output as show

if TYPE_CHECKING:
    from sonnys_pipeline.backfill.workspace import Workspace


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
            show.print_plan(workspace, plan, as_json=as_json)
            return
        workspace.settings.require_credentials()
        messages.print(show.summary(plan), markup=False)
        with report_to_dagster(workspace.lake, command_line(), workspace.settings) as dagster:
            sweep = Sweep(workspace, listener=dagster, on_look=show.tell)
            unfinished.begin()
            with graceful(sweep.stop) as signals:
                found = sweep.run(plan, repair=repair)
            if not found.stopped:
                unfinished.end()
    told = {**show.document(plan, found), "dagster": dagster_document(dagster)}
    if as_json:
        print_json(told)
    else:
        show.print_result(plan, found, repair=repair)
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
