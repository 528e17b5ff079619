"""`sonnys today`: the business day so far, as a table that follows it, as JSON, and as a page."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from sonnys_pipeline.cli.account import account_option, open_workspace
from sonnys_pipeline.cli.backfill.commands import one_line_errors
from sonnys_pipeline.cli.output import FAILED, Screen, json_option, messages, print_json, refuse

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sonnys_pipeline.report.measures import Measure
    from sonnys_pipeline.today.figures import Line, SiteToday, Today
    from sonnys_pipeline.today.look import Looker
    from sonnys_pipeline.today.state import Accuracy

#: Seconds between two looks at the file, which another process may have replaced.
_REFRESH = 15.0
_STYLES = {"up": "green", "down": "red"}


@click.command()
@click.option("--once", is_flag=True, help="Show the figures once, instead of following the day.")
@account_option
@json_option
def today(once: bool, as_json: bool) -> None:
    """Show cars, sales, members and conversion of the business day so far, and write them as a page."""
    from sonnys_pipeline.report.daily import ASSET as REPORTS
    from sonnys_pipeline.today.look import Looker
    from sonnys_pipeline.today.page import PAGE

    screen = Screen(highlight=False)
    with one_line_errors(), open_workspace() as workspace:
        looker = Looker(workspace)
        with messages.status("Looking at the day so far …"):  # nothing where there is no terminal
            figures, problems = _refresh(looker)
        messages.print(f"page: {workspace.lake.path(REPORTS).with_name(PAGE)}")
        if as_json:
            print_json(_document(figures))
        elif once or not screen.is_terminal:
            screen.print(_table(figures))
        else:
            _follow(looker, screen, figures)
        for problem in problems:
            messages.print(f"warning: {problem}")
        if figures.as_of is None:
            refuse("no site could be read yet; run `sonnys doctor`, or try again later", FAILED)
        if problems:
            refuse(f"the last look could not read everything; shown as of {figures.as_of:%H:%M}", FAILED)


def _refresh(looker: Looker) -> tuple[Today, tuple[str, ...]]:
    """Look if a look is due; the figures, and what could not be read."""
    from sonnys_pipeline.today.figures import figures_of
    from sonnys_pipeline.today.file import read_to_continue
    from sonnys_pipeline.today.page import land_page

    workspace, settings = looker.workspace, looker.workspace.settings
    file = read_to_continue(workspace)
    problems = file.state.problems
    if looked := looker.is_due(file):
        result = looker.look()
        file, problems = result.file, result.problems
    now = datetime.now(UTC)
    figures = figures_of(file, workspace.lake, timezone=settings.timezone, now=now, account=settings.account_name)
    if looked:
        land_page(workspace.lake, figures, every=looker.every)
    return figures, problems


def _follow(looker: Looker, screen: Screen, figures: Today) -> None:
    """Show the table until the person interrupts it."""
    from rich.live import Live

    with Live(_table(figures), console=screen, auto_refresh=False) as live:
        while True:
            time.sleep(_REFRESH)
            figures, problems = _refresh(looker)
            live.update(_table(figures, problems), refresh=True)


def _table(figures: Today, problems: tuple[str, ...] = ()) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from sonnys_pipeline.report import formatting
    from sonnys_pipeline.today.figures import MEASURES
    from sonnys_pipeline.today.page import how_far_off, lead, same_time, short_label

    table = Table(title=f"{formatting.long_day(figures.business_date)}, so far", title_justify="left", expand=False)
    table.add_column("Site", no_wrap=True)
    for measure in MEASURES:  # in a narrow terminal the change goes below its figure
        table.add_column(short_label(measure), justify="right")
    table.add_column("As of", justify="right", no_wrap=True)
    for site in figures.sites:
        end = formatting.clock(site.as_of) if site.as_of else site.reason
        table.add_row(site.name, *(_cell(site.line, measure) for measure in MEASURES), Text(end))
    if len(figures.sites) > 1:
        table.add_section()
        table.add_row("All sites", *(_cell(figures.total, measure) for measure in MEASURES), "")
    reasons = sorted({site.reason for site in figures.sites if site.as_of and site.reason})
    notes = [f"Changes are relative to {same_time(figures)}."]
    notes += [f"Not compared at some sites: {reason}." for reason in reasons]
    notes += [f"{how_far_off(one)}." for one in _last_accuracy(figures)]
    notes += [f"Not up to date: {problem}" for problem in problems]
    return Group(Text(lead(figures)), table, *map(Text, notes))


def _last_accuracy(figures: Today) -> list[Accuracy]:
    """Of the last day that was compared."""
    kept = figures.state.accuracy
    return [one for one in kept if one.business_date == kept[-1].business_date]


def _cell(line: Line, measure: Measure) -> Any:  # noqa: ANN401 - rich's text
    from rich.text import Text

    from sonnys_pipeline.report import formatting

    change = line.change(measure)
    text = Text(formatting.quantity(line.value(measure), measure.unit))
    if change.base is not None:
        style = _STYLES.get(formatting.direction(change), "")
        text.append(f" {formatting.change(change)}", style)
    return text


def _document(figures: Today) -> dict[str, Any]:
    """The figures for `--json`: money in dollars, shares as fractions, null with a reason if unknown."""
    state = figures.state
    return {
        "account": figures.account,
        "as_of": figures.as_of and figures.as_of.isoformat(),
        "looked_at": state.looked_at and state.looked_at.isoformat(),
        "requests": state.requests,
        "total": _line(figures.total),
        "sites": [_site(site) for site in figures.sites],
        "problems": list(state.problems),
        "accuracy": [one.model_dump(mode="json") for one in state.accuracy],
    }


def _site(site: SiteToday) -> dict[str, Any]:
    return {
        "site": site.code,
        "name": site.name,
        "business_date": site.business_date.isoformat(),
        "as_of": site.as_of and site.as_of.isoformat(),
        "reason": site.reason or None,
        **_line(site.line),
        "hours": [{"hour": hour, **_line(line)} for hour, line in site.hours.items()],
    }


def _line(line: Line) -> dict[str, Any]:
    from sonnys_pipeline.today.figures import MEASURES

    return {
        measure.key: {"value": _number(line.value(measure)), "last_week": _number(line.change(measure).base)}
        for measure in MEASURES
    }


def _number(value: Any) -> float | None:  # noqa: ANN401 - a Decimal, which JSON lacks
    return None if value is None else float(value)
