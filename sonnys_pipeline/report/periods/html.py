"""The report of a week or month as one self-contained HTML page, like the daily one."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from markupsafe import Markup

from sonnys_pipeline.report import charts, formatting
from sonnys_pipeline.report.glossary import PERIOD_DEFINITIONS, Status
from sonnys_pipeline.report.html import formatters, template
from sonnys_pipeline.report.measures import HEADLINES, TRENDS, Measure
from sonnys_pipeline.report.periods import giftcards, labor, members
from sonnys_pipeline.report.periods.build import MonthLine, PeriodReport, headline
from sonnys_pipeline.report.periods.figures import PeriodFigure
from sonnys_pipeline.report.periods.spans import Kind, Span
from sonnys_pipeline.report.sections.washes import washes_in_short

#: Figures of sections with their headings.
SECTION_COLUMNS = {
    "Members": [(measure, measure.label) for measure in members.MEASURES],
    "Labor": [(measure, measure.label) for measure in labor.MEASURES],
    "Gift cards": [(measure, measure.label) for measure in giftcards.MEASURES],
}


def period_as_html(report: PeriodReport) -> str:
    """The page, to be written as UTF-8; names are escaped, and its Content-Security-Policy forbids all loading."""
    cars = [line.values["cars"] for lines in report.site_days.values() for line in lines]
    return template("period.html.j2").render(
        report=report,
        title=title(report.span),
        headline=headline(report),
        headlines=HEADLINES,
        mean_name=_mean_name(report.span),
        heat=int(max((one for one in cars if one is not None), default=0)),
        chain_heat=int(max((line.values["cars"] or Decimal(0) for line in report.days), default=Decimal(0))),
        day_names=[formatting.day(line.day) for line in report.days],
        month_names=[formatting.short_month(line.span.first) for line in report.months],
        charts=[(measure, _month_chart(measure, report.months)) for measure in TRENDS],
        washes_lead=washes_in_short(report.washes) if report.washes else "",
        section_columns=SECTION_COLUMNS,
        definitions=PERIOD_DEFINITIONS,
        statuses=tuple(Status),
    )


def title(span: Span) -> str:
    """`Week of November 16, 2026`, or `November 2026`."""
    if span.kind is Kind.MONTH:
        return formatting.month(span.first)
    return f"Week of {formatting.long_day(span.first).partition(', ')[2]}"


def _mean_name(span: Span) -> Callable[[PeriodFigure], str]:
    def of(figure: PeriodFigure) -> str:
        if span.kind is Kind.MONTH:
            return "in the four weeks before" if figure.measure.per else "per day in the four weeks before"
        days, of_days = figure.four_weeks.days, figure.four_weeks.of_days
        if not days:
            return "no earlier week"
        return f"mean of {days} of {of_days} weeks" if days < of_days else f"mean of {days} weeks"

    return of


def _month_chart(measure: Measure, months: tuple[MonthLine, ...]) -> Markup:
    write, write_scale = formatters(measure.unit)
    bars = [_bar(measure, line, months[-1] is line) for line in months]
    known = [bar for bar in bars if bar.value is not None]
    told = "; ".join(f"{bar.name} {write(bar.value)}" for bar in known if bar.value is not None) or "all are missing"
    return charts.bar_chart(f"{measure.label} per month: {told}.", bars, write, write_scale)


def _bar(measure: Measure, line: MonthLine, newest: bool) -> charts.Bar:
    parts = []
    if not line.span.is_whole:
        parts.append(f"up to {formatting.short_day(line.span.through)}")
    if line.missing_sites:
        parts.append(f"{line.missing_sites} {'site' if line.missing_sites == 1 else 'sites'} missing")
    tick = formatting.month(line.span.first)[:3]
    return charts.Bar(
        formatting.month(line.span.first), tick, line.values[measure.key], ", ".join(parts), "now" if newest else ""
    )
