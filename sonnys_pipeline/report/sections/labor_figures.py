"""The figures of the section on labor: of one site or of all, with the change from a week before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from sonnys_pipeline.report.measures import Change, Unit

#: A row of `labor_daily`.
Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class LaborLine:
    """Labor of a site, or of all sites. Cost in dollars, None if not known; shares as fractions.

    Rates cover the sites whose cars are known; None if there is nothing to divide by. `hours_change` and `cost_change`
    compare with the same weekday a week before, over the sites that are known on both days.
    """

    name: str
    shifts: int
    open_shifts: int
    hours: Decimal
    overtime: Decimal
    cost: Decimal | None
    cars_per_hour: Decimal | None
    cost_per_car: Decimal | None
    share: Decimal | None
    hours_change: Change
    cost_change: Change


@dataclass(frozen=True, slots=True)
class Labor:
    """The section: a line for each site and one of all; `total.open_shifts` counts up to the reading."""

    lines: tuple[LaborLine, ...]
    total: LaborLine


def line_of(name: str, rows: Sequence[Row], before: Sequence[Row]) -> LaborLine:
    """The sum over some sites; `before` has the rows of a week before, empty if that day is not landed."""
    with_cars = [row for row in rows if row["total_cars"] is not None]
    cars, sales = _sum(with_cars, "total_cars"), _sum(with_cars, "sales")
    cost_with_cars = _sum(with_cars, "labor_cost")
    return LaborLine(
        name=name,
        shifts=sum(row["shifts"] for row in rows),
        open_shifts=sum(row["open_shifts"] for row in rows),
        hours=_sum(rows, "labor_hours") or Decimal(0),
        overtime=_sum(rows, "overtime_hours") or Decimal(0),
        cost=_sum(rows, "labor_cost"),
        cars_per_hour=_ratio(cars if with_cars else None, _sum(with_cars, "labor_hours")),
        cost_per_car=_ratio(cost_with_cars, cars),
        share=_ratio(cost_with_cars, sales),
        hours_change=_change(rows, before, "labor_hours", Unit.NUMBER),
        cost_change=_change(rows, before, "labor_cost", Unit.MONEY),
    )


def _change(rows: Sequence[Row], before: Sequence[Row], column: str, unit: Unit) -> Change:
    own, earlier = _known(rows, column), _known(before, column)
    both = own.keys() & earlier.keys()
    if not both:
        return Change(unit, None, None, 0, len(rows))
    value, base = (sum((known[site] for site in both), Decimal(0)) for known in (own, earlier))
    return Change(unit, value, base, len(both), len(rows))


def _known(rows: Iterable[Row], column: str) -> dict[str, Decimal]:
    return {row["site"]: row[column] for row in rows if row[column] is not None}


def _sum(rows: Iterable[Row], column: str) -> Decimal | None:
    """None if a value is."""
    values = [row[column] for row in rows]
    return None if None in values else sum(values, Decimal(0))


def _ratio(value: Decimal | None, by: Decimal | None) -> Decimal | None:
    return value / by if value is not None and by is not None and by > 0 else None
