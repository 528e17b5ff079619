"""DG-02, downstream: KPIS "Total cars" and "Sales" (B), on ten tickets that a person can count."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from sonnys_pipeline.client import TransactionJobItem
from sonnys_pipeline.lake.schema import TRANSACTIONS, to_table
from sonnys_pipeline.marts.kpis import DAILY_SALES, DAILY_SALES_INPUT, daily_sales, sales_total

MAIN, MESA = "MAIN", "MESA"
TUESDAY, WEDNESDAY = date(2026, 3, 10), date(2026, 3, 11)
Row = dict[str, Any]


def line(department: str, *, voided: bool = False) -> Row:
    return {
        "name": department, "sku": None, "department": department, "quantity": 1, "gross": 10.0, "net": 10.0,
        "discount": 0.0, "tax": 0.0, "additionalFee": 0.0, "isVoided": voided,
    }  # fmt: skip


WASH, PLAN = line("Wash"), line("Recurring Plan")

#: (day, site, total, items, v2 redemption flag, older flag), with what it counts as.
TICKETS: list[tuple[date, str, float, list[Row], bool | None, bool]] = [
    (TUESDAY, MAIN, 19.49, [WASH], False, False),  # retail wash: a car, a sale
    (TUESDAY, MAIN, 0.0, [WASH], True, True),  # member wash: a car, no sale
    (TUESDAY, MAIN, 5.0, [line("Add On")], None, True),  # redemption, v2 flag missing, no wash on it: a car, no sale
    (TUESDAY, MAIN, 18.0, [line("Wash", voided=True), line("Merchandise")], False, False),  # voided wash: a sale only
    (TUESDAY, MAIN, 49.99, [PLAN, WASH], False, False),  # plan sale that is also a wash: a car, a sale
    (TUESDAY, MAIN, 39.99, [PLAN], None, False),  # recurring recharge: a sale only
    (TUESDAY, MAIN, -18.01, [line("Prepaid Wash"), line("GiftCard")], False, False),  # return of prepaid: lowers sales
    (TUESDAY, MESA, 0.1, [WASH, WASH], False, False),  # two washes on one ticket: one car
    (TUESDAY, MESA, 0.2, [line("Wash", voided=True), WASH], False, True),  # v2 flag wins over the older one: a sale
    (WEDNESDAY, MAIN, 7.0, [], False, False),  # no items at all: a sale only
]


@pytest.fixture
def landed(make_item: Callable[..., TransactionJobItem]) -> pa.Table:
    """The tickets as the lake hands them out: columns of `transactions`, with the day first."""
    items = [
        make_item(
            number,
            locationCode=site,
            total=total,
            items=lines,
            isRecurringPlanRedemption=flag,
            isRecurringRedemption=older,
        )
        for number, (_, site, total, lines, flag, older) in enumerate(TICKETS)
    ]
    days = pa.array([ticket[0] for ticket in TICKETS], pa.date32())
    return to_table(items, TRANSACTIONS).add_column(0, "date", days)


def test_cars_and_sales_as_counted_by_hand(landed: pa.Table) -> None:
    """Per site and day; sales are those of rows that are no redemptions, exact to the cent."""
    table = daily_sales(landed)
    assert table.schema == DAILY_SALES
    assert table.to_pylist() == [
        # 19.49 + 18.00 + 49.99 + 39.99 - 18.01; cars: retail, member, redemption, plan sale with wash
        {"site": MAIN, "business_date": TUESDAY, "cars": 4, "sales": Decimal("109.46"), "transactions": 7},
        {"site": MAIN, "business_date": WEDNESDAY, "cars": 0, "sales": Decimal("7.00"), "transactions": 1},
        # 0.10 + 0.20 is 0.30, not 0.30000000000000004
        {"site": MESA, "business_date": TUESDAY, "cars": 2, "sales": Decimal("0.30"), "transactions": 2},
    ]


def test_the_named_columns_are_enough(landed: pa.Table) -> None:
    """Whoever reads only `DAILY_SALES_INPUT` and the day gets the same numbers."""
    assert daily_sales(landed.select(["date", *DAILY_SALES_INPUT])).equals(daily_sales(landed))


def test_only_redemptions_sell_nothing(landed: pa.Table) -> None:
    """A day of member washes has cars, and sales of 0.00, not of null."""
    assert daily_sales(landed.slice(1, 1)).to_pylist() == [
        {"site": MAIN, "business_date": TUESDAY, "cars": 1, "sales": Decimal("0.00"), "transactions": 1}
    ]


def test_no_rows_are_no_sites(landed: pa.Table) -> None:
    """An empty day has the columns and no rows."""
    table = daily_sales(landed.slice(0, 0))
    assert (table.num_rows, table.schema) == (0, DAILY_SALES)


def test_cents_stay_exact_over_many_rows(landed: pa.Table) -> None:
    """A hundred thousand tickets of 0.07 make 7,000.00: doubles would drift."""
    many = landed.select(["date", *DAILY_SALES_INPUT]).slice(0, 1)
    many = many.set_column(many.schema.get_field_index("total"), "total", pa.array([0.07]))
    many = many.take(pa.array([0] * 100_000))
    assert daily_sales(many)["sales"].to_pylist() == [Decimal("7000.00")]
    assert sales_total(many) == 7000.0


def test_every_amount_of_cents_is_exact(landed: pa.Table) -> None:
    """Whatever double a cent amount became on the wire: it is those cents again, ticket by ticket."""
    cents = list(range(-20_000, 200_000, 7))
    one = landed.select(["date", *DAILY_SALES_INPUT]).slice(0, 1).take(pa.array([0] * len(cents)))
    one = one.set_column(one.schema.get_field_index("total"), "total", pa.array([amount / 100 for amount in cents]))
    one = one.set_column(one.schema.get_field_index("location_code"), "location_code", pa.array(map(str, cents)))
    sales = {row["site"]: row["sales"] for row in daily_sales(one).to_pylist()}
    assert sales == {str(amount): Decimal(amount) / 100 for amount in cents}


def test_a_cent_shows_beside_any_amount(landed: pa.Table) -> None:
    """Sums are made in decimals: a cent is not lost between amounts that cancel each other out."""
    many = landed.select(["date", *DAILY_SALES_INPUT]).slice(0, 1).take(pa.array([0, 0, 0]))
    many = many.set_column(many.schema.get_field_index("total"), "total", pa.array([9_999_999.99, 0.01, -9_999_999.99]))
    assert daily_sales(many)["sales"].to_pylist() == [Decimal("0.01")]
    assert sales_total(many) == 0.01


def test_the_total_is_that_of_all_sites_and_days(landed: pa.Table) -> None:
    """`sales_total` is the sum of `daily_sales`: redemptions left out; 0 without rows."""
    assert sales_total(landed) == 116.76 == float(sum(daily_sales(landed)["sales"].to_pylist()))
    assert sales_total(landed.slice(0, 0)) == 0.0


def test_kpis_leave_their_input_alone(landed: pa.Table) -> None:
    """Pure functions: the same table twice gives the same answer."""
    assert daily_sales(landed).equals(daily_sales(landed))
