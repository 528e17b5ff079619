"""A report in short: the headline table for Dagster's metadata, and the first sentence of the page."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sonnys_pipeline.report import formatting
from sonnys_pipeline.report.build import Report, TrendDay, secondary_figures
from sonnys_pipeline.report.measures import CARS, SALES, SECONDARY, TRENDS, Change, Figure
from sonnys_pipeline.report.sections.items import Items
from sonnys_pipeline.report.sections.labor_figures import LaborLine
from sonnys_pipeline.report.sections.washes import washes_in_short
from sonnys_pipeline.runtime.quoting import printable

_BLOCKS = "▁▂▃▄▅▆▇█"
_ARROWS = {"up": "▲ ", "down": "▼ ", "same": "", "unknown": ""}
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~&-])")
#: Items named in a sentence.
_ITEMS = 3
#: Caveats listed below the table; the others are only counted.
_CAVEATS = 5


def report_as_markdown(report: Report) -> str:
    """The headline figures as a GitHub-flavoured table, sparklines of 30 days, and the most severe caveats."""
    day = report.business_date
    of_account = f" · {escaped(report.account)}" if report.account else ""
    lines = [
        f"**{formatting.long_day(day)}{of_account}** · {escaped(headline(report))}",
        "",
        f"| | {formatting.day(day)} | against {formatting.weekday(day)} last week | against {_mean_of(report)} |",
        "|---|---:|---:|---:|",
    ]
    for figure in report.headlines:
        lines += [_row(report, one) for one in (figure, *secondary_figures(report.figures, figure.measure))]
    lines += ["", "| last 30 days | |", "|---|---|"]
    lines += [f"| {measure.label} | `{sparkline(report.trends[measure.key])}` |" for measure in TRENDS]
    if report.members is not None:
        lines += ["", escaped(members_in_short(report))]
    if report.labor:
        lines += ["", labor_sentence(report.labor.total)]
    if report.items and report.items.lines:
        lines += ["", escaped(items_in_short(report.items))]
    if report.washes and report.washes.unknown is None:
        lines += ["", escaped(washes_in_short(report.washes))]
    if report.caveats:
        lines += ["", *(f"- **{found.severity}**: {escaped(found.text)}" for found in report.caveats[:_CAVEATS])]
        if len(report.caveats) > _CAVEATS:
            lines.append(f"- and {len(report.caveats) - _CAVEATS} more")
    return "\n".join(lines)


def members_in_short(report: Report) -> str:
    """Members in a sentence or two: active, the change since last week, revenue and churn; empty without members."""
    members = report.members
    if members is None:
        return ""
    total = members.total.figures
    if total["active"] is None:
        return "How many members are active is not known; the reason is below, under data quality."
    text = f"{formatting.count(total['active'])} active members at the end of the day"
    if members.active.difference is not None:
        moved = members.active.difference
        count = formatting.count(abs(moved))
        word = f"{count} more than" if moved > 0 else f"{count} fewer than" if moved else "as many as"
        text += f", {word} on {formatting.day(report.last_week)}"
    if total["mrr"] is not None:
        text += f", with {formatting.dollars(total['mrr'])} of monthly recurring revenue"
        if total["on_trial"]:
            text += f" ({formatting.count(total['on_trial'])} on trial, {formatting.dollars(total['trial_mrr'])} of it)"
    if members.churn is not None:
        text += f". {formatting.count(total['left_in_month'])} left since the first of the month"
        text += f": churn of {formatting.share(members.churn)} so far"
    return f"{text}."


def items_in_short(items: Items) -> str:
    """`Sold most: Express $1,204 (31.5%), Deluxe $800 (20.9%), Basic $611 (16.0%)`."""
    named = [f"{line.name} {formatting.dollars(line.net)} ({formatting.share(line.share)})" for line in items.lines]
    return f"Sold most: {', '.join(named[:_ITEMS])}"


def labor_sentence(total: LaborLine) -> str:
    """`Labor: 312.5 hours, cost $4,812; 5.2 cars per labor hour, $0.93 per car`."""
    cost = formatting.NOT_KNOWN if total.cost is None else formatting.dollars(total.cost)
    per_hour, per_car = formatting.number(total.cars_per_hour, 1), formatting.dollars(total.cost_per_car, 2)
    hours = formatting.number(total.hours, 1)
    return f"Labor: {hours} hours, cost {cost}; {per_hour} cars per labor hour, {per_car} per car"


def headline(report: Report) -> str:
    """The day in a sentence or two: cars, sales, the change since last week, and the sites that changed most."""
    cars, sales = report.figures[CARS.key], report.figures[SALES.key]
    if cars.value is None:
        return "This day is missing: no site has data."
    text = f"{formatting.count(cars.value)} cars and {formatting.dollars(sales.value)} in sales"
    if report.missing_sites:
        text += f" at {len(report.sites) - len(report.missing_sites)} of {len(report.sites)} sites"
    if sales.last_week.fraction is not None:
        last = f"last {formatting.weekday(report.business_date)}"
        word = {"up": "up", "down": "down", "same": "level with"}[formatting.direction(sales.last_week)]
        amount = formatting.change(sales.last_week).lstrip("+±−")  # noqa: RUF001 - the signs that `formatting` writes
        text += f"; sales are {word} {last}" if word == "level with" else f"; sales are {word} {amount} from {last}"
        if sales.last_week.is_partial:
            sites = sales.last_week.sites
            text += " at the one site" if sites == 1 else f" at the {sites} sites"
            text += " that can be compared"
    return f"{text}.{_movers(report)}"


def sparkline(days: Sequence[TrendDay]) -> str:
    """One character a day, on a scale from 0; `·` if the day or a site is missing."""
    top = max((day.value for day in days if day.value is not None), default=None)
    if not top or top < 0:
        return "".join("·" if day.value is None else _BLOCKS[0] for day in days)
    return "".join(
        "·" if day.value is None or day.missing_sites else _BLOCKS[max(0, min(7, int(day.value / top * 8)))]
        for day in days
    )


def _row(report: Report, figure: Figure) -> str:
    weeks = "" if figure.four_weeks.days in {0, report.weeks_compared} else f" ({figure.four_weeks.days} of 4)"
    label = figure.measure.label if figure.measure not in SECONDARY else f"· {figure.measure.label.lower()}"
    changes = f"{_arrow(figure.last_week)} | {_arrow(figure.four_weeks)}{weeks}"
    return f"| {label} | {formatting.figure(figure)} | {changes} |"


def _mean_of(report: Report) -> str:
    return formatting.mean_of(report.weeks_compared, 4, formatting.weekday(report.business_date))


def _movers(report: Report) -> str:
    """The sites whose sales rose and fell most, if at least two can be compared."""
    moved: list[tuple[Figure, str]] = [
        (site.figures[SALES.key], site.name)
        for site in report.sites
        if site.figures[SALES.key].last_week.fraction is not None
    ]
    if len(moved) < 2:
        return ""
    ordered = sorted(moved, key=lambda pair: pair[0].last_week.fraction or 0)
    (low, worst), (high, best) = ordered[0], ordered[-1]
    low_change, high_change = formatting.change(low.last_week), formatting.change(high.last_week)
    return f" Strongest: {best} ({high_change}); weakest: {worst} ({low_change})."


def _arrow(change: Change) -> str:
    return f"{_ARROWS[formatting.direction(change)]}{formatting.change(change)}"


def escaped(text: str) -> str:
    """Escape a name from the API: no markup, no line break."""
    return _MARKDOWN.sub(r"\\\1", printable(text))
