"""Compute a daily report from the marts of one chain: a frozen record with every number in it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias

import pyarrow as pa

from sonnys_pipeline.report.caveats import Caveat, Chain, caveats_of, ranked
from sonnys_pipeline.report.measures import (
    CARS,
    HEADLINES,
    NOT_THERE,
    SECONDARY,
    SUMMED,
    TRENDS,
    VOIDS,
    DayBook,
    Figure,
    Gap,
    Measure,
)
from sonnys_pipeline.report.periods.figures import Period, SpanBook
from sonnys_pipeline.report.periods.spans import Kind, Span
from sonnys_pipeline.report.sections.items import Items
from sonnys_pipeline.report.sections.labor_figures import Labor
from sonnys_pipeline.report.sections.members import Members
from sonnys_pipeline.report.sections.washes import Washes

Row: TypeAlias = Mapping[str, Any]

#: Business days in the trend, including the report's own.
TREND_DAYS = 30
#: Business days that `site_days` should cover: the trend, and six more for its first seven-day mean.
HISTORY_DAYS = TREND_DAYS + 6
#: Discounts, and sites with voids, that are named; the rest is summed up.
TOP = 8
#: Days (of seven) that a mean needs; with fewer it is not drawn.
_MEAN_NEEDS = 4


@dataclass(frozen=True, slots=True)
class SiteLine:
    """One site on the report's day; `gap` is the reason if it is missing."""

    code: str
    name: str
    gap: str | None
    figures: Mapping[str, Figure]
    voids: Mapping[str, Figure]


@dataclass(frozen=True, slots=True)
class HourLine:
    """Cars of one site in each of the report's `hours` (local time); None if the site is missing."""

    name: str
    cars: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class TrendDay:
    """The chain on one day; `value` is None if no site is known, and too low if `missing_sites` is not 0.

    `mean` covers the complete ones of the seven days up to this one; None if fewer than four are complete.
    """

    day: date
    value: Decimal | None
    missing_sites: int
    mean: Decimal | None


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a whole: dollars, and the fraction of the whole (None if the whole is not positive)."""

    label: str
    total: Decimal
    share: Decimal | None
    parts: tuple[Slice, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """One business day of a chain. Money in dollars, shares as fractions, hours 0 to 23 in each site's local time.

    `to_date` has the week and the month up to the day. `made_at` is also the instant as of which earlier days are
    compared. `account` names the chain if there are several; `complete_as_of` is when all rows of the day were last
    proven to be what the API has, if that is known. `members`, `labor` and `washes` are None if those of the day are
    not landed, `items` if no site is known.
    """

    business_date: date
    made_at: datetime
    figures: Mapping[str, Figure]
    sites: tuple[SiteLine, ...]
    hours: tuple[int, ...]
    hour_lines: tuple[HourLine, ...]
    chain_hours: tuple[int, ...]
    trends: Mapping[str, tuple[TrendDay, ...]]
    tenders: tuple[Slice, ...]
    tender_total: Decimal
    discounts: tuple[Slice, ...]
    discount_total: Decimal
    discount_share: Decimal | None
    voids: Mapping[str, Figure]
    transactions: int
    caveats: tuple[Caveat, ...]
    to_date: tuple[Period, ...]
    account: str | None = None
    complete_as_of: datetime | None = None
    members: Members | None = None
    labor: Labor | None = None
    items: Items | None = None
    washes: Washes | None = None

    @property
    def last_week(self) -> date:
        """The same weekday a week before."""
        return self.business_date - timedelta(weeks=1)

    @property
    def headlines(self) -> tuple[Figure, ...]:
        """The figures of `HEADLINES`."""
        return tuple(self.figures[measure.key] for measure in HEADLINES)

    @property
    def weeks_compared(self) -> int:
        """How many of the four earlier weekdays are in the mean that the day is compared with."""
        return self.figures[CARS.key].four_weeks.days

    @property
    def missing_sites(self) -> tuple[SiteLine, ...]:
        """Sites that are missing on the report's day."""
        return tuple(site for site in self.sites if site.gap not in {None, NOT_THERE})


def build_report(  # one table each of what the report is made of
    business_date: date,
    *,
    site_days: pa.Table,
    site_hours: pa.Table,
    tenders: pa.Table,
    discounts: pa.Table,
    sites: pa.Table,
    findings: Sequence[Caveat],
    missing: Collection[Gap],
    made_at: datetime,
    account: str | None = None,
) -> Report:
    """The report of one business day.

    Args:
        business_date: local to each site.
        site_days: `site_day_kpis` of the days that the report shows (`inputs.days_shown`; KPIS, "Figures"). Other days
            are ignored, here and in the next three.
        site_hours: `site_hour_kpis`: `site`, `business_date`, `hour`, `cars`.
        tenders: `tender_mix`: `site`, `business_date`, `tender`, `tender_sub_type`, `total`.
        discounts: `discount_mix`: `site`, `business_date`, `discount_name`, `amount`.
        sites: `code`, `name`, `timezone`; a site that is not listed is shown by its code.
        findings: results of the day's checks; the report adds its own caveats.
        missing: days of a site or of the chain that are not loaded. Any other day without a row counts as one without
            transactions.
        made_at: aware instant.
        account: the chain's name, if there are several.

    Raises:
        ValueError: a table lacks a column, or `made_at` is naive.
    """
    _require("site_days", site_days, ("site", "business_date", *SUMMED, "unknown"))
    _require("site_hours", site_hours, ("site", "business_date", "hour", "cars"))
    _require("tenders", tenders, ("site", "business_date", "tender", "tender_sub_type", "total"))
    _require("discounts", discounts, ("site", "business_date", "discount_name", "amount"))
    _require("sites", sites, ("code", "name", "timezone"))
    if made_at.tzinfo is None:
        raise ValueError(f"made_at needs a time zone, got {made_at!r}: pass datetime.now(UTC)")

    book = DayBook(site_days, missing)
    days = [business_date - timedelta(days=back) for back in range(TREND_DAYS - 1, -1, -1)]
    names = site_names(sites)
    zones = {row["code"] or "": row["timezone"] for row in sites.select(["code", "timezone"]).to_pylist()}
    codes = sorted_by_name(names, book.active_sites(days))
    spans = SpanBook(book)
    lines = tuple(_site_line(book, code, _name(names, code), business_date) for code in codes)
    known = book.known(codes, business_date)
    sums = book.certain(known, business_date)
    hours, hour_lines = _hours(site_hours, lines, business_date)
    given = _discounts(_rows(discounts, ("discount_name", "amount"), known, business_date))
    gross = sums["sales"] + sums["discounts"]
    chain = Chain({code: _name(names, code) for code in {*codes, *names}}, zones, codes)
    paid = _tenders(_rows(tenders, ("tender", "tender_sub_type", "total"), known, business_date))
    return Report(
        business_date=business_date,
        made_at=made_at,
        figures={measure.key: book.figure(measure, codes, business_date) for measure in (*HEADLINES, *SECONDARY)},
        sites=lines,
        hours=hours,
        hour_lines=hour_lines,
        chain_hours=tuple(
            sum(line.cars[at] for line in hour_lines if line.cars is not None) for at in range(len(hours))
        ),
        trends={measure.key: _trend(book, measure, codes, days) for measure in TRENDS},
        tenders=paid,
        tender_total=sum((kind.total for kind in paid), Decimal(0)),
        discounts=_top(given, gross),
        discount_total=sums["discounts"],
        discount_share=_share(sums["discounts"], gross),
        voids={measure.key: book.figure(measure, codes, business_date) for measure in VOIDS},
        transactions=int(sums["transactions"]),
        caveats=ranked([*findings, *caveats_of(book, chain, days, made_at)]),
        to_date=tuple(spans.period(Span.of(kind, business_date, business_date), names, codes) for kind in Kind),
        account=account,
    )


def site_names(sites: pa.Table) -> Mapping[str, str]:
    """Names of the listed sites by code; the e-commerce site has an empty code."""
    return {row["code"] or "": row["name"] for row in sites.select(["code", "name"]).to_pylist()}


def sorted_by_name(names: Mapping[str, str], codes: Iterable[str]) -> Sequence[str]:
    """Codes in the order of the sites' names, Site 2 before Site 10."""
    return sorted(codes, key=lambda code: natural(_name(names, code)))


def _require(name: str, table: pa.Table, columns: Iterable[str]) -> None:
    lacking = [column for column in columns if column not in table.column_names]
    if lacking:
        raise ValueError(
            f"{name} lacks {', '.join(lacking)} (it has {', '.join(table.column_names)}): "
            "pass the whole mart, with all its columns"
        )


def _rows(table: pa.Table, columns: Iterable[str], sites: Collection[str], day: date) -> Iterable[Row]:
    """Rows of one day and of known sites; the rows of a missing site are incomplete."""
    for row in table.select(["site", "business_date", *columns]).to_pylist():
        if row["business_date"] == day and (row["site"] or "") in sites:
            yield row


def _name(names: Mapping[str, str], code: str) -> str:
    return names.get(code) or code or "No site code"


def natural(name: str) -> list[Any]:
    """Sort key that puts Site 2 before Site 10; text and numbers alternate, so that only like parts are compared."""
    return [int(part) if part.isdecimal() else part.casefold() for part in re.split(r"([0-9]+)", name)]


def _site_line(book: DayBook, code: str, name: str, day: date) -> SiteLine:
    return SiteLine(
        code=code,
        name=name,
        gap=book.gap(code, day),
        figures={measure.key: book.figure(measure, [code], day) for measure in (*HEADLINES, *SECONDARY)},
        voids={measure.key: book.figure(measure, [code], day) for measure in VOIDS},
    )


def _hours(table: pa.Table, lines: Sequence[SiteLine], day: date) -> tuple[tuple[int, ...], tuple[HourLine, ...]]:
    """The hours from the first to the last car, and a line for each site that has cars or is missing."""
    cars: dict[tuple[str, int], int] = defaultdict(int)
    for row in _rows(table, ("hour", "cars"), [line.code for line in lines if not line.gap], day):
        cars[row["site"] or "", row["hour"]] += row["cars"]
    busy = [hour for (_, hour), count in cars.items() if count]
    hours = tuple(range(min(busy), max(busy) + 1)) if busy else ()
    shown = [
        HourLine(line.name, None if line.gap else tuple(cars[line.code, hour] for hour in hours)) for line in lines
    ]
    return hours, tuple(line for line in shown if line.cars is None or any(line.cars))


def secondary_figures(figures: Mapping[str, Figure], headline: Measure) -> Sequence[Figure]:
    """Secondary figures to show next to a headline: those that differ from it or are not known."""
    value = figures[headline.key].value
    found = [figures[measure.key] for measure, of in SECONDARY.items() if of == headline]
    if value is None:
        return []
    nothing = {"overpayments": Decimal(0)}
    return [one for one in found if one.unknown or one.value not in {nothing.get(one.measure.key, value), None}]


def _trend(book: DayBook, measure: Measure, codes: Sequence[str], days: Sequence[date]) -> tuple[TrendDay, ...]:
    def whole(day: date) -> Decimal | None:
        there = book.there(codes, day)
        return measure.of(book.sums(there, day)) if there and len(book.known(there, day)) == len(there) else None

    earlier = [days[0] - timedelta(days=back) for back in range(6, 0, -1)]
    wholes = {day: whole(day) for day in (*earlier, *days)}
    trend = []
    for day in days:
        known = book.known(codes, day)
        week = [value for back in range(7) if (value := wholes[day - timedelta(days=back)]) is not None]
        mean = sum(week, Decimal(0)) / len(week) if len(week) >= _MEAN_NEEDS else None
        value = measure.of(book.sums(known, day)) if known else None
        trend.append(TrendDay(day, value, len(book.there(codes, day)) - len(known), mean))
    return tuple(trend)


def _tenders(rows: Iterable[Row]) -> tuple[Slice, ...]:
    """Kinds with their subtypes, the largest first; shares are of the net total (Void tenders are negative)."""
    totals: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    for row in rows:
        totals[row["tender"] or "Unnamed"][row["tender_sub_type"] or ""] += _cents(row["total"])
    whole = sum((amount for parts in totals.values() for amount in parts.values()), Decimal(0))
    kinds = []
    for tender, parts in totals.items():
        total = sum(parts.values(), Decimal(0))
        details = [Slice(name or "Other", amount, _share(amount, whole)) for name, amount in parts.items()]
        shown = tuple(sorted(details, key=_largest)) if set(parts) != {""} else ()
        kinds.append(Slice(tender, total, _share(total, whole), shown))
    return tuple(sorted(kinds, key=_largest))


def _top(totals: Mapping[str, Decimal], gross: Decimal) -> tuple[Slice, ...]:
    slices = sorted((Slice(name, total, _share(total, gross)) for name, total in totals.items()), key=_largest)
    if len(slices) <= TOP:
        return tuple(slices)
    rest = sum((part.total for part in slices[TOP:]), Decimal(0))
    return (*slices[:TOP], Slice(f"{len(slices) - TOP} others", rest, _share(rest, gross)))


def _largest(part: Slice) -> tuple[Decimal, str]:
    return (-part.total, part.label)


def _share(part: Decimal, whole: Decimal) -> Decimal | None:
    return part / whole if whole > 0 else None


def _discounts(rows: Iterable[Row]) -> dict[str, Decimal]:
    totals: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        totals[row["discount_name"] or "Unnamed"] += _cents(row["amount"])
    return dict(totals)


def _cents(dollars: Decimal | float) -> Decimal:
    """Round to cents: the API sends binary doubles."""
    return Decimal(str(dollars)).quantize(Decimal("0.01"))
