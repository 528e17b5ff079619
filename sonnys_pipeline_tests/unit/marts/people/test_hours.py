"""RS-03, KPIS "Labor": `labor_hours`, `labor_cost` and `cars_per_labor_hour` of each hour by the clock."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from sonnys_pipeline.marts.kpis import site_hour_kpis
from sonnys_pipeline.marts.people.shifts import NOT_OVER, ClockedDays
from sonnys_pipeline_tests.support.clock_entries import entry, file_of, landed
from sonnys_pipeline_tests.support.tickets import rows, sites, ticket

CHICAGO = "America/Chicago"
MONDAY, TUESDAY, WEDNESDAY = date(2026, 3, 9), date(2026, 3, 10), date(2026, 3, 11)
READ_AT = datetime(2026, 3, 11, 12, tzinfo=UTC)
PARTITIONS = [MONDAY, TUESDAY, WEDNESDAY, date(2026, 3, 12)]


def hours(
    entries: Sequence[dict[str, Any]], days: Sequence[date] = (TUESDAY,), zone: str = CHICAGO
) -> dict[tuple[date, int], dict[str, Any]]:
    """Labor at MAIN by day and hour; the entries are of the Tuesday, and one car came at nine in Chicago."""
    none = file_of([], READ_AT)
    clocked = ClockedDays(
        landed({MONDAY: none, TUESDAY: file_of(entries, READ_AT), WEDNESDAY: none}), [MONDAY, TUESDAY, WEDNESDAY]
    )
    car = rows(ticket(1, "2026-03-10T14:20:00Z"))
    mart = site_hour_kpis(car, sites(MAIN=zone), days, landed=PARTITIONS, timezone=CHICAGO, clocked=clocked)
    return {(row["business_date"], row["hour"]): row for row in mart.table.to_pylist()}


def worked(found: dict[tuple[date, int], dict[str, Any]]) -> dict[tuple[date, int], tuple[Decimal, Decimal]]:
    """Hours and cost where there are hours."""
    return {key: (row["labor_hours"], row["labor_cost"]) for key, row in found.items() if row["labor_hours"]}


def test_a_shift_is_split_at_the_hours() -> None:
    """From 8:30 to 10:15: half an hour, one, a quarter; the car came in a whole hour of one person."""
    found = hours([entry(1, "2026-03-10T13:30:00.000Z", "2026-03-10T15:15:00.000Z")])
    assert worked(found) == {
        (TUESDAY, 8): (Decimal("0.5"), Decimal("7.50")),
        (TUESDAY, 9): (Decimal(1), Decimal("15.00")),
        (TUESDAY, 10): (Decimal("0.25"), Decimal("3.75")),
    }
    assert [found[TUESDAY, hour]["cars_per_labor_hour"] for hour in (8, 9, 11)] == [0.0, 1.0, None]
    assert found[TUESDAY, 11]["labor_cost"] == Decimal(0)


def test_hours_of_the_api_are_spread_over_the_time_of_the_shift() -> None:
    """Two hours by the clock of which half an hour was a break, wherever it was: three quarters in each."""
    found = hours([entry(1, "2026-03-10T13:00:00.000Z", "2026-03-10T15:00:00.000Z", regularHours=1.5)])
    assert worked(found) == {(TUESDAY, hour): (Decimal("0.75"), Decimal("11.25")) for hour in (8, 9)}


def test_a_shift_over_midnight_goes_on_into_the_next_day() -> None:
    """Eleven in the evening to two in the morning: one hour of the Tuesday, two of the Wednesday."""
    found = hours([entry(1, "2026-03-11T04:00:00.000Z", "2026-03-11T07:00:00.000Z")], [TUESDAY, WEDNESDAY])
    assert list(worked(found)) == [(TUESDAY, 23), (WEDNESDAY, 0), (WEDNESDAY, 1)]


def test_a_shift_without_time_keeps_its_hours() -> None:
    """Entered by a person, in and out at the same moment: all in that hour."""
    at = "2026-03-10T13:30:00.000Z"
    assert worked(hours([entry(1, at, at, regularHours=4)])) == {(TUESDAY, 8): (Decimal(4), Decimal("60.00"))}


def test_zones_that_are_off_by_half_an_hour() -> None:
    """A full hour of UTC lies in two hours of Kolkata."""
    found = hours([entry(1, "2026-03-10T03:00:00.000Z", "2026-03-10T04:00:00.000Z")], zone="Asia/Kolkata")
    assert {key: part[0] for key, part in worked(found).items()} == {
        (TUESDAY, 8): Decimal("0.5"), (TUESDAY, 9): Decimal("0.5"),
    }  # fmt: skip


def test_an_open_shift_of_days_is_followed_into_the_next_day_only() -> None:
    """A day is the same whether it is computed alone or with others."""
    forgotten = entry(1, "2026-03-09T13:00:00.000Z", None)
    clocked = ClockedDays(
        landed({MONDAY: file_of([forgotten], datetime(2026, 3, 14, 12, tzinfo=UTC)), TUESDAY: file_of([], READ_AT)}),
        [MONDAY, TUESDAY, WEDNESDAY],
    )
    mart = site_hour_kpis(
        rows(), sites(MAIN=CHICAGO), [TUESDAY, WEDNESDAY], landed=PARTITIONS, timezone=CHICAGO, clocked=clocked
    )
    by_day = {day: sum(row["labor_hours"] for row in mart.table.to_pylist() if row["business_date"] == day)
              for day in (TUESDAY, WEDNESDAY)}  # fmt: skip
    assert by_day == {TUESDAY: Decimal(24), WEDNESDAY: Decimal(0)}


def test_hours_of_a_day_that_was_not_over_are_not_known() -> None:
    """Read at eight in the evening."""
    evening = datetime(2026, 3, 11, 1, tzinfo=UTC)
    rows_of = {MONDAY: file_of([], READ_AT), TUESDAY: file_of([entry(1, "2026-03-10T13:00:00Z", None)], evening)}
    clocked = ClockedDays(landed(rows_of), [MONDAY, TUESDAY], {TUESDAY: evening})
    mart = site_hour_kpis(rows(), sites(MAIN=CHICAGO), [TUESDAY], landed=PARTITIONS, timezone=CHICAGO, clocked=clocked)
    found = mart.table.to_pylist()
    assert {(row["labor_hours"], row["labor_cost"], row["labor_unknown"]) for row in found} == {(None, None, NOT_OVER)}
    assert {row["cars_per_labor_hour"] for row in found} == {None}


def test_without_pay_and_without_entries() -> None:
    """LV-04: what is not known is null, and the column says why; a day needs the entries of the day before as well."""
    nine = hours([entry(1, "2026-03-10T14:00:00.000Z", "2026-03-10T15:00:00.000Z", regularRate=None)])[TUESDAY, 9]
    assert (nine["labor_hours"], nine["labor_cost"]) == (Decimal(1), None)
    assert nine["labor_unknown"] == (
        "regular_rate, overtime_rate: 1 of 1 shifts in this hour lack them, left out of labor_cost"
    )
    alone = ClockedDays(landed({TUESDAY: file_of([], READ_AT)}), [TUESDAY])
    found = site_hour_kpis(
        rows(), sites(MAIN=CHICAGO), [TUESDAY], landed=PARTITIONS, timezone=CHICAGO, clocked=alone
    ).table.to_pylist()
    assert {(row["labor_hours"], row["labor_unknown"]) for row in found} == {
        (None, "clock_entries: not landed: 2026-03-09")
    }
