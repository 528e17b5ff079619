"""What rows contain: every kind of sale, money that adds up, and the quirks of the live API.

Covers CONTRACT.md "A row" and the rows that each definition in KPIS.md needs to be told apart.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from sonnys_pipeline.simulator import World

START = datetime(2026, 9, 1, tzinfo=UTC)
ROWS = list(World(seed=3, virtual_site=True).rows(START, START + timedelta(days=15)))
DETAIL_FIELDS = {
    "id", "number", "type", "completeDate", "locationCode", "salesDeviceName", "total", "tenders", "items",
    "customerName", "vehicleLicensePlate", "employeeCashier", "employeeGreeter", "discount", "isRecurringPayment",
    "isRecurringRedemption", "isRecurringSale", "isPrepaidRedemption", "isPrepaidSale",
}  # fmt: skip
OFTEN_MISSING = {"customerId", "isRecurringPlanSale", "isRecurringPlanRedemption", "transactionStatus"}
EXCLUSIVE_FLAGS = (
    "isRecurringPayment",
    "isRecurringRedemption",
    "isRecurringSale",
    "isPrepaidRedemption",
    "isPrepaidSale",
)


def is_wash(row: dict) -> bool:
    return any(item["department"] == "Wash" and not item["isVoided"] for item in row["items"])


def test_every_row_has_the_contracts_fields_and_no_other():
    assert len(ROWS) > 10_000
    for row in ROWS:
        assert row.keys() >= DETAIL_FIELDS
        assert row.keys() - DETAIL_FIELDS <= OFTEN_MISSING


def test_tenders_sum_to_the_total():
    for row in ROWS:
        assert sum(round(tender["total"] * 100) for tender in row["tenders"]) == round(row["total"] * 100), row
        for tender in row["tenders"]:
            assert round((tender["amount"] + tender["change"]) * 100) == round(tender["total"] * 100)


def test_items_that_are_not_voided_sum_to_the_total():
    for row in ROWS:
        cents = 0
        for item in row["items"]:
            assert round((item["gross"] - item["discount"]) * 100) == round(item["net"] * 100)
            if not item["isVoided"]:
                cents += round((item["gross"] - item["discount"] + item["tax"]) * 100)
        assert cents == round(row["total"] * 100), row


def test_discounts_stand_under_either_name_and_match_the_items():
    names = Counter()
    for row in ROWS:
        amounts = 0.0
        for discount in row["discount"]:
            (name,) = {"discount", "discountAmount"} & discount.keys()
            names[name] += 1
            amounts += discount[name]
            assert discount["appliedToItemName"] in {item["name"] for item in row["items"]}
        assert amounts == pytest.approx(sum(item["discount"] for item in row["items"]))
    assert names["discount"] > names["discountAmount"] > 20


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
    "virtual sale": lambda row: row["locationCode"] == "",
    "name outside ASCII": lambda row: row["customerName"] and not row["customerName"].isascii(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_occurs_and_none_is_all(kind):
    count = sum(bool(KINDS[kind](row)) for row in ROWS)
    assert 10 < count < len(ROWS) * 0.7


def test_at_most_one_of_the_exclusive_flags_is_set():
    assert max(sum(row[flag] for flag in EXCLUSIVE_FLAGS) for row in ROWS) == 1


def test_a_voided_sale_is_worth_nothing_and_is_no_wash():
    voided = [row for row in ROWS if row.get("transactionStatus") == "Voided"]
    for row in voided:
        assert row["total"] == 0
        assert not is_wash(row)
        assert "Void" in [tender["tender"] for tender in row["tenders"]]


def test_plan_flags_are_often_missing_but_never_from_plan_sales():
    missing = sum("isRecurringPlanSale" not in row for row in ROWS)
    assert 0.05 < missing / len(ROWS) < 0.25
    assert sum("transactionStatus" not in row for row in ROWS) > missing
    assert sum("customerId" not in row for row in ROWS) > 100
    assert all("isRecurringPlanSale" in row for row in ROWS if row["isRecurringSale"])


@pytest.mark.parametrize("field", ["customerName", "vehicleLicensePlate", "employeeCashier", "employeeGreeter"])
def test_unset_strings_are_now_empty_now_null(field):
    values = Counter(row[field] if not row[field] else "set" for row in ROWS)
    assert min(values[""], values[None], values["set"]) > 500


def test_members_come_back_under_the_same_name_and_plate():
    known: dict[str, tuple[str, str]] = {}
    visits = Counter()
    for row in ROWS:
        if customer := row.get("customerId"):
            visits[customer] += 1
            assert known.setdefault(customer, (row["customerName"], row["vehicleLicensePlate"])) == (
                row["customerName"],
                row["vehicleLicensePlate"],
            )
    assert visits.most_common(1)[0][1] > 5
