"""RS-03; KPIS "Tender mix", "Discounts", "Item mix": how customers paid, what was taken off, what was sold."""

from datetime import date
from decimal import Decimal

import pytest

from sonnys_pipeline.marts.kpi_columns import DISCOUNT_MIX, ITEM_MIX, TENDER_MIX
from sonnys_pipeline.marts.mixes import discount_mix, item_mix, tender_mix
from sonnys_pipeline_tests.support.tickets import line, off, paid, rows, sites, ticket

CHICAGO = "America/Chicago"
TUESDAY, WEDNESDAY = date(2026, 3, 10), date(2026, 3, 11)
NOON = "2026-03-10T17:00:00Z"
DAYS = {
    "sites": sites(MAIN=CHICAGO, MESA="America/Phoenix"),
    "business_dates": [TUESDAY],
    "landed": [TUESDAY, WEDNESDAY],
    "timezone": CHICAGO,
}


def test_tenders_by_kind_and_sub_type() -> None:
    """Sums are exact; a void tender stands under its own name; another day's tenders are left out."""
    table = tender_mix(
        rows(
            ticket(1, NOON, tenders=[paid(0.1), paid(0.2)]),
            ticket(2, NOON, tenders=[paid(20.0, "Credit", "Visa"), paid(-20.0, "Void"), paid(20.0)]),
            ticket(3, NOON, tenders=[paid(9.99, "Credit", "Amex")]),
            ticket(4, NOON, "MESA", tenders=[]),
            ticket(5, "2026-03-11T17:00:00Z", tenders=[paid(99.0)]),
        ),
        **DAYS,
    ).table
    assert table.schema == TENDER_MIX
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("MAIN", TUESDAY, "Cash", None, 3, Decimal("20.30")),
        ("MAIN", TUESDAY, "Credit", "Amex", 1, Decimal("9.99")),
        ("MAIN", TUESDAY, "Credit", "Visa", 1, Decimal("20.00")),
        ("MAIN", TUESDAY, "Void", None, 1, Decimal("-20.00")),
    ]


def test_discounts_by_name_and_share_of_gross() -> None:
    """Gross is that of all items of the day that are not voided, discounted or not: 50.00 here."""
    table = discount_mix(
        rows(
            ticket(1, NOON, items=[line(price=20.0), line(price=7.0, isVoided=True)], discount=[off(3.0), off(2.0)]),
            ticket(2, NOON, items=[line(price=30.0)], discount=[off(0.5, "App")]),
            ticket(3, NOON, "MESA", items=[line(price=100.0)]),
            ticket(4, "2026-03-11T17:00:00Z", items=[line(price=1000.0)], discount=[off(9.0)]),
        ),
        **DAYS,
    ).table
    assert table.schema == DISCOUNT_MIX
    assert [tuple(row.values()) for row in table.to_pylist()] == [
        ("MAIN", TUESDAY, "App", 1, Decimal("0.50"), 0.01),
        ("MAIN", TUESDAY, "Early Bird", 2, Decimal("5.00"), 0.1),
    ]


def test_a_discount_on_nothing_has_no_share() -> None:
    """Gross of 0 gives a share of 0."""
    table = discount_mix(rows(ticket(1, NOON, items=[], discount=[off(1.0)])), **DAYS).table
    assert table["share_of_gross"].to_pylist() == [0.0]


def items_of(table) -> dict:
    """Item → its row, of a table with one site and day."""
    return {row["item"]: row for row in table.to_pylist()}


def test_items_by_department_and_number() -> None:
    """Pieces and dollars add up; a voided line is in the columns of its own only; an empty number is none."""
    table = item_mix(
        rows(
            ticket(1, NOON, items=[line(price=20.0, sku="W1", discount=2.0, net=18.0), line("Shop", 3.0, quantity=2)]),
            ticket(2, NOON, items=[line(price=20.0, sku="W1"), line("Shop", 5.0, isVoided=True, sku="")]),
            ticket(3, NOON, items=[line(price=20.0, sku="W1", net=-1.0, quantity=-1, gross=-1.0)], type="Return"),
            ticket(4, NOON, "MESA", items=[]),
            ticket(5, "2026-03-11T17:00:00Z", items=[line(price=1000.0)]),
        ),
        **DAYS,
    ).table
    assert table.schema == ITEM_MIX
    assert set(table["site"].to_pylist()) == {"MAIN"}
    found = items_of(table)
    assert found["Wash"] == {
        "site": "MAIN", "business_date": TUESDAY, "department": "Wash", "item": "Wash", "sku": "W1", "quantity": 1,
        "gross": Decimal("39.00"), "discount": Decimal("2.00"), "net": Decimal("37.00"), "share_of_net": 0.925,
        "voided_quantity": 0, "voided_gross": Decimal("0.00"), "voided_discount": Decimal("0.00"),
        "voided_net": Decimal("0.00"), "unknown": None,
    }  # fmt: skip
    shop = found["Shop"]
    assert (shop["sku"], shop["quantity"], shop["net"], shop["share_of_net"]) == (None, 2, Decimal("3.00"), 0.075)
    assert (shop["voided_quantity"], shop["voided_gross"], shop["voided_net"]) == (1, Decimal("5.00"), Decimal("5.00"))


def test_a_share_of_nothing_is_not_known() -> None:
    """A day whose items have no net gives null and the reason, not a share of 0."""
    table = item_mix(rows(ticket(1, NOON, items=[line(price=4.0), line("Shop", -4.0)])), **DAYS).table
    assert table["share_of_net"].to_pylist() == [None, None]
    assert set(table["unknown"].to_pylist()) == {"share_of_net: the items of this day have a net of 0.00 together"}


@pytest.mark.parametrize(
    ("mix", "schema"), [(tender_mix, TENDER_MIX), (discount_mix, DISCOUNT_MIX), (item_mix, ITEM_MIX)]
)
def test_days_that_are_not_complete_are_left_out(mix, schema) -> None:
    """They are named instead."""
    mart = mix(rows(ticket(1, NOON, discount=[off(1.0)])), **{**DAYS, "timezone": "UTC", "landed": [TUESDAY]})
    assert (mart.table.num_rows, mart.table.schema) == (0, schema)
    assert [(day.site, day.missing) for day in mart.missing] == [("MAIN", (WEDNESDAY,)), ("MESA", (WEDNESDAY,))]
