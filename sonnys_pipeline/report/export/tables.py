"""The values of a report as tables: one for each section of its page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import TypeAlias

from sonnys_pipeline.report.build import Report, SiteLine, Slice
from sonnys_pipeline.report.measures import TRENDS, VOIDS, Change, Figure, Measure, Unit
from sonnys_pipeline.report.periods.build import DayLine, MonthLine, PeriodReport
from sonnys_pipeline.report.periods.figures import MEASURES, Period, PeriodFigure
from sonnys_pipeline.report.periods.lists import Section
from sonnys_pipeline.report.sections.items import Items
from sonnys_pipeline.report.sections.labor_figures import Labor
from sonnys_pipeline.report.sections.members import FIGURES as MEMBER_FIGURES
from sonnys_pipeline.report.sections.members import Members
from sonnys_pipeline.report.sections.washes import Washes

Label: TypeAlias = str | date | int
Value: TypeAlias = Decimal | None

#: Names of an unlisted total of all sites.
_ALL = "All sites"


@dataclass(frozen=True, slots=True)
class Row:
    """`labels` say what the row is about, `values` are its numbers (None: not known), `reason` says why one is None."""

    labels: tuple[Label, ...]
    values: tuple[Value, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A table; `labels` name the columns of what a row is about, `values` those of its numbers, with their units."""

    name: str
    labels: tuple[str, ...]
    values: tuple[tuple[str, Unit], ...]
    rows: tuple[Row, ...]


def daily_tables(report: Report) -> list[Table]:
    """The tables of a day's report: money in dollars, shares as fractions, dates as dates."""
    day = report.business_date
    of_all = _compared((day, day, "", _ALL), _figures(report))
    of_sites = (_compared((day, day, site.code, site.name), _figures(site), site.gap) for site in report.sites)
    hours = tuple((f"{hour:02d}:00", Unit.COUNT) for hour in report.hours)
    return [
        Table("Sites", _SITE, _columns((*MEASURES, *VOIDS), _DAILY), (*of_sites, of_all)),
        *(_period_table(f"{period.span.kind.value.capitalize()} to date", period) for period in report.to_date),
        *([_members(report.members)] if report.members else ()),
        Table("Trend", ("from", "to"), tuple((one.label, one.unit) for one in TRENDS), tuple(_trend(report))),
        Table(
            "Cars per hour",
            ("site",),
            hours,
            (
                *(
                    Row((line.name,), _numbers(line.cars, len(hours)), "" if line.cars is not None else "missing")
                    for line in report.hour_lines
                ),
                Row((_ALL,), _numbers(report.chain_hours, len(hours))),
            ),
        ),
        *(() if report.labor is None else (_labor_table(report.labor),)),
        *_of_sales(report.items, report.washes),
        _slices("Tenders", report.tenders),
        _slices("Discounts", report.discounts),
        _findings([(caveat.severity, caveat.text) for caveat in report.caveats]),
    ]


def period_tables(report: PeriodReport) -> list[Table]:
    """The tables of a week's or month's report; units as in `daily_tables`."""
    plain = tuple((one.label, one.unit) for one in MEASURES)
    names = {site.code: site.name for site in report.period.sites}
    days = [
        _line((line.day, line.day, code, names[code]), line)
        for code, lines in report.site_days.items()
        for line in lines
    ]
    days += [_line((line.day, line.day, "", _ALL), line) for line in report.days]
    months = tuple(_line((line.span.first, line.span.through), line) for line in report.months)
    return [
        _period_table("Sites", report.period),
        Table("Days", _SITE, plain, tuple(days)),
        Table("Months", ("from", "to"), plain, months),
        *_of_sales(report.items, report.washes),
        *(table for name, section in report.sections.items() for table in _section_tables(name, section)),
        _findings([(caveat.severity, caveat.text) for caveat in report.caveats]),
    ]


_SITE = ("from", "to", "code", "site")
_DAILY = ("", " last week", " mean of 4 weeks")
_PERIOD = ("", " before", " mean of 4 weeks")


def _columns(measures: Iterable[Measure], kinds: Sequence[str]) -> tuple[tuple[str, Unit], ...]:
    return tuple((f"{measure.label}{kind}", measure.unit) for measure in measures for kind in kinds)


def _period_table(name: str, period: Period) -> Table:
    span = period.span
    of_sites = (
        _compared((span.first, span.through, site.code, site.name), site.figures.values(), site.gap)
        for site in period.sites
    )
    lacking = f"{len(period.missing_sites)} sites are not included" if period.missing_sites else None
    of_all = _compared((span.first, span.through, "", _ALL), period.figures.values(), lacking)
    measures = [figure.measure for figure in period.figures.values()]
    return Table(name, _SITE, _columns(measures, _PERIOD), (*of_sites, of_all))


def _section_tables(name: str, section: Section) -> Iterable[Table]:
    if section.period is not None:
        yield _period_table(name, section.period)
    if section.parts is not None:
        of_plans = _period_table(f"{name} by plan", section.parts)
        # The last row is the sum of all, which the table of sites has.
        rows = tuple(replace(row, labels=(*row.labels[:2], row.labels[3])) for row in of_plans.rows[:-1])
        yield replace(of_plans, labels=("from", "to", "plan"), rows=rows)


def _compared(
    labels: tuple[Label, ...], figures: Iterable[Figure | PeriodFigure], gap: str | None = None
) -> Row:  # fmt: skip
    values: list[Value] = []
    reasons = [gap] if gap else []
    for figure in figures:
        before: Change = figure.last_week if isinstance(figure, Figure) else figure.before
        values += [figure.value, before.base, figure.four_weeks.base]
        if figure.unknown:
            reasons.append(f"{figure.measure.label}: {figure.unknown}")
    return Row(labels, tuple(values), "; ".join(dict.fromkeys(reasons)))


def _figures(shown: Report | SiteLine) -> list[Figure]:
    return [*(shown.figures[one.key] for one in MEASURES), *(shown.voids[one.key] for one in VOIDS)]


def _line(labels: tuple[Label, ...], line: DayLine | MonthLine) -> Row:
    reason = line.gap or (f"{line.missing_sites} sites are not included" if line.missing_sites else "")
    return Row(labels, tuple(line.values[one.key] for one in MEASURES), reason)


def _trend(report: Report) -> Iterable[Row]:
    for at, first in enumerate(report.trends[TRENDS[0].key]):
        values = tuple(report.trends[one.key][at].value for one in TRENDS)
        missing = f"{first.missing_sites} sites are not included" if first.missing_sites else ""
        yield Row((first.day, first.day), values, "missing" if first.value is None else missing)


def _numbers(cars: Sequence[int] | None, hours: int) -> tuple[Value, ...]:
    return (None,) * hours if cars is None else tuple(map(Decimal, cars))


def _members(members: Members) -> Table:
    lines = [
        *(("site", line) for line in members.sites),
        *(("plan", line) for line in members.plans),
        ("", members.total),
    ]
    why = "; ".join(caveat.text for caveat in members.caveats if caveat.severity == "warning")
    rows = [(kind, line.name, tuple(line.figures[one] for one in MEMBER_FIGURES)) for kind, line in lines]
    return Table(
        "Members",
        ("kind", "name"),
        tuple((one.replace("_", " "), Unit.PRICE if one == "mrr" else Unit.COUNT) for one in MEMBER_FIGURES),
        tuple(Row((kind, name), values, why if None in values else "") for kind, name, values in rows),
    )


def _labor_table(labor: Labor) -> Table:
    columns = (
        ("Hours", Unit.NUMBER),
        ("Hours last week", Unit.NUMBER),
        ("Overtime hours", Unit.NUMBER),
        ("Cost", Unit.PRICE),
        ("Cost last week", Unit.PRICE),
        ("Cars per labor hour", Unit.NUMBER),
        ("Cost per car", Unit.PRICE),
        ("Share of sales", Unit.SHARE),
        ("Shifts", Unit.COUNT),
        ("Open shifts", Unit.COUNT),
    )
    rows = (
        Row(
            (line.name,),
            (
                line.hours,
                line.hours_change.base,
                line.overtime,
                line.cost,
                line.cost_change.base,
                line.cars_per_hour,
                line.cost_per_car,
                line.share,
                Decimal(line.shifts),
                Decimal(line.open_shifts),
            ),
            "pay rates are missing" if line.cost is None else "",
        )
        for line in (*labor.lines, labor.total)
    )
    return Table("Labor", ("site",), columns, tuple(rows))


def _of_sales(items: Items | None, washes: Washes | None) -> Iterable[Table]:
    """What was sold, and how often members washed."""
    if items is not None:
        columns = (
            ("Pieces", Unit.COUNT), ("Net", Unit.PRICE), ("Share", Unit.SHARE), ("Net of compared sites", Unit.PRICE),
            ("Net before", Unit.PRICE),
        )  # fmt: skip
        rows = (
            Row(
                (line.department, line.name),
                (line.quantity, line.net, line.share, line.change.value, line.change.base),
                "" if line.change.base is not None else "nothing to compare",
            )
            for line in (*items.lines, items.total)
        )
        yield Table("Items", ("department", "item"), columns, tuple(rows))
    if washes is not None:
        figures = (("Members", Unit.COUNT), ("Share", Unit.SHARE), ("Share before", Unit.SHARE))
        groups = (Row((one.label,), (Decimal(one.members), one.share, one.change.base)) for one in washes.groups)
        unknown = (Row(("",), (None,) * 3, washes.unknown),) if washes.unknown else ()
        yield Table("Washes in 30 days", ("washes",), figures, (*groups, *unknown))


def _slices(name: str, slices: Iterable[Slice]) -> Table:
    rows = []
    for whole in slices:
        rows.append(Row((whole.label, ""), (whole.total, whole.share)))
        rows += [Row((whole.label, part.label), (part.total, part.share)) for part in whole.parts]
    return Table(name, ("item", "part"), (("Total", Unit.PRICE), ("Share", Unit.SHARE)), tuple(rows))


def _findings(found: Iterable[tuple[str, str]]) -> Table:
    return Table("Data quality", ("severity", "text"), (), tuple(Row(labels, ()) for labels in found))


def labels_of(tables: Iterable[Table]) -> Mapping[str, None]:
    """All names of label columns, in order."""
    return {name: None for table in tables for name in table.labels}
