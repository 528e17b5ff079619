"""The figures of a report, and their comparison with earlier days.

The day of a site is *known* or *missing*. A known day without a row had no transactions and counts 0. A missing day is
left out: the comparison covers fewer sites or days, and says so.

A figure of a known day is null (not known) if the API did not send a field it needs. A sum is null, with a reason, if
one of its sites is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from typing import TypeAlias

import pyarrow as pa

from sonnys_pipeline.calendar.business_days import ZONE_UNKNOWN, MissingDay, zone_remedy
from sonnys_pipeline.marts.unknown import SEPARATOR

Sums: TypeAlias = Mapping[str, Decimal | None]
"""Sums of columns of `site_day_kpis`; None if a part of the sum is null."""

_ZERO = Decimal(0)
#: Reason of a gap: the site has left, or was not there yet; nothing is missing.
NOT_THERE = "not a site of the chain on this day"


class Unit(Enum):
    """Unit of a figure; decides how it is written and compared."""

    COUNT = "count"
    NUMBER = "number"  # with a decimal, such as hours
    MONEY = "money"  # dollars, without cents
    PRICE = "price"  # dollars and cents
    SHARE = "share"  # a fraction; changes are in percentage points


@dataclass(frozen=True, slots=True)
class Measure:
    """Definition of a figure: the sum of `column`, divided by the sum of `per` if given.

    `more_is_better` is None if neither direction is good or bad. Dividing sums keeps a chain's rate from being the mean
    of its sites' rates. `at_end` is for a level, such as active members: over several days, that of the last one.
    `has_change` is off for a difference that may be near 0, or below, so that a change in per cent says nothing.
    """

    key: str
    label: str
    unit: Unit
    column: str
    per: str | None = None
    more_is_better: bool | None = True
    at_end: bool = False
    has_change: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the mart that the figure needs."""
        return (self.column,) if self.per is None else (self.column, self.per)

    def is_known(self, sums: Sums) -> bool:
        """Whether all columns have sums; the divisor may still be 0."""
        return all(sums[column] is not None for column in self.columns)

    def of(self, sums: Sums) -> Decimal | None:
        """The figure; None if a sum is null or the divisor is 0.

        The marts have 0 for a divisor of 0 (KPIS); in a report, 0 % would look like a measured rate.
        """
        value = sums[self.column]
        if value is None or self.per is None:
            return value
        per = sums[self.per]
        return value / per if per else None


CARS = Measure("cars", "Cars", Unit.COUNT, "total_cars")
SALES = Measure("sales", "Sales", Unit.MONEY, "sales")
AVERAGE_TICKET = Measure("average_ticket", "Average ticket", Unit.PRICE, "sales", "total_cars")
MEMBER_WASHES = Measure("member_washes", "Member washes", Unit.COUNT, "member_washes")
MEMBER_SHARE = Measure("member_share", "Member share", Unit.SHARE, "member_washes", "total_cars")
NEW_MEMBERSHIPS = Measure("new_memberships", "New memberships", Unit.COUNT, "new_memberships")
CONVERSION = Measure("conversion", "Conversion", Unit.SHARE, "new_memberships", "eligible_washes")
HEADLINES = (CARS, SALES, AVERAGE_TICKET, MEMBER_WASHES, MEMBER_SHARE, NEW_MEMBERSHIPS, CONVERSION)

NET_CARS = Measure("net_cars", "Net cars", Unit.COUNT, "net_cars")
NET_SALES = Measure("net_sales", "Net sales", Unit.MONEY, "net_sales")
OVERPAYMENTS = Measure("overpayments", "Overpayments", Unit.PRICE, "overpayments", more_is_better=None)
CONVERSION_IN_LANE = Measure(
    "conversion_in_lane", "Conversion in lane", Unit.SHARE, "new_memberships_in_lane", "eligible_washes"
)
#: Secondary figures, and the headline next to which each is shown if it differs or is not known.
SECONDARY = {NET_CARS: CARS, NET_SALES: SALES, OVERPAYMENTS: SALES, CONVERSION_IN_LANE: CONVERSION}
TRENDS = (SALES, CARS, MEMBER_WASHES, NEW_MEMBERSHIPS)

VOIDS = (
    Measure("voided_transactions", "Voided transactions", Unit.COUNT, "voided_transactions", more_is_better=None),
    Measure("voided_items", "Voided items", Unit.COUNT, "voided_items", more_is_better=None),
    Measure("void_tenders", "Void tenders", Unit.COUNT, "void_tenders", more_is_better=None),
    Measure("unsettled", "Unsettled", Unit.COUNT, "unsettled_transactions", more_is_better=None),
)

#: Columns to sum, in addition to `site` and `business_date`.
SUMMED = (
    "total_cars",
    "member_washes",
    "eligible_washes",
    "new_memberships",
    "sales",
    "discounts",
    "voided_transactions",
    "voided_items",
    "void_tenders",
    "unsettled_transactions",
    "transactions",
    "new_memberships_in_lane",
    "net_cars",
    "net_sales",
    "overpayments",
)


@dataclass(frozen=True, slots=True)
class Change:
    """A figure compared with an earlier one.

    `value` and `base` cover the same sites: `sites` of the `of_sites` in the figure itself. `base` is the mean of the
    `days` that are known, of `of_days`. Both are None if nothing is comparable.
    """

    unit: Unit
    value: Decimal | None
    base: Decimal | None
    sites: int
    of_sites: int
    days: int = 1
    of_days: int = 1

    @property
    def difference(self) -> Decimal | None:
        """`value` minus `base`; None if either is None."""
        return None if self.value is None or self.base is None else self.value - self.base

    @property
    def fraction(self) -> Decimal | None:
        """The difference as a fraction of `base`; None if `base` is None or 0."""
        return None if self.difference is None or not self.base else self.difference / abs(self.base)

    @property
    def is_partial(self) -> bool:
        """Whether the comparison lacks sites or days."""
        return self.sites < self.of_sites or self.days < self.of_days


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure on the report's day; `value` is None if no site is known.

    `last_week` compares with the same weekday a week before, `four_weeks` with the mean of that weekday of four weeks.
    `unknown` is the reason if known sites lack a field that the figure needs.
    """

    measure: Measure
    value: Decimal | None
    last_week: Change
    four_weeks: Change
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """A missing day of one site (by code) or of the whole chain (`site` is None)."""

    business_date: date
    site: str | None = None
    reason: str = "not loaded"


def gaps_of(missing: Iterable[MissingDay]) -> tuple[Gap, ...]:
    """Gaps for the days that a mart could not count."""
    return tuple(
        Gap(
            day.business_date,
            day.site,
            f"transactions of {', '.join(lacking.isoformat() for lacking in day.missing)} are not landed"
            if day.missing
            else f"{ZONE_UNKNOWN}: {zone_remedy(day.site)}",
        )
        for day in missing
    )


class DayBook:
    """Figures and gaps of each site and day.

    Args:
        site_days: rows by `site` and `business_date` with `columns` and `unknown`, such as `site_day_kpis`.
        missing: the gaps. Days before the first one in `site_days` are missing, too.
        columns: numbers to sum.
    """

    def __init__(self, site_days: pa.Table, missing: Collection[Gap], columns: Sequence[str] = SUMMED) -> None:
        self.columns = columns
        rows = site_days.select(["site", "business_date", "unknown", *columns]).to_pylist()
        self._sums: dict[tuple[str, date], Sums] = {}
        self._reasons: dict[tuple[str, date], tuple[str, ...]] = {}
        for row in rows:
            key = row["site"] or "", row["business_date"]
            self._sums[key] = {name: None if row[name] is None else Decimal(row[name]) for name in columns}
            self._reasons[key] = tuple((row["unknown"] or "").split(SEPARATOR)) if row["unknown"] else ()
        self._gaps = {(gap.business_date, gap.site): gap.reason for gap in missing}
        self._first = min((day for _, day in self._sums), default=None)

    @property
    def first_day(self) -> date:
        """The first day of a figure; the last day that a calendar knows if there is none."""
        return self._first or date.max

    def gap(self, site: str, day: date) -> str | None:
        """Why a site's day is missing; None if it is known."""
        if reason := self._gaps.get((day, None)) or self._gaps.get((day, site)):
            return reason
        return None if self._first and day >= self._first else "before the first landed day"

    def there(self, sites: Iterable[str], day: date) -> list[str]:
        """Sites that the chain had on a day, known or not."""
        return [site for site in sites if self._gaps.get((day, site)) != NOT_THERE]

    def known(self, sites: Iterable[str], day: date) -> list[str]:
        """Sites whose day is known."""
        return [site for site in sites if self.gap(site, day) is None]

    def active_sites(self, days: Iterable[date]) -> set[str]:
        """Codes of sites with transactions on one of the days, or missing on all of them."""
        wanted = set(days)
        active = {site for (site, day), sums in self._sums.items() if day in wanted and sums["transactions"]}
        with_gaps = {
            site
            for (day, site), reason in self._gaps.items()
            if site is not None and day in wanted and reason != NOT_THERE
        }
        return active | {site for site in with_gaps if all(self.gap(site, day) for day in wanted)}

    def sums(self, sites: Iterable[str], day: date) -> Sums:
        """Sums over sites on one day, 0 without sites; None if one site has null."""
        rows = [found for site in sites if (found := self._sums.get((site, day)))]
        return {name: _sum(row[name] for row in rows) for name in self.columns}

    def certain(self, sites: Iterable[str], day: date) -> Mapping[str, Decimal]:
        """The sums that are not null."""
        return {name: value for name, value in self.sums(sites, day).items() if value is not None}

    def reasons(self, site: str, day: date) -> tuple[str, ...]:
        """The mart's reasons why figures of a site's day are null, or cover only some of its rows."""
        return self._reasons.get((site, day), ())

    def figure(self, measure: Measure, sites: Sequence[str], day: date) -> Figure:
        """A measure over sites, with its comparisons."""
        known = self.known(sites, day)
        sums = self.sums(known, day)
        return Figure(
            measure,
            measure.of(sums) if known else None,
            self._against_last_week(measure, known, day),
            self._against_mean(measure, known, day),
            None if measure.is_known(sums) else self._why(measure, known, day),
        )

    def _why(self, measure: Measure, sites: Sequence[str], day: date) -> str:
        """The mart's reasons that name a column of the measure."""
        reasons = [reason for site in sites for reason in self.reasons(site, day)]
        naming = [
            reason for reason in reasons if any(re.search(rf"\b{column}\b", reason) for column in measure.columns)
        ]
        return SEPARATOR.join(dict.fromkeys(naming)) or "the mart has no value and gives no reason"

    def _against_last_week(self, measure: Measure, sites: Sequence[str], day: date) -> Change:
        before = day - timedelta(weeks=1)
        both = self.known(sites, before)
        value = measure.of(self.sums(both, day)) if both else None
        base = measure.of(self.sums(both, before)) if both else None
        return Change(measure.unit, value, base, len(both), len(sites))

    def _against_mean(self, measure: Measure, sites: Sequence[str], day: date) -> Change:
        """Only days on which all the sites and all the columns are known count; without sites that were not there."""
        earlier = [day - timedelta(weeks=weeks) for weeks in (1, 2, 3, 4)]
        of_sites = len(sites)
        sites = [site for site in sites if all(self.there([site], before) for before in earlier)]
        whole = [before for before in earlier if sites and len(self.known(sites, before)) == len(sites)]
        found = [sums for before in whole if measure.is_known(sums := self.sums(sites, before))]
        base, value = None, None
        if found:
            totals = {column: _sum(sums[column] for sums in found) for column in measure.columns}
            base = measure.of({column: None if one is None else one / len(found) for column, one in totals.items()})
            value = measure.of(self.sums(sites, day))
        return Change(measure.unit, value, base, len(sites), of_sites, len(found), len(earlier))


def _sum(values: Iterable[Decimal | None]) -> Decimal | None:
    """None if a value is None; 0 without values."""
    total = _ZERO
    for value in values:
        if value is None:
            return None
        total += value
    return total
