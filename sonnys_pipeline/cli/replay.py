"""`sonnys replay`: rebuild landed days from their archived pages, without requests or credentials."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from sonnys_pipeline.cli.account import account_option, open_workspace
from sonnys_pipeline.cli.output import FAILED, json_option, messages, print_json, refuse
from sonnys_pipeline.runtime.text import first_few

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sonnys_pipeline.landing.replay import ReplayedDay

#: Days named in one line.
_NAMED = 10


@click.command()
@click.option("--start", metavar="DAY", help="First day, YYYY-MM-DD.  [default: first archived day]")
@click.option("--end", metavar="DAY", help="Last day (included), YYYY-MM-DD.  [default: last archived day]")
@click.option("--rezone", "is_rezone", is_flag=True, help="Move all rows to the days of a changed SONNYS_TIMEZONE.")
@account_option
@json_option
def replay(start: str | None, end: str | None, is_rezone: bool, as_json: bool) -> None:
    """Rebuild landed days from their archived pages with the current code; needs no requests or credentials.

    Days that do not change are not rewritten. A stricter SONNYS_PII is applied to the archive, too.
    """
    from sonnys_pipeline.backfill.preview import days_between
    from sonnys_pipeline.cli.backfill.commands import command_line, one_line_errors
    from sonnys_pipeline.cli.report_to_dagster import dagster_document, report_to_dagster
    from sonnys_pipeline.landing.archive import ARCHIVE
    from sonnys_pipeline.landing.replay import Outcome
    from sonnys_pipeline.landing.replay import replay as make_again
    from sonnys_pipeline.runtime.signals import graceful

    if is_rezone:
        if start or end:
            refuse("--rezone rewrites all landed days: leave out --start and --end")
        _rezone(as_json=as_json)
        return
    done: list[ReplayedDay] = []
    stopped: list[str] = []
    with one_line_errors():
        workspace = open_workspace()
        settings, lake = workspace.settings, workspace.lake
        archived = lake.partitions(ARCHIVE)
        if not archived and not (start and end):
            refuse(f"no day is archived in {lake.root / ARCHIVE}, so there is nothing to replay")
        days = [spec.day for spec in days_between(start or archived[0], end or archived[-1])]
        with (
            report_to_dagster(lake, command_line(), settings) as dagster,
            graceful(stopped.append) as signals,
        ):
            started = time.perf_counter()
            for day in make_again(lake, days, workspace.privacy, is_stopped=lambda: bool(stopped)):
                done.append(day)
                if dagster is not None and day.outcome is Outcome.LANDED:
                    dagster.add_landed(day.day)
                if day.outcome is Outcome.FAILED:
                    messages.print(f"{day.day}: {day.error}: {day.message}", markup=False)
            seconds = time.perf_counter() - started
            if dagster is not None:
                dagster.reconcile(day.day for day in done if day.outcome is Outcome.UNCHANGED)
    document = {**_document(done, seconds), "not_begun": days[len(done) :], "dagster": dagster_document(dagster)}
    if as_json:
        print_json(document)
    else:
        _print(document)
    for problem in dagster.problems if dagster else ():
        messages.print(problem, markup=False)
    succeeded = {Outcome.LANDED, Outcome.UNCHANGED}
    if signals:
        sys.exit(128 + signals[0])
    sys.exit(0 if all(day.outcome in succeeded for day in done) else FAILED)


def _rezone(*, as_json: bool) -> None:
    """Cut landed days at the midnights of the zone that is set, and tell Dagster."""
    from sonnys_pipeline.cli.backfill.commands import command_line, one_line_errors
    from sonnys_pipeline.cli.report_to_dagster import dagster_document, report_to_dagster
    from sonnys_pipeline.landing.rezone import rezone

    with one_line_errors():
        workspace = open_workspace()
        settings, lake = workspace.settings, workspace.lake
        with report_to_dagster(lake, command_line(), settings) as dagster:
            done = rezone(lake, settings.timezone, workspace.privacy)
            if dagster is not None:
                for day in done.landed:
                    dagster.add_landed(day)
    document = {**asdict(done), "requests": 0, "dagster": dagster_document(dagster)}
    if as_json:
        print_json(document)
    else:
        were = f" Before, they began at midnight in {' and '.join(done.before)}." if done.before else ""
        print(f"{len(done.landed)} days now begin at midnight in {done.timezone}; no requests sent.{were}")
        if done.unchanged:
            print(f"{len(done.unchanged)} days already did.")
        if done.to_read:
            print(
                f"Removed, because only part of their rows is archived: {_named(done.to_read)}. Load them from the "
                f"API: sonnys backfill preview --start {done.to_read[0]} --end {done.to_read[-1]} --missing-only"
            )
    for problem in dagster.problems if dagster else ():
        messages.print(problem, markup=False)


def _document(done: Sequence[ReplayedDay], seconds: float) -> dict[str, Any]:
    """For `--json`; `rows` counts all rebuilt days, whether or not their files changed."""
    from sonnys_pipeline.landing.replay import Outcome

    by_outcome = {outcome: [day for day in done if day.outcome is outcome] for outcome in Outcome}
    made = by_outcome[Outcome.LANDED] + by_outcome[Outcome.UNCHANGED]
    rows = sum(day.rows for day in made)
    return {
        "days": len(made),
        "rows": rows,
        "pages": sum(day.pages for day in made),
        "requests": 0,
        "seconds": round(seconds, 3),
        "rows_per_second": round(rows / seconds) if rows else 0,
        "landed": [day.day for day in by_outcome[Outcome.LANDED]],
        "unchanged": [day.day for day in by_outcome[Outcome.UNCHANGED]],
        "missing": [day.day for day in by_outcome[Outcome.MISSING]],
        "failed": [{"day": day.day, "error": day.error, "message": day.message} for day in by_outcome[Outcome.FAILED]],
    }


def _print(document: dict[str, Any]) -> None:
    print(
        f"{document['days']} days rebuilt from {document['pages']:,} archived pages, no requests sent: "
        f"{document['rows']:,} rows in {document['seconds']:,.1f} s ({document['rows_per_second']:,} rows/s); "
        f"{len(document['landed'])} written, {len(document['unchanged'])} unchanged."
    )
    if missing := document["missing"]:
        print(f"Not archived, so unchanged: {_named(missing)}. Only the API has them, for six months.")
    if failed := document["failed"]:
        print(f"Failed, so unchanged: {_named([day['day'] for day in failed])}.")
    if document["not_begun"]:
        print(f"Stopped before these days: {_named(document['not_begun'])}.")


def _named(days: Sequence[str]) -> str:
    return first_few(days, _NAMED)
