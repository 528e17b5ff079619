"""KPIS "Member washes", "New memberships", "Conversion rate": memberships sold, recharged and used by site and day."""

from datetime import date
from decimal import Decimal

from sonnys_pipeline.marts.kpi_columns import MEMBERSHIP_DAILY
from sonnys_pipeline.marts.kpis import site_day_kpis
from sonnys_pipeline.marts.memberships import membership_daily
from sonnys_pipeline_tests.support.tickets import line, rows, sites, ticket

CHICAGO = "America/Chicago"
TUESDAY = date(2026, 3, 10)
NOON = "2026-03-10T17:00:00Z"
PLAN = line("Recurring Plan")
TICKETS = rows(
    ticket(1, NOON),
    ticket(2, NOON, total=0.0),
    ticket(3, NOON, isRecurringRedemption=True, isRecurringPlanRedemption=None),
    ticket(4, NOON, isRecurringRedemption=True, isRecurringPlanRedemption=True),
    ticket(5, NOON, total=29.99, items=[PLAN, line()], isRecurringSale=True, isRecurringPlanSale=True),
    ticket(6, NOON, total=5.0, items=[PLAN], isRecurringPlanSale=True),
    ticket(7, NOON, total=24.99, items=[PLAN], isRecurringPayment=True),
    ticket(8, NOON, total=0.02, items=[PLAN], isRecurringPayment=True),
)
DAYS = {"sites": sites(MAIN=CHICAGO), "business_dates": [TUESDAY], "landed": [TUESDAY], "timezone": CHICAGO}


def test_a_day_of_memberships() -> None:
    """One sold and one upgraded, two recharged, two of four cars that are not free are members'."""
    table = membership_daily(TICKETS, **DAYS).table
    assert table.schema == MEMBERSHIP_DAILY
    assert table.to_pylist() == [
        {
            "site": "MAIN",
            "business_date": TUESDAY,
            "new_memberships": 1,
            "plan_upgrades": 1,
            "plan_sales": Decimal("34.99"),
            "recharges": 2,
            "recharge_sales": Decimal("25.01"),
            "member_washes": 2,
            "total_cars": 5,
            "member_share": 0.4,
            "eligible_washes": 2,
            "conversion_rate": 0.5,
            "unknown": None,
        }
    ]


def test_shared_figures_equal_those_of_the_day() -> None:
    """What both tables have, they have alike."""
    shared = ["new_memberships", "plan_sales", "member_washes", "total_cars", "eligible_washes", "conversion_rate"]
    memberships = membership_daily(TICKETS, **DAYS).table.select(shared)
    assert memberships.to_pylist() == site_day_kpis(TICKETS, **DAYS).table.select(shared).to_pylist()


def test_a_first_payment_with_the_sale_is_no_recharge() -> None:
    """A plan that is sold and paid on one ticket is one sale, and its wash is a car."""
    first = ticket(
        1, NOON, items=[PLAN, line()], isRecurringSale=True, isRecurringPlanSale=True, isRecurringPayment=True
    )
    [row] = membership_daily(rows(first), **DAYS).table.to_pylist()
    assert (row["new_memberships"], row["recharges"], row["total_cars"]) == (1, 0, 1)


def test_a_closed_day_is_zeros() -> None:
    """Shares too."""
    [row] = membership_daily(rows(), **DAYS).table.to_pylist()
    assert row.pop("unknown") is None
    assert {value for name, value in row.items() if name not in {"site", "business_date"}} == {0}
