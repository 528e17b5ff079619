"""KPIS "Cars per hour": site-local hours, also on the days when clocks are changed."""

from datetime import date
from decimal import Decimal

from sonnys_pipeline.marts.kpi_columns import SITE_HOUR_KPIS
from sonnys_pipeline.marts.kpis import site_day_kpis, site_hour_kpis
from sonnys_pipeline_tests.support.tickets import rows, sites, ticket

CHICAGO = "America/Chicago"
CHAIN = sites(MAIN=CHICAGO)
REDEMPTION = {"isRecurringPlanRedemption": True}


def hours(day: date, *tickets, listed=CHAIN, timezone: str = CHICAGO):
    """Site and hour → (minutes, cars, sales), where there is a car, a sale or an odd hour."""
    table = site_hour_kpis(rows(*tickets), listed, [day], landed=[day], timezone=timezone).table
    assert table.schema == SITE_HOUR_KPIS
    by_hour = {(row["site"], row["hour"]): (row["minutes"], row["cars"], row["sales"]) for row in table.to_pylist()}
    assert len(by_hour) == table.num_rows
    return {key: found for key, found in by_hour.items() if found != (60, 0, 0)}, table


def test_a_day_has_all_hours() -> None:
    """0 to 23 in order, with the cars and sales of each; a redemption is a car and no sale."""
    found, table = hours(
        date(2026, 3, 10),
        ticket(1, "2026-03-10T05:00:00Z"),
        ticket(2, "2026-03-10T17:59:59.999Z"),
        ticket(3, "2026-03-10T17:00:00Z", **REDEMPTION),
        ticket(4, "2026-03-11T04:59:59Z", total=0.07),
    )
    assert table["hour"].to_pylist() == list(range(24))
    assert set(table["business_date"].to_pylist()) == {date(2026, 3, 10)}
    assert found == {
        ("MAIN", 0): (60, 1, Decimal(10)),
        ("MAIN", 12): (60, 2, Decimal(10)),
        ("MAIN", 23): (60, 1, Decimal("0.07")),
    }


def test_the_hour_that_is_skipped_has_no_minutes() -> None:
    """02:00 does not exist on 2026-03-08: 07:59 UTC is 01:59, 08:00 UTC is 03:00."""
    found, table = hours(date(2026, 3, 8), ticket(1, "2026-03-08T07:59:00Z"), ticket(2, "2026-03-08T08:00:00Z"))
    assert table.num_rows == 24
    assert found == {("MAIN", 1): (60, 1, Decimal(10)), ("MAIN", 2): (0, 0, 0), ("MAIN", 3): (60, 1, Decimal(10))}


def test_the_hour_that_comes_twice_holds_both() -> None:
    """06:30 and 07:30 UTC are both 01:30 on 2026-11-01."""
    found, table = hours(date(2026, 11, 1), ticket(1, "2026-11-01T06:30:00Z"), ticket(2, "2026-11-01T07:30:00Z"))
    assert table.num_rows == 24
    assert found == {("MAIN", 1): (120, 2, Decimal(20))}


def test_rows_without_a_site_go_by_the_pipelines_clocks() -> None:
    """They have all hours too, on days when they have tickets."""
    found, table = hours(date(2026, 3, 10), ticket(1, "2026-03-10T17:00:00Z", ""), timezone="Asia/Tokyo")
    assert table.num_rows == 0  # 02:00 of the next day in Tokyo
    found, table = hours(date(2026, 3, 11), ticket(1, "2026-03-10T17:00:00Z", ""), timezone="Asia/Tokyo")
    assert table.num_rows == 24
    assert found == {("", 2): (60, 1, Decimal(10))}


def test_the_same_days_as_the_daily_table() -> None:
    """Rows of both agree on which site days there are, and which are missing."""
    day, tickets = date(2026, 3, 10), rows(ticket(1, "2026-03-10T17:00:00Z", ""))
    daily = site_day_kpis(tickets, CHAIN, [day], landed=[day])
    hourly = site_hour_kpis(tickets, CHAIN, [day], landed=[day])
    assert daily.missing == hourly.missing
    assert daily.table["site"].to_pylist() == [""] == sorted(set(hourly.table["site"].to_pylist()))
