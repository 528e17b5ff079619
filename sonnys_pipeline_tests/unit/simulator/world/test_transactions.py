"""What rows contain: every kind of sale, money that adds up, and the quirks of the live API.

Covers the contract, "A row" and the rows that each KPI needs to be told apart.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest

from sonnys_pipeline.simulator import World

START = datetime(2026, 9, 1, tzinfo=UTC)
BOTH = pytest.mark.parametrize("rows", ["live", "documented"], indirect=True)
DETAIL_FIELDS = {
    "id", "number", "type", "completeDate", "locationCode", "salesDeviceName", "total", "tenders", "items",
    "customerName", "vehicleLicensePlate", "employeeCashier", "employeeGreeter", "discount", "isRecurringPayment",
    "isRecurringRedemption", "isRecurringSale", "isPrepaidRedemption", "isPrepaidSale",
}  # fmt: skip
NEWER_FIELDS = {"customerId", "isRecurringPlanSale", "isRecurringPlanRedemption", "transactionStatus"}
EXCLUSIVE_FLAGS = (
    "isRecurringPayment",
    "isRecurringRedemption",
    "isRecurringSale",
    "isPrepaidRedemption",
    "isPrepaidSale",
)


@cache
def live() -> list[dict]:
    """15 days as the live API sends them. Made when a test asks: each worker imports this file, and one runs it."""
    return list(World(seed=3, virtual_rows=True).rows(START, START + timedelta(days=15)))


@cache
def documented() -> list[dict]:
    """15 days as the vendor's document has them."""
    return list(World(seed=3, api="documented", virtual_site=True).rows(START, START + timedelta(days=15)))


@pytest.fixture
def rows(request: pytest.FixtureRequest) -> list[dict]:
    return {"live": live, "documented": documented}[request.param]()


def is_wash(row: dict) -> bool:
    return any(item["department"] == "Wash" and not item["isVoided"] for item in row["items"])


def is_overpaid(row: dict) -> bool:
    """More was paid than the items cost (L9)."""
    return row["total"] > 0 and cost_of_items(row) < round(row["total"] * 100)


def cost_of_items(row: dict) -> int:
    """What the items that are not voided cost, in cents."""
    return sum(
        round((item["gross"] - item["discount"] + item["tax"]) * 100) for item in row["items"] if not item["isVoided"]
    )


def test_every_row_has_the_contracts_fields_and_no_other():
    assert len(live()) > 10_000
    assert all(row.keys() == DETAIL_FIELDS | NEWER_FIELDS for row in live())
    for row in documented():
        assert row.keys() >= DETAIL_FIELDS
        assert row.keys() - DETAIL_FIELDS <= NEWER_FIELDS


@BOTH
def test_tenders_sum_to_the_total(rows):
    for row in rows:
        assert sum(round(tender["total"] * 100) for tender in row["tenders"]) == round(row["total"] * 100), row
        for tender in row["tenders"]:
            assert round((tender["amount"] + tender["change"]) * 100) == round(tender["total"] * 100)


@BOTH
def test_items_that_are_not_voided_sum_to_the_total(rows):
    for row in rows:
        for item in row["items"]:
            assert round((item["gross"] - item["discount"]) * 100) == round(item["net"] * 100)
        if rows is documented() or not is_overpaid(row):
            assert cost_of_items(row) == round(row["total"] * 100), row


def test_less_than_one_in_a_hundred_pays_more_than_it_costs():
    overpaid = [row for row in live() if is_overpaid(row)]
    assert 0.001 < len(overpaid) / len(live()) < 0.01
    for row in overpaid:
        assert row["transactionStatus"] == "Completed"
        assert [(tender["total"], tender["change"]) for tender in row["tenders"]] == [(row["total"], 0.0)]
        # Else no reader could tell it from an item that is missing: whether a fee comes on top is not documented.
        fee = sum(round(item["additionalFee"] * 100) for item in row["items"])
        assert cost_of_items(row) + fee < round(row["total"] * 100)


@pytest.mark.parametrize(
    ("rows", "names"),
    [("live", {"discountAmount"}), ("documented", {"discount", "discountAmount"})],
    ids=["live", "both"],
    indirect=["rows"],
)
def test_discounts_stand_under_their_name_and_match_the_items(rows, names):
    seen = Counter()
    for row in rows:
        amounts = 0.0
        for discount in row["discount"]:
            (name,) = {"discount", "discountAmount"} & discount.keys()
            seen[name] += 1
            amounts += discount[name]
            assert discount["appliedToItemName"] in {item["name"] for item in row["items"]}
        assert amounts == pytest.approx(sum(item["discount"] for item in row["items"]))
    assert seen.keys() == names
    assert min(seen.values()) > 20


def test_every_site_sells_online_and_no_car_is_washed_there():
    online = [row for row in live() if "e-comm" in row["salesDeviceName"].casefold()]
    assert {row["locationCode"] for row in online} == {"MAIN", "Harbor", "SUNSET", "ECOMM"}
    assert {row["salesDeviceName"] for row in online} == {"E-Comm", "E-Comm App"}
    assert not any(is_wash(row) or row["employeeCashier"] for row in online)
    at_the_virtual_site = [row for row in live() if row["locationCode"] == "ECOMM"]
    assert all(row in online for row in at_the_virtual_site)
    assert sum(row["isRecurringSale"] for row in online) > 20
    assert not any("E-Comm" in row["salesDeviceName"] for row in documented())


def test_departments_are_written_with_spaces():
    departments = {item["department"] for row in live() for item in row["items"]}
    assert {"Wash", "Recurring Plan", "Vacuum Sales", "Prepaid Wash", "Promotion/Coupon", "Add On"} <= departments
    assert not any("_" in department for department in departments)
    assert "Promotion/Coupon" not in {item["department"] for row in documented() for item in row["items"]}


def test_a_redemption_carries_the_price_of_its_wash():
    redeemed = [row for row in live() if row["isRecurringPlanRedemption"]]
    assert all(row["total"] == row["items"][0]["gross"] > 0 for row in redeemed)


KINDS = {
    "member wash": lambda row: row["isRecurringRedemption"] and row["total"] > 0,
    "retail wash": lambda row: is_wash(row) and not any(row[flag] for flag in EXCLUSIVE_FLAGS) and row["total"] > 0,
    "free wash": lambda row: is_wash(row) and row["type"] == "Sale" and row["total"] == 0,
    "plan sale that is a wash": lambda row: row["isRecurringSale"] and row["isRecurringPlanSale"] and is_wash(row),
    "plan sale that is no wash": lambda row: row["isRecurringSale"] and not is_wash(row),
    "plan upgrade": lambda row: row.get("isRecurringPlanSale") and not row["isRecurringSale"],
    "recurring payment": lambda row: row["isRecurringPayment"] and not is_wash(row),
    "gift card sale": lambda row: row["isPrepaidSale"] and row["items"][0]["department"] == "GiftCard",
    "washbook sale": lambda row: row["isPrepaidSale"] and row["items"][0]["department"] == "WashBook",
    "prepaid wash sale": lambda row: row["isPrepaidSale"] and row["items"][0]["department"] == "Prepaid Wash",
    "prepaid redemption": lambda row: row["isPrepaidRedemption"] and is_wash(row),
    "house account": lambda row: row["tenders"] and row["tenders"][0]["tender"] == "Paid On Account",
    "merchandise": lambda row: row["items"][0]["department"] == "Merchandise",
    "return": lambda row: row["type"] == "Return" and row["total"] < 0,
    "rewash": lambda row: row["type"] == "Rewash" and row["total"] == 0,
    "voided sale": lambda row: row.get("transactionStatus") == "Voided" and row["items"][0]["isVoided"],
    "void tender in a completed sale": lambda row: row["total"] > 0 and "Void" in [t["tender"] for t in row["tenders"]],
    "unfinished sale": lambda row: row.get("transactionStatus") in {"Incomplete", "In-Progress", "Suspended"},
    "split tender": lambda row: [t["tender"] for t in row["tenders"][:1]] == ["Cash"] and len(row["tenders"]) == 2,
    "cash with change": lambda row: any(t["tender"] == "Cash" and t["change"] < 0 for t in row["tenders"]),
    "discounted wash": lambda row: is_wash(row) and row["discount"] and row["total"] > 0,
    "add-on": lambda row: any(item["department"] == "Add On" for item in row["items"]),
    "several pieces": lambda row: any(item["quantity"] > 1 for item in row["items"]),
    "additional fee": lambda row: any(item["additionalFee"] > 0 for item in row["items"]),
    "tax": lambda row: any(item["tax"] > 0 for item in row["items"]),
    "virtual sale": lambda row: row["locationCode"] in ("", "ECOMM"),
    "name outside ASCII": lambda row: row["customerName"] and not row["customerName"].isascii(),
}


@BOTH
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_occurs_and_none_is_all(kind, rows):
    count = sum(bool(KINDS[kind](row)) for row in rows)
    assert 10 < count < len(rows) * 0.7


def test_at_most_one_of_the_exclusive_flags_is_set():
    assert max(sum(row[flag] for flag in EXCLUSIVE_FLAGS) for row in live()) == 1


def test_a_voided_sale_is_worth_nothing_and_is_no_wash():
    voided = [row for row in live() if row.get("transactionStatus") == "Voided"]
    for row in voided:
        assert row["total"] == 0
        assert not is_wash(row)
        assert "Void" in [tender["tender"] for tender in row["tenders"]]


def test_the_documents_rows_often_lack_plan_flags_but_never_those_of_plan_sales():
    missing = sum("isRecurringPlanSale" not in row for row in documented())
    assert 0.05 < missing / len(documented()) < 0.25
    assert sum("transactionStatus" not in row for row in documented()) > missing
    assert sum("customerId" not in row for row in documented()) > 100
    assert all("isRecurringPlanSale" in row for row in documented() if row["isRecurringSale"])


@pytest.mark.parametrize("field", ["customerName", "vehicleLicensePlate", "employeeCashier", "employeeGreeter"])
def test_unset_strings_are_now_empty_now_null(field):
    values = Counter(row[field] if not row[field] else "set" for row in live())
    assert min(values[""], values[None], values["set"]) > 500


def test_members_come_back_under_the_same_name_and_plate():
    known: dict[str, tuple[str, str]] = {}
    visits = Counter()
    for row in live():
        if customer := row.get("customerId"):
            visits[customer] += 1
            assert known.setdefault(customer, (row["customerName"], row["vehicleLicensePlate"])) == (
                row["customerName"],
                row["vehicleLicensePlate"],
            )
    assert visits.most_common(1)[0][1] > 5
