"""RS-03, KPIS "Labor hours", "Labor cost", "Cars per labor hour": hours, cost and cars by site and business day."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from sonnys_pipeline.marts.people.columns import LABOR_DAILY
from sonnys_pipeline.marts.people.labor import NO_CARS, NO_PAY, NO_SITE, labor_daily
from sonnys_pipeline.marts.people.shifts import NOT_OVER, ClockedDays
from sonnys_pipeline_tests.support.clock_entries import entry, file_of, landed
from sonnys_pipeline_tests.support.tickets import sites

CHICAGO = "America/Chicago"
TUESDAY = date(2026, 3, 10)
READ_AT = datetime(2026, 3, 11, 12, tzinfo=UTC)
EIGHT, FIVE = "2026-03-10T13:00:00.000Z", "2026-03-10T22:00:00.000Z"


def site_days(**of_sites: tuple[int, str]) -> pa.Table:
    """Cars and sales of sites on the Tuesday."""
    rows = [
        {"site": site, "business_date": TUESDAY, "total_cars": cars, "sales": Decimal(sales)}
        for site, (cars, sales) in of_sites.items()
    ]
    kinds = [
        ("site", pa.string()),
        ("business_date", pa.date32()),
        ("total_cars", pa.int64()),
        ("sales", pa.decimal128(18, 2)),
    ]
    return pa.Table.from_pylist(rows, pa.schema(kinds))


def counted(entries: Sequence[dict[str, Any]], days: pa.Table | None = None, **zones: str) -> list[dict[str, Any]]:
    """The Tuesday's labor, with 90 cars and 1,200 dollars at MAIN unless said otherwise."""
    clocked = ClockedDays(landed({TUESDAY: file_of(entries, READ_AT)}), [TUESDAY])
    cars = site_days(MAIN=(90, "1200.00")) if days is None else days
    return labor_daily(clocked, cars, sites(**(zones or {"MAIN": CHICAGO})), [TUESDAY], CHICAGO).to_pylist()


def test_a_day_of_labor() -> None:
    """Two shifts of one employee and one with overtime: hours as the API gives them, cost to the cent."""
    rows = counted(
        [
            entry(1, EIGHT, "2026-03-10T17:00:00.000Z", regularHours=3.75, overtimeHours=0.0),
            entry(1, "2026-03-10T18:00:00.000Z", FIVE, regularHours=4.0, overtimeHours=0.0),
            entry(2, EIGHT, FIVE, regularHours=7.25, overtimeHours=1.75, regularRate=16.35, overtimeRate=24.53),
        ]
    )
    assert rows == [
        {
            "site": "MAIN",
            "business_date": TUESDAY,
            "shifts": 3,
            "employees": 2,
            "open_shifts": 0,
            "open_hours": Decimal(0),
            "labor_hours": Decimal("16.75"),
            "overtime_hours": Decimal("1.75"),
            # 7.75 x 15 + 7.25 x 16.35 + 1.75 x 24.53 = 277.715, half a cent up
            "labor_cost": Decimal("277.72"),
            "total_cars": 90,
            "sales": Decimal("1200.00"),
            "cars_per_labor_hour": 90 / 16.75,
            "labor_cost_per_car": Decimal("3.09"),
            "labor_share": pytest.approx(277.72 / 1200),
            "unknown": None,
        }
    ]


def test_hours_of_the_api_win_over_the_clock() -> None:
    """Nine hours by the clock, of which half an hour is a break; without hours of the API the clock counts."""
    said, silent, none = (
        counted([entry(1, EIGHT, FIVE, regularHours=regular, overtimeHours=overtime)])[0]["labor_hours"]
        for regular, overtime in ((8.5, None), (None, None), (0.0, 0.0))
    )
    assert (said, silent, none) == (Decimal("8.5"), Decimal(9), Decimal(0))


def test_an_open_shift_counts_up_to_the_reading() -> None:
    """The API gives an open shift no hours or 0; from eight to the reading at seven the next morning are 23 hours."""
    for hours in (None, 0.0):
        [row] = counted([entry(1, EIGHT, None, regularHours=hours, overtimeHours=hours), entry(2, EIGHT, FIVE)])
        assert (row["open_shifts"], row["open_hours"], row["labor_hours"]) == (1, Decimal(23), Decimal(32))
        assert row["labor_cost"] == Decimal("480.00")


def test_an_absurd_time_is_no_end_of_the_table() -> None:
    """Clocked out in another millennium, or before clocking in: one row is wrong, the others are counted."""
    millennium, backwards = (
        entry(1, EIGHT, "9999-12-31T23:59:59.000Z"),
        entry(2, EIGHT, "2026-03-09T13:00:00.000Z"),
    )
    assert counted([millennium])[0]["labor_hours"] > 69_000_000
    assert counted([backwards, entry(3, EIGHT, FIVE)])[0]["labor_hours"] == Decimal(9)


def test_an_open_shift_with_hours_keeps_them() -> None:
    """What a person has entered counts, though there is no clock-out."""
    [row] = counted([entry(1, EIGHT, None, regularHours=6.0)])
    assert (row["open_shifts"], row["labor_hours"]) == (1, Decimal(6))


def test_a_shift_over_midnight_stays_on_the_day_of_its_clock_in() -> None:
    """Ten in the evening to six in the morning, eight hours of the Tuesday."""
    [row] = counted([entry(1, "2026-03-11T03:00:00.000Z", "2026-03-11T11:00:00.000Z")])
    assert (row["business_date"], row["labor_hours"]) == (TUESDAY, Decimal(8))


def test_a_closed_site_has_zeros_and_a_spelling_is_folded() -> None:
    """Nobody clocked in at WEST; MAIN is written in another case."""
    main, west = counted([entry(1, EIGHT, FIVE, siteCode="main ")], MAIN=CHICAGO, WEST=CHICAGO)
    assert (main["site"], main["labor_hours"], main["unknown"]) == ("MAIN", Decimal(9), None)
    assert (west["site"], west["shifts"], west["labor_hours"], west["labor_cost"]) == ("WEST", 0, 0, 0)
    assert (west["cars_per_labor_hour"], west["unknown"]) == (None, NO_CARS)


def test_without_pay_the_cost_is_not_known() -> None:
    """LV-04: SONNYS_PAY=drop leaves the rates out; hours and cars for each hour stay."""
    [row] = counted([entry(1, EIGHT, FIVE, regularRate=None, overtimeRate=None)])
    assert (row["labor_hours"], row["cars_per_labor_hour"]) == (Decimal(9), 10.0)
    assert (row["labor_cost"], row["labor_cost_per_car"], row["labor_share"]) == (None, None, None)
    assert row["unknown"] == NO_PAY


def test_a_shift_without_a_rate_is_named() -> None:
    """The cost of the others is shown, and the reason says how many are left out; a rate without hours may lack."""
    overtime = {"regularHours": 8, "overtimeHours": 1, "overtimeRate": None}
    [row] = counted([entry(1, EIGHT, FIVE, overtimeRate=None), entry(2, EIGHT, FIVE, **overtime)])
    assert row["labor_cost"] == Decimal("135.00")
    assert row["unknown"] == "regular_rate, overtime_rate: 1 of 2 shifts lack them, left out of labor_cost"


def test_a_day_that_is_not_landed_is_not_zero() -> None:
    """LV-04: clock entries that nobody has read are not known; cars are."""
    clocked = ClockedDays(landed({}), [])
    [row] = labor_daily(clocked, site_days(MAIN=(90, "1200.00")), sites(MAIN=CHICAGO), [TUESDAY]).to_pylist()
    figures = {name: value for name, value in row.items() if name not in {"site", "business_date", "unknown"}}
    assert {name for name, value in figures.items() if value is not None} == {"total_cars", "sales"}
    assert row["unknown"] == "clock_entries: not landed: 2026-03-10"


def test_a_day_that_was_not_over_is_not_known_there() -> None:
    """LV-04: read at one in the morning in Chicago, when it was eleven in the evening in Los Angeles."""
    early = datetime(2026, 3, 11, 6, tzinfo=UTC)
    entries = [entry(1, EIGHT, FIVE), entry(2, EIGHT, FIVE, siteCode="WEST")]
    clocked = ClockedDays(landed({TUESDAY: file_of(entries, early)}), [TUESDAY], {TUESDAY: early})
    listed = sites(MAIN=CHICAGO, WEST="America/Los_Angeles")
    main, west = labor_daily(clocked, site_days(MAIN=(9, "90.00")), listed, [TUESDAY], CHICAGO).to_pylist()
    assert (main["labor_hours"], main["unknown"]) == (Decimal(9), None)
    assert (west["shifts"], west["labor_hours"], west["labor_cost"]) == (None, None, None)
    assert west["unknown"] == f"{NOT_OVER}; {NO_CARS}"


def test_a_site_whose_cars_are_not_known() -> None:
    """Hours and cost are shown, what needs cars or sales is null with a reason."""
    [row] = counted([entry(1, EIGHT, FIVE)], site_days())
    assert (row["labor_hours"], row["labor_cost"]) == (Decimal(9), Decimal("135.00"))
    assert (row["cars_per_labor_hour"], row["labor_cost_per_car"], row["labor_share"]) == (None, None, None)
    assert row["unknown"] == NO_CARS


def test_shifts_without_a_site_have_a_row_of_their_own() -> None:
    """They are nobody's cars, and the online store, whose code is empty as well, is not given them."""
    none, main = counted([entry(1, EIGHT, FIVE, siteCode=None)], site_days(MAIN=(9, "90.00"), **{"": (5, "50.00")}))
    assert (none["site"], none["labor_hours"], none["total_cars"], none["unknown"]) == ("", Decimal(9), None, NO_SITE)
    assert (main["labor_hours"], main["labor_cost_per_car"], main["labor_share"]) == (0, 0, 0)


def test_without_a_list_of_sites_the_transactions_say_which_there_are() -> None:
    """As in the other marts; an unlisted site's shifts keep its code."""
    clocked = ClockedDays(landed({TUESDAY: file_of([entry(1, EIGHT, FIVE)], READ_AT)}), [TUESDAY])
    listed = sites()
    rows = labor_daily(clocked, site_days(MAIN=(9, "90.00"), WEST=(1, "5.00")), listed, [TUESDAY]).to_pylist()
    assert [(row["site"], row["labor_hours"], row["total_cars"]) for row in rows] == [
        ("MAIN", Decimal(9), 9), ("WEST", Decimal(0), 1),
    ]  # fmt: skip


def test_no_day_is_no_row() -> None:
    """The columns are there."""
    table = labor_daily(ClockedDays(landed({}), []), site_days(), sites(), [])
    assert table.num_rows == 0
    assert table.schema == LABOR_DAILY
