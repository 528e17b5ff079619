"""KT-04: the main figures by site and hour are those of the daily mart, whole or until an instant."""

from datetime import UTC, date, datetime

from sonnys_pipeline.marts.kpis import site_day_kpis, site_hour_kpis
from sonnys_pipeline.marts.so_far import SITE_HOURS_SO_FAR, site_hours_so_far
from sonnys_pipeline_tests.support.tickets import rows, sites, ticket

CHAIN = sites(MAIN="America/Chicago", MESA="America/Denver")
DAY = date(2026, 3, 10)
LANDED = [date(2026, 3, 10), date(2026, 3, 11)]
REDEMPTION = {"isRecurringPlanRedemption": True}
NEW = {"isRecurringPlanSale": True, "isRecurringSale": True}
TICKETS = rows(
    ticket(1, "2026-03-10T15:30:00Z", total=12.34),
    ticket(2, "2026-03-10T15:45:00Z", **REDEMPTION),
    ticket(3, "2026-03-10T16:00:00Z", total=0.0),
    ticket(4, "2026-03-10T16:30:00Z", total=29.99, **NEW),
    ticket(5, "2026-03-10T16:30:00Z", "MESA", total=20.0),
    ticket(6, "2026-03-10T17:10:00Z", "MESA", **NEW),
    ticket(7, "2026-03-10T17:10:00Z", ""),
)


def count(**until: datetime):
    mart = site_hours_so_far(TICKETS, CHAIN, [DAY], landed=LANDED, until=until)
    assert mart.table.schema == SITE_HOURS_SO_FAR
    return mart.table.to_pylist()


def test_the_hours_of_a_day_add_up_to_the_daily_mart() -> None:
    """Each figure under the same name, at each site; cars and sales by hour as in the hourly mart."""
    hours = count()
    daily = site_day_kpis(TICKETS, CHAIN, [DAY], landed=LANDED).table.to_pylist()
    names = set(SITE_HOURS_SO_FAR.names) - {"site", "business_date", "hour"}
    assert {row["site"] for row in hours} == {row["site"] for row in daily} == {"MAIN", "MESA", ""}
    for day in daily:
        own = [row for row in hours if row["site"] == day["site"]]
        assert {name: sum(row[name] for row in own) for name in names} == {name: day[name] for name in names}
    hourly = site_hour_kpis(TICKETS, CHAIN, [DAY], landed=LANDED).table.to_pylist()
    busy = {(row["site"], row["hour"]): (row["cars"], row["sales"]) for row in hourly if row["cars"] or row["sales"]}
    assert {(row["site"], row["hour"]): (row["total_cars"], row["sales"]) for row in hours} == busy


def test_until_an_instant_only_earlier_rows_count() -> None:
    """At the sites that have one; half-open."""
    hours = count(MAIN=datetime(2026, 3, 10, 16, 30, tzinfo=UTC))
    assert {row["site"]: row["transactions"] for row in hours if row["hour"] == 11 - (row["site"] == "MESA")} == {
        "MAIN": 1,
        "MESA": 1,
    }
    assert sum(row["transactions"] for row in hours) == 6


def test_a_site_without_rows_so_far_has_no_hours() -> None:
    """Nor has a day that is not landed; that one is named."""
    assert "MAIN" not in {row["site"] for row in count(MAIN=datetime(2026, 3, 10, 15, tzinfo=UTC))}
    mart = site_hours_so_far(TICKETS, CHAIN, [date(2026, 3, 12)], landed=LANDED)
    assert mart.table.num_rows == 0
    assert {one.site for one in mart.missing} == {"MAIN", "MESA"}
