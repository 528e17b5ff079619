"""RB-01, docs/kpis.md: whatever the model lets through, every mart counts.

One type of money from model to SQL: sums are compared with `Decimal`, to the cent, up to the largest amount there is.
"""

from collections.abc import Callable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonnys_pipeline.lake.money import MAX_AMOUNT
from sonnys_pipeline.marts import flat_tables as tables
from sonnys_pipeline.marts.kpis import DAILY_SALES_INPUT, daily_sales, sales_total, site_day_kpis, site_hour_kpis
from sonnys_pipeline.marts.memberships import membership_daily
from sonnys_pipeline.marts.mixes import discount_mix, item_mix, tender_mix
from sonnys_pipeline.marts.site_days import Mart
from sonnys_pipeline.quality import rules as quality
from sonnys_pipeline_tests.support.tickets import line, off, paid, rows, sites, ticket

DAY = date(2026, 3, 10)
NOON = "2026-03-10T17:00:00Z"
DAYS: dict[str, Any] = {"sites": sites(MAIN="UTC"), "business_dates": [DAY], "landed": [DAY]}
MARTS = (site_day_kpis, site_hour_kpis, membership_daily, tender_mix, discount_mix, item_mix)
FLAT = (tables.line_items, tables.tenders, tables.discounts)
LOOKS = (quality.tender_differences, quality.line_item_differences, quality.absurd_amounts)

#: Stands beside a row with an amount out of range.
NEIGHBOUR = ticket(8, NOON, total=12.5)

#: Any double that is an amount: whole cents, parts of a cent, the edges, both zeros, the smallest numbers there are.
AMOUNTS = st.one_of(
    st.floats(-MAX_AMOUNT, MAX_AMOUNT, allow_nan=False),
    st.integers(-(10**9), 10**9).map(lambda cents: cents / 100),
    st.sampled_from([float(MAX_AMOUNT), -float(MAX_AMOUNT), 0.0, -0.0, 5e-324, 0.005, 1.005, 2.675]),
)
BEYOND = st.one_of(
    st.floats(min_value=MAX_AMOUNT, exclude_min=True, allow_infinity=False),
    st.floats(max_value=-MAX_AMOUNT, exclude_max=True, allow_infinity=False),
    st.sampled_from([1e16, 9.99e15, -1e300, 1.7976931348623157e308]),
)
TEXT = st.text(max_size=4)
FLAG = st.sampled_from([None, True, False])


@st.composite
def tickets(draw: st.DrawFn, number: int) -> dict[str, Any]:
    """Fields of a row, on the wire: money as wild as the model lets it be, flags and status as they come."""
    items = [
        line(
            draw(st.sampled_from(["Wash", "Recurring Plan", "Merchandise"])),
            draw(AMOUNTS), net=draw(AMOUNTS), discount=draw(AMOUNTS), tax=draw(AMOUNTS), additionalFee=draw(AMOUNTS),
            isVoided=draw(st.booleans()),
        )
        for _ in range(draw(st.integers(0, 2)))
    ]  # fmt: skip
    tenders = [
        {
            **paid(draw(AMOUNTS), draw(st.sampled_from(["Cash", "Void"]))),
            "amount": draw(AMOUNTS),
            "change": draw(AMOUNTS),
        }
        for _ in range(draw(st.integers(0, 2)))
    ]
    return {
        "number": number,
        "total": draw(AMOUNTS),
        "type": draw(st.sampled_from(["Sale", "Return", "Rewash"])),
        "items": items,
        "tenders": tenders,
        "discount": [off(draw(AMOUNTS), draw(TEXT)) for _ in range(draw(st.integers(0, 2)))],
        "isRecurringSale": draw(st.booleans()),
        "isRecurringPayment": draw(st.booleans()),
        "isRecurringRedemption": draw(st.booleans()),
        "isPrepaidSale": draw(st.booleans()),
        "isRecurringPlanSale": draw(FLAG),
        "isRecurringPlanRedemption": draw(FLAG),
        "transactionStatus": draw(st.sampled_from([None, "Completed", "Voided", "Suspended"])),
        "salesDeviceName": draw(st.sampled_from([None, "Lane 1", "E-Comm 2"])),
    }


#: A dozen at once, since it is the queries that take time, not the rows.
DAYS_OF_TICKETS = st.tuples(*(tickets(number) for number in range(12)))


def table_of(found: tuple[dict[str, Any], ...]) -> pa.Table:
    return rows(*(ticket(at=NOON, **fields) for fields in found))


@cache
def alone(count: Callable[..., Mart]) -> pa.Table:
    """What a mart counts of the neighbour alone, which is the same each time."""
    return count(rows(NEIGHBOUR), **DAYS).table


def cents(amount: float) -> Decimal:
    """As DuckDB rounds a double: half away from zero, by the double's own value to the second place."""
    return Decimal(amount).quantize(Decimal("0.01"), ROUND_HALF_UP)


def redeemed(fields: dict[str, Any]) -> bool:
    flag = fields["isRecurringPlanRedemption"]
    return bool(fields["isRecurringRedemption"] if flag is None else flag)


@pytest.mark.no_cover
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(DAYS_OF_TICKETS)
def test_whatever_the_model_lets_through_is_counted(found: tuple[dict[str, Any], ...]) -> None:
    """Every mart, flat table and check takes it; no row is left out, and sales are right to a cent a row."""
    table = table_of(found)
    [day] = site_day_kpis(table, **DAYS).table.to_pylist()
    assert day["transactions"] == len(found)
    assert "left out" not in (day["unknown"] or "")
    sold = [fields for fields in found if not redeemed(fields)]
    expected = sum((cents(fields["total"]) for fields in sold), Decimal(0))
    assert abs(day["sales"] - expected) <= Decimal("0.01") * len(sold)  # half a cent may round either way in binary
    assert day["sales"] == day["plan_sales"] + day["retail_sales"]
    assert Decimal(repr(sales_total(table))) == day["sales"]
    for count in MARTS:
        count(table, **DAYS)
    for flat in FLAT:
        flat(table)
    for look in LOOKS:
        look(table)
    dated = table.select(list(DAILY_SALES_INPUT)).append_column("date", pa.array([DAY] * table.num_rows, pa.date32()))
    assert sum(daily_sales(dated)["transactions"].to_pylist()) == len(found)


@pytest.mark.no_cover
@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tickets(7), BEYOND, st.sampled_from(["total", "items", "tenders", "discount"]))
def test_what_an_older_lake_holds_is_left_out_and_named(fields: dict[str, Any], amount: float, where: str) -> None:
    """An amount beyond the largest, anywhere on a row: nothing fails, its neighbour counts, and its id is named."""
    absurd: Any = {"total": amount, "items": [line(tax=amount)], "tenders": [paid(amount)], "discount": [off(amount)]}
    table = rows(ticket(at=NOON, **{**fields, where: absurd[where]}), NEIGHBOUR)
    [day] = site_day_kpis(table, **DAYS).table.to_pylist()
    assert (day["transactions"], day["sales"]) == (1, Decimal("12.50"))
    assert day["unknown"] == "left out of every figure, having an amount beyond 10,000,000 dollars: 7:1"
    for count in MARTS:
        whole, without = count(table, **DAYS).table, alone(count)
        columns = [name for name in whole.column_names if name != "unknown"]
        assert whole.select(columns).equals(without.select(columns))
    for flat in FLAT:
        assert flat(table)["transaction_id"].to_pylist().count("8:1") == flat(rows(NEIGHBOUR)).num_rows
    assert quality.absurd_amounts(table).ids == ("7:1",)
    assert quality.tender_differences(table).passed
    assert quality.line_item_differences(table).passed


def test_a_site_that_has_nothing_but_such_a_row_is_shown() -> None:
    """The online store has rows only where it sold: the day on which everything is left out is not silent."""
    table = rows(ticket(1, NOON, "", total=1e16))
    [day] = [row for row in site_day_kpis(table, **DAYS).table.to_pylist() if row["site"] == ""]
    assert (day["transactions"], day["sales"]) == (0, Decimal(0))
    assert day["unknown"].endswith("1:1")


def test_many_such_rows_are_counted_and_three_are_named() -> None:
    """A broken file does not fill the page."""
    table = rows(*(ticket(number, NOON, total=1e16) for number in range(1, 6)))
    [day] = site_day_kpis(table, **DAYS).table.to_pylist()
    assert day["unknown"].endswith("dollars: 1:1, 2:1, 3:1 and 2 more")


@pytest.mark.parametrize("amount", [MAX_AMOUNT, -MAX_AMOUNT])
def test_the_largest_amount_is_one(amount: int) -> None:
    """Included on both sides."""
    [day] = site_day_kpis(rows(ticket(1, NOON, total=float(amount))), **DAYS).table.to_pylist()
    assert day["sales"] == amount
