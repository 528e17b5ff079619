"""The day so far as `sonnys today` prints it: a table, or a JSON document."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from sonnys_pipeline.report import formatting
from sonnys_pipeline.report.measures import Measure
from sonnys_pipeline.today.figures import MEASURES, Line, SiteToday, Today
from sonnys_pipeline.today.page import how_far_off, lead, same_time, short_label
from sonnys_pipeline.today.state import Accuracy

_STYLES = {"up": "green", "down": "red"}


def table(figures: Today) -> RenderableType:
    """The figures of all sites in a table, with what to know of them."""
    shown = Table(
        title=f"{formatting.long_day(figures.business_date)}, so far",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    shown.add_column("Site", no_wrap=True)
    for measure in MEASURES:  # in a narrow terminal the change goes below its figure
        shown.add_column(short_label(measure), justify="right")
    shown.add_column("As of", justify="right", no_wrap=True)
    for site in figures.sites:
        end = formatting.clock(site.as_of) if site.as_of else site.reason
        shown.add_row(site.name, *(_cell(site.line, measure) for measure in MEASURES), Text(end))
    if len(figures.sites) > 1:
        shown.add_section()
        shown.add_row("All sites", *(_cell(figures.total, measure) for measure in MEASURES), "")
    reasons = sorted({site.reason for site in figures.sites if site.as_of and site.reason})
    notes = [f"Changes are relative to {same_time(figures)}."]
    notes += [f"Not compared at some sites: {reason}." for reason in reasons]
    notes += [f"{how_far_off(one)}." for one in _last_accuracy(figures)]
    notes += [f"Not up to date: {problem}" for problem in figures.problems]
    return Group(Text(lead(figures)), shown, *map(Text, notes))


def _last_accuracy(figures: Today) -> list[Accuracy]:
    """Of the last day that was compared."""
    kept = figures.state.accuracy
    return [one for one in kept if one.business_date == kept[-1].business_date]


def _cell(line: Line, measure: Measure) -> Any:  # noqa: ANN401 - rich's text
    change = line.change(measure)
    text = Text(formatting.quantity(line.value(measure), measure.unit))
    if change.base is not None:
        style = _STYLES.get(formatting.direction(change), "")
        text.append(f" {formatting.change(change)}", style)
    return text


def document(figures: Today) -> dict[str, Any]:
    """The figures for `--json`: money in dollars, shares as fractions, null with a reason if unknown."""
    state = figures.state
    return {
        "account": figures.account,
        "as_of": figures.as_of and figures.as_of.isoformat(),
        "looked_at": state.looked_at and state.looked_at.isoformat(),
        "requests": state.requests,
        "total": _line(figures.total),
        "sites": [_site(site) for site in figures.sites],
        "problems": list(figures.problems),
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
    return {
        measure.key: {"value": _number(line.value(measure)), "last_week": _number(line.change(measure).base)}
        for measure in MEASURES
    }


def _number(value: Any) -> float | None:  # noqa: ANN401 - a Decimal, which JSON lacks
    return None if value is None else float(value)
