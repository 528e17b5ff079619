"""A report in a few lines of text: the headline table for Dagster's metadata, and the sentence that opens the page."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sonnys_pipeline.report import formatting as wording
from sonnys_pipeline.report.build import Report, TrendDay, beside
from sonnys_pipeline.report.measures import BESIDE, CARS, SALES, TRENDS, Change, Figure
from sonnys_pipeline.runtime.quoting import printable

_BLOCKS = "▁▂▃▄▅▆▇█"
_ARROWS = {"up": "▲ ", "down": "▼ ", "same": "", "unknown": ""}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~&-])")
#: How many caveats stand below the table before they are only counted.
_CAVEATS = 5


def report_as_markdown(report: Report) -> str:
    """The headline numbers as a GitHub-flavoured table, sparklines of 30 days, and the gravest caveats."""
    day = report.business_date
    of_account = f" · {escaped(report.account)}" if report.account else ""
    lines = [
        f"**{wording.long_day(day)}{of_account}** · {escaped(headline(report))}",
        "",
        f"| | {wording.day(day)} | against {wording.weekday(day)} last week | against {_mean_of(report)} |",
        "|---|---:|---:|---:|",
    ]
    for figure in report.headlines:
        lines += [_row(report, one) for one in (figure, *beside(report.figures, figure.measure))]
    lines += ["", "| last 30 days | |", "|---|---|"]
    lines += [f"| {measure.label} | `{sparkline(report.trends[measure.key])}` |" for measure in TRENDS]
    if report.caveats:
        lines += ["", *(f"- **{found.severity}**: {escaped(found.text)}" for found in report.caveats[:_CAVEATS])]
        if len(report.caveats) > _CAVEATS:
            lines.append(f"- and {len(report.caveats) - _CAVEATS} more")
    return "\n".join(lines)


def headline(report: Report) -> str:
    """The day in a sentence or two: cars and sales, how they stand against last week, and which sites moved most."""
    cars, sales = report.figures[CARS.key], report.figures[SALES.key]
    if cars.value is None:
        return "This day is missing: no site's data is here."
    said = f"{wording.count(cars.value)} cars and {wording.dollars(sales.value)} in sales"
    if report.missing_sites:
        said += f" at {len(report.sites) - len(report.missing_sites)} of {len(report.sites)} sites"
    if sales.last_week.fraction is not None:
        last = f"last {wording.weekday(report.business_date)}"
        word = {"up": "up", "down": "down", "same": "level with"}[wording.direction(sales.last_week)]
        amount = wording.change(sales.last_week).lstrip("+±−")  # noqa: RUF001 - the signs that `wording` writes
        said += f"; sales are {word} {last}" if word == "level with" else f"; sales are {word} {amount} on {last}"
        if sales.last_week.is_partial:
            said += f" at the {sales.last_week.sites} sites that can be compared"
    return f"{said}.{_movers(report)}"


def sparkline(days: Sequence[TrendDay]) -> str:
    """A character a day, on a scale from 0; `·` where the day or a site is missing."""
    top = max((day.value for day in days if day.value is not None), default=None)
    if not top or top < 0:
        return "".join("·" if day.value is None else _BLOCKS[0] for day in days)
    return "".join(
        "·" if day.value is None or day.missing_sites else _BLOCKS[max(0, min(7, int(day.value / top * 8)))]
        for day in days
    )


def _row(report: Report, figure: Figure) -> str:
    weeks = "" if figure.four_weeks.days in {0, report.weeks_compared} else f" ({figure.four_weeks.days} of 4)"
    label = figure.measure.label if figure.measure not in BESIDE else f"· {figure.measure.label.lower()}"
    changes = f"{_arrow(figure.last_week)} | {_arrow(figure.four_weeks)}{weeks}"
    return f"| {label} | {wording.figure(figure)} | {changes} |"


def _mean_of(report: Report) -> str:
    return wording.mean_of(report.weeks_compared, 4, wording.weekday(report.business_date))


def _movers(report: Report) -> str:
    """The sites that went up and down most in sales, where there are several to choose from."""
    moved: list[tuple[Figure, str]] = [
        (site.figures[SALES.key], site.name)
        for site in report.sites
        if site.figures[SALES.key].last_week.fraction is not None
    ]
    if len(moved) < 2:
        return ""
    ordered = sorted(moved, key=lambda pair: pair[0].last_week.fraction or 0)
    (low, worst), (high, best) = ordered[0], ordered[-1]
    low_change, high_change = wording.change(low.last_week), wording.change(high.last_week)
    return f" Strongest: {best} ({high_change}); weakest: {worst} ({low_change})."


def _arrow(change: Change) -> str:
    return f"{_ARROWS[wording.direction(change)]}{wording.change(change)}"


def escaped(text: str) -> str:
    """Names come from outside: none of them makes markup, and none ends the line."""
    return _MARKDOWN.sub(r"\\\1", printable(text))
