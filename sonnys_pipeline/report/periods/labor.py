"""Labor in a week or month, from the clock entries of its days: hours, cost, and cars and sales for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.people.entries import read_entries
from sonnys_pipeline.marts.people.labor import NO_CARS, NO_SITE, labor_daily
from sonnys_pipeline.marts.people.shifts import CLOCK_ENTRIES
from sonnys_pipeline.marts.unknown import SEPARATOR
from sonnys_pipeline.report.build import sorted_by_name
from sonnys_pipeline.report.caveats import Caveat
from sonnys_pipeline.report.measures import NOT_THERE, DayBook, Gap, Measure, Unit
from sonnys_pipeline.report.periods.figures import Period, PeriodSite, SpanBook
from sonnys_pipeline.report.periods.history import History
from sonnys_pipeline.report.periods.lists import (
    Chain,
    Row,
    Section,
    as_table,
    compared,
    partial_reasons,
    summed,
    unknown_figures,
)
from sonnys_pipeline.report.periods.spans import Span
from sonnys_pipeline.report.sections.labor import NO_SITE_NAME, is_shown, still_open
from sonnys_pipeline.runtime.text import first_few

MEASURES = (
    Measure("labor_hours", "Hours", Unit.NUMBER, "labor_hours", more_is_better=None),
    Measure("labor_cost", "Cost", Unit.MONEY, "labor_cost", more_is_better=None),
    Measure("cars_per_labor_hour", "Cars per labor hour", Unit.NUMBER, "total_cars", "labor_hours"),
    Measure(
        "labor_cost_per_car", "Cost per car", Unit.PRICE, "labor_cost", "total_cars", more_is_better=False
    ),
    Measure("labor_share", "Share of sales", Unit.SHARE, "labor_cost", "sales", more_is_better=False),
)  # fmt: skip
_COLUMNS = tuple(dict.fromkeys(column for measure in MEASURES for column in measure.columns))
_CARS = ("total_cars", "sales")
#: The mart's reasons in terms of the columns that are null here.
_REASONS = {
    NO_CARS: "transactions of this site are not landed for all days (total_cars, sales)",
    NO_SITE: "these shifts name no site (total_cars, sales)",
}
#: Why labor of a day is not known at any site.
NOT_LANDED = f"{CLOCK_ENTRIES} are not landed"
#: Sites named in one sentence.
_NAMED = 5


def period_labor(lake: Lake, span: Span, history: History, sites: pa.Table, chain: Chain) -> Section:
    """Labor in a span by site: its own clock entries need no mart, so no figure is older than the entries.

    A site's figures need the clock entries of all days; rates of all sites cover the sites whose cars are known.

    Args:
        lake: the lake with `clock_entries`.
        span: the week or month.
        history: cars and sales, each site by its code on the day.
        sites: rows of `sites`.
        chain: the sites as the report shows them.

    Raises:
        LakeError: a file cannot be read.
    """
    clocked = read_entries(lake, [day.isoformat() for day in span.days_shown])
    if not set(span.days) & set(clocked.landed):
        return Section(f"Labor is not shown: no clock entries of this {span.kind.value} are landed.")
    cars = history.site_days.select(["site", "business_date", *_CARS])
    found = labor_daily(clocked, cars, sites, clocked.landed, history.sites.timezone).to_pylist()
    rows = [{**row, "site": chain.code(row["site"]), "unknown": _in_our_words(row["unknown"])} for row in found]
    own = [row for row in rows if span.first <= row["business_date"] <= span.through]
    names = {
        code: (chain.names.get(code) or code) if code else NO_SITE_NAME
        for code in {row["site"] for row in own if is_shown(row)}
    }
    known = [row for row in rows if row["shifts"] is not None and row["site"] in names]
    gaps = [
        *(Gap(day, None, NOT_LANDED) for day in span.days_shown if day not in clocked.landed),
        *_gaps(rows, history.as_of(span.through)),
    ]
    spans = SpanBook(DayBook(as_table(summed(known, "site", _COLUMNS), _COLUMNS), gaps, _COLUMNS), MEASURES)
    period = _period(spans, span, names)
    if all(site.gap for site in period.sites):
        return Section(f"Labor is not known: {_reason(period.sites)}.")
    note = f"Hours of shifts that began on these days, and their pay. {compared(period)}"
    own_known = [row for row in known if span.first <= row["business_date"] <= span.through]
    return Section(note, period, tuple(_caveats(period, own_known, names)))


def _period(spans: SpanBook, span: Span, names: Mapping[str, str]) -> Period:
    """Figures of each site and of all; rates of all are those of the sites whose cars are known."""
    period = spans.period(span, names, sorted_by_name(names, names))
    whole = [site.code for site in period.sites if site.gap is None]
    with_cars = [code for code in whole if spans.sums([code], span.days)["total_cars"] is not None]
    rates = [one for one in MEASURES if set(_CARS) & set(one.columns)]
    rated = {one.key: spans.figure(one, with_cars or whole, span) for one in rates}
    return replace(period, figures={**period.figures, **rated})


def _in_our_words(unknown: str | None) -> str | None:
    for reason, ours in _REASONS.items():
        unknown = unknown and unknown.replace(reason, ours)
    return unknown


def _gaps(rows: Sequence[Row], history: History) -> list[Gap]:
    """Days whose clock entries were read too early, and days on which a site was not there."""
    here = {(row["site"], row["business_date"]) for row in rows}
    unknown = [
        Gap(row["business_date"], row["site"], row["unknown"].split(SEPARATOR)[0])
        for row in rows
        if row["shifts"] is None
    ]
    away = [
        gap for gap in history.gaps if gap.reason == NOT_THERE and (gap.site, gap.business_date) not in here
    ]  # fmt: skip
    return [*unknown, *away]


def _reason(sites: Sequence[PeriodSite]) -> str:
    return first_few(list(dict.fromkeys(site.gap for site in sites if site.gap)), 1, separator="; ")


def _caveats(period: Period, rows: Sequence[Row], names: Mapping[str, str]) -> Iterator[Caveat]:
    yield from still_open(rows, names)
    if lacking := period.missing_sites:
        named = first_few([site.name for site in lacking], _NAMED)
        them = "it" if len(lacking) == 1 else "them"
        text = f"Labor is not known at {named}: {_reason(lacking)}. The total does not include {them}."
        yield Caveat("warning", text)
    yield from unknown_figures(period, "Labor, not known")
    partly = [f"{names[row['site']]}: {reason}" for row in rows for reason in partial_reasons(row)]
    if partly:
        more = f", and {len(partly) - 1:,} more such notes" if len(partly) > 1 else ""
        yield Caveat("info", f"Labor is known in part: {partly[0]}{more}; see labor_daily.")
