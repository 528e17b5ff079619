"""The figures that a report compares: what each is made of, and how it stands against earlier days.

Belongs here: measures, comparisons, and what is known of each site and day. Does not belong here: which sections a
report has (`report.py`), how the rows were counted (`kpis.py`), and how a figure is written (`wording.py`).

A site and day is *known* or *missing*. A known day without a row had no transactions and counts 0; a missing day
counts nowhere, and a comparison that would need it is made over fewer sites or days, and says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import Enum
from typing import TypeAlias

import pyarrow as pa

from sonnys_pipeline.analytics.business_days import MissingDay

Sums: TypeAlias = Mapping[str, Decimal]
"""Columns of `site_day_kpis`, summed."""

_ZERO = Decimal(0)


class Unit(Enum):
    """What a figure counts, and so how it is written and compared."""

    COUNT = "count"
    MONEY = "money"  # dollars, large: cents are noise
    PRICE = "price"  # dollars, small: cents matter
    SHARE = "share"  # a fraction; two of them differ by points


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure by its columns: the sum of `column`, divided by the sum of `per` where there is one.

    `more_is_better` is None where neither direction is good news in itself.
    Averages and rates are made anew from sums, so that a chain's rate is not the mean of its sites' rates.
    """

    key: str
    label: str
    unit: Unit
    column: str
    per: str | None = None
    more_is_better: bool | None = True

    def of(self, sums: Sums) -> Decimal | None:
        """The figure of these sums; None where there is nothing to divide by.

        The marts have 0 there (KPIS). A reader takes 0 % for a rate that was measured, so that a report has none.
        """
        if self.per is None:
            return sums[self.column]
        return sums[self.column] / sums[self.per] if sums[self.per] else None


CARS = Measure("cars", "Cars", Unit.COUNT, "total_cars")
SALES = Measure("sales", "Sales", Unit.MONEY, "sales")
AVERAGE_TICKET = Measure("average_ticket", "Average ticket", Unit.PRICE, "sales", "total_cars")
MEMBER_WASHES = Measure("member_washes", "Member washes", Unit.COUNT, "member_washes")
MEMBER_SHARE = Measure("member_share", "Member share", Unit.SHARE, "member_washes", "total_cars")
NEW_MEMBERSHIPS = Measure("new_memberships", "New memberships", Unit.COUNT, "new_memberships")
CONVERSION = Measure("conversion", "Conversion", Unit.SHARE, "new_memberships", "eligible_washes")
HEADLINES = (CARS, SALES, AVERAGE_TICKET, MEMBER_WASHES, MEMBER_SHARE, NEW_MEMBERSHIPS, CONVERSION)
TRENDS = (SALES, CARS, MEMBER_WASHES, NEW_MEMBERSHIPS)

VOIDS = (
    Measure("voided_transactions", "Voided transactions", Unit.COUNT, "voided_transactions", more_is_better=None),
    Measure("voided_items", "Voided items", Unit.COUNT, "voided_items", more_is_better=None),
    Measure("void_tenders", "Void tenders", Unit.COUNT, "void_tenders", more_is_better=None),
    Measure("unsettled", "Unsettled", Unit.COUNT, "unsettled_transactions", more_is_better=None),
)

#: Columns that the sums need, beside `site` and `business_date`.
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
)


@dataclass(frozen=True, slots=True)
class Change:
    """A figure against an earlier one.

    `value` and `base` are of the same sites: `sites` of the `of_sites` that the figure itself is made of. `base` is a
    mean where `of_days` is more than 1, made of the `days` that are known. Both are None where nothing is comparable.
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
        """`value` less `base`, in the measure's own unit; None where either is unknown."""
        return None if self.value is None or self.base is None else self.value - self.base

    @property
    def fraction(self) -> Decimal | None:
        """The difference as a fraction of `base`; None where that is unknown, or nothing to compare with."""
        return None if self.difference is None or not self.base else self.difference / abs(self.base)

    @property
    def is_partial(self) -> bool:
        """Whether sites or days are missing from the comparison."""
        return self.sites < self.of_sites or self.days < self.of_days


@dataclass(frozen=True, slots=True)
class Figure:
    """One measure on the report's day; `value` is None where no site is known.

    `last_week` compares with the same weekday a week before, `four_weeks` with the mean of the last four of them.
    """

    measure: Measure
    value: Decimal | None
    last_week: Change
    four_weeks: Change


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that is missing: the day of one site by its code, or of the whole chain (`site` None)."""

    business_date: date
    site: str | None = None
    reason: str = "not loaded"


def gaps_of(missing: Iterable[MissingDay]) -> tuple[Gap, ...]:
    """Gaps of the days that a mart could not count."""
    return tuple(
        Gap(
            day.business_date,
            day.site,
            f"transactions of {', '.join(lacking.isoformat() for lacking in day.missing)} are not landed",
        )
        for day in missing
    )


class DayBook:
    """What is known of each site and day.

    Args:
        site_days: `site_day_kpis`, with the columns of `SUMMED`.
        missing: the gaps. Days before the first one of `site_days` are missing too.
    """

    def __init__(self, site_days: pa.Table, missing: Collection[Gap]) -> None:
        self._sums = {
            (row["site"] or "", row["business_date"]): {name: Decimal(row[name] or 0) for name in SUMMED}
            for row in site_days.select(["site", "business_date", *SUMMED]).to_pylist()
        }
        self._gaps = {(gap.business_date, gap.site): gap.reason for gap in missing}
        self._first = min((day for _, day in self._sums), default=None)

    def gap(self, site: str, day: date) -> str | None:
        """Why a site's day is missing; None where it is known."""
        if reason := self._gaps.get((day, None)) or self._gaps.get((day, site)):
            return reason
        return None if self._first and day >= self._first else "before the first day that is known"

    def known(self, sites: Iterable[str], day: date) -> list[str]:
        """Those of the sites whose day is known."""
        return [site for site in sites if self.gap(site, day) is None]

    def active_sites(self, days: Iterable[date]) -> set[str]:
        """Codes of the sites that have transactions on one of the days, or are missing on all of them."""
        wanted = set(days)
        active = {site for (site, day), sums in self._sums.items() if day in wanted and sums["transactions"]}
        with_gaps = {site for day, site in self._gaps if site is not None and day in wanted}
        return active | {site for site in with_gaps if all(self.gap(site, day) for day in wanted)}

    def sums(self, sites: Iterable[str], day: date) -> Sums:
        """Sums over sites on one day; of no sites, zeros."""
        rows = [found for site in sites if (found := self._sums.get((site, day)))]
        return {name: sum((row[name] for row in rows), _ZERO) for name in SUMMED}

    def figure(self, measure: Measure, sites: Sequence[str], day: date) -> Figure:
        """One measure over sites, with its comparisons."""
        known = self.known(sites, day)
        value = measure.of(self.sums(known, day)) if known else None
        return Figure(
            measure, value, self._against_last_week(measure, known, day), self._against_mean(measure, known, day)
        )

    def _against_last_week(self, measure: Measure, sites: Sequence[str], day: date) -> Change:
        before = day - timedelta(weeks=1)
        both = self.known(sites, before)
        value = measure.of(self.sums(both, day)) if both else None
        base = measure.of(self.sums(both, before)) if both else None
        return Change(measure.unit, value, base, len(both), len(sites))

    def _against_mean(self, measure: Measure, sites: Sequence[str], day: date) -> Change:
        """A day counts when every one of the sites is known on it."""
        earlier = [day - timedelta(weeks=weeks) for weeks in (1, 2, 3, 4)]
        days = [before for before in earlier if sites and len(self.known(sites, before)) == len(sites)]
        found = [self.sums(sites, before) for before in days]
        base = (
            measure.of({name: sum((sums[name] for sums in found), _ZERO) / len(found) for name in SUMMED})
            if found
            else None
        )
        value = measure.of(self.sums(sites, day)) if found else None
        return Change(measure.unit, value, base, len(sites), len(sites), len(days), len(earlier))
