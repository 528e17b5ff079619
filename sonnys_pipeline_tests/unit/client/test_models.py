"""LJ-02 and the contract's "A row": live quirks are accepted, unknown things are kept, wrong things are named."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError as PydanticValidationError

from sonnys_pipeline.client import Site, TransactionJobItem, TransactionListItem, UnparsableRowError
from sonnys_pipeline.client.models import MAX_AMOUNT, extra_of, parse_rows, unknown_fields

MakeRow = Callable[..., dict[str, Any]]

OPTIONAL_TEXT = [
    "salesDeviceName", "customerName", "customerId", "vehicleLicensePlate", "employeeCashier", "employeeGreeter",
    "transactionStatus",
]  # fmt: skip
OPTIONAL = [*OPTIONAL_TEXT, "isRecurringPlanSale", "isRecurringPlanRedemption", "discount"]
REQUIRED = [
    "id", "number", "type", "completeDate", "locationCode", "total", "tenders", "items", "isRecurringPayment",
    "isRecurringRedemption", "isRecurringSale", "isPrepaidRedemption", "isPrepaidSale",
]  # fmt: skip
DISCOUNT = {
    "discountName": "Early Bird $3",
    "discountSku": "900100",
    "appliedToItemName": "Silver Wash",
    "discount": 3.0,
    "discountCode": "EARLY3",
}


def test_a_whole_row(make_row: MakeRow) -> None:
    """The wire has camelCase, we have snake_case; types as the contract lists them."""
    item = TransactionJobItem.model_validate(make_row("876:1", discount=[DISCOUNT]))
    assert (item.id, item.number, item.type, item.location_code, item.total) == ("876:1", 876, "Sale", "MAIN", 19.49)
    assert item.complete_date == datetime(2026, 3, 10, 15, 30, 0, 250_000, tzinfo=UTC)
    assert (item.tenders[0].tender, item.tenders[0].change) == ("Cash", -0.51)
    assert (item.items[0].department, item.items[0].quantity, item.items[0].is_voided) == ("Wash", 1, False)
    assert (item.discounts[0].discount, item.discounts[0].discount_code) == (3.0, "EARLY3")
    assert (item.customer_name, item.employee_greeter) == ("José Núñez", None)
    assert (item.is_recurring_plan_sale, item.transaction_status) == (False, "Completed")


@pytest.mark.parametrize("name", OPTIONAL_TEXT)
def test_unset_text_is_none(make_row: MakeRow, name: str) -> None:
    """The live API leaves unset strings now empty, now null, now out: all three are `None`."""
    left_out = make_row()
    del left_out[name]
    for row in (make_row(**{name: ""}), make_row(**{name: None}), left_out):
        assert TransactionJobItem.model_validate(row).model_dump(by_alias=True)[name] is None


def test_unset_text_of_parts_is_none(make_row: MakeRow) -> None:
    """The same in tenders, items and discounts."""
    row = make_row(discount=[{**DISCOUNT, "discountSku": "", "discountCode": ""}])
    row["tenders"][0].update(tenderSubType="", referenceNumber="", creditCardLastFour="")
    row["items"][0]["sku"] = ""
    item = TransactionJobItem.model_validate(row)
    assert (item.tenders[0].tender_sub_type, item.tenders[0].credit_card_last_four) == (None, None)
    assert (item.items[0].sku, item.discounts[0].discount_sku, item.discounts[0].discount_code) == (None, None, None)


def test_an_empty_site_code_stays(make_row: MakeRow) -> None:
    """The e-commerce site's code is the empty string; it is a value, not a gap."""
    assert TransactionJobItem.model_validate(make_row(locationCode="")).location_code == ""


def test_missing_flags_are_unknown_not_false(make_row: MakeRow) -> None:
    """v2 flags and status that a row lacks are `None`."""
    row = make_row()
    for name in ("isRecurringPlanSale", "isRecurringPlanRedemption", "transactionStatus"):
        del row[name]
    item = TransactionJobItem.model_validate(row)
    assert (item.is_recurring_plan_sale, item.is_recurring_plan_redemption, item.transaction_status) == (None,) * 3


@pytest.mark.parametrize("name", OPTIONAL)
def test_optional_fields_may_be_left_out(make_row: MakeRow, name: str) -> None:
    """A row without it is a row."""
    row = make_row()
    del row[name]
    assert TransactionJobItem.model_validate(row).id == "876:1"


@pytest.mark.parametrize("name", REQUIRED)
def test_required_fields_may_not(make_row: MakeRow, name: str) -> None:
    """A row without it is refused, and the error names the field as the API spells it."""
    row = make_row()
    del row[name]
    with pytest.raises(UnparsableRowError) as caught:
        parse_rows(TransactionJobItem, [row])
    assert caught.value.field == name


def test_both_names_of_a_discounts_amount(make_row: MakeRow) -> None:
    """`discount` in the vendor's document, `discountAmount` live; neither leaves a trace as unknown."""
    live = {name: value for name, value in DISCOUNT.items() if name != "discount"} | {"discountAmount": 2.5}
    item = TransactionJobItem.model_validate(make_row(discount=[DISCOUNT, live]))
    assert [discount.discount for discount in item.discounts] == [3.0, 2.5]
    assert extra_of(item) == {}


def test_new_enumeration_values_are_data(make_row: MakeRow) -> None:
    """Tenders, types and statuses grow without notice."""
    row = make_row(type="Teleport", transactionStatus="Quantum")
    row["tenders"][0]["tender"] = "Crypto"
    row["items"][0]["department"] = "Drone Wash"
    item = TransactionJobItem.model_validate(row)
    assert (item.type, item.transaction_status, item.tenders[0].tender) == ("Teleport", "Quantum", "Crypto")
    assert item.items[0].department == "Drone Wash"


def test_unknown_fields_are_kept_and_counted(make_row: MakeRow) -> None:
    """Also inside tenders, items and discounts: kept with their place, counted by dotted name."""
    first = make_row(1, loyaltyTier="gold", discount=[{**DISCOUNT, "stackable": True}])
    first["items"].append({**first["items"][0], "color": "red", "weight": 2})
    first["tenders"][0]["wallet"] = {"kind": "phone"}
    second = make_row(2, loyaltyTier=None)
    second["items"][0]["color"] = "blue"
    items = parse_rows(TransactionJobItem, [first, second, make_row(3)])
    assert extra_of(items[0]) == {
        "loyaltyTier": "gold",
        "tenders": {"0": {"wallet": {"kind": "phone"}}},
        "items": {"1": {"color": "red", "weight": 2}},
        "discounts": {"0": {"stackable": True}},
    }
    assert extra_of(items[1]) == {"loyaltyTier": None, "items": {"0": {"color": "blue"}}}
    assert extra_of(items[2]) == {}
    assert unknown_fields(items) == {
        "loyaltyTier": 2,
        "items.color": 2,
        "items.weight": 1,
        "tenders.wallet": 1,
        "discounts.stackable": 1,
    }


def test_unknown_fields_of_other_kinds() -> None:
    """A site's unknown field counts as well; a field that happens to be called `items` there is just that."""
    site = Site.model_validate({"name": "Main", "items": 3, "phone": "1"})
    assert extra_of(site) == {"items": 3, "phone": "1"}
    assert unknown_fields([site, site]) == {"items": 2, "phone": 2}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "NaN", "abc", None, [], {}])
def test_money_is_a_number(make_row: MakeRow, value: object) -> None:
    """Neither NaN nor infinity is an amount; in the row, its tenders, its items, its discounts."""
    rows = [make_row(total=value), make_row(), make_row(), make_row(discount=[{**DISCOUNT, "discount": value}])]
    rows[1]["tenders"][0]["change"] = value
    rows[2]["items"][0]["net"] = value
    for row, field in zip(rows, ["total", "tenders.0.change", "items.0.net", "discount.0.discount"], strict=True):
        with pytest.raises(UnparsableRowError) as caught:
            parse_rows(TransactionJobItem, [row])
        assert caught.value.field == field


@pytest.mark.parametrize("value", [1e16, -1e16, MAX_AMOUNT + 0.01, 10**400, "1e300", 9_999_999_999_999_999_999, True])
def test_an_absurd_amount_is_refused(make_row: MakeRow, value: object) -> None:
    """The number of a gift card typed as an amount: row and field are named, wherever money stands."""
    rows = [make_row(total=value), make_row(), make_row(), make_row(discount=[{**DISCOUNT, "discount": value}])]
    rows[1]["tenders"][0]["amount"] = value
    rows[2]["items"][0]["additionalFee"] = value
    fields = ["total", "tenders.0.amount", "items.0.additionalFee", "discount.0.discount"]
    for row, field in zip(rows, fields, strict=True):
        with pytest.raises(UnparsableRowError, match=rf"row 876:1: field {field}: ") as caught:
            parse_rows(TransactionJobItem, [row])
        assert (caught.value.row_id, caught.value.field) == ("876:1", field)
    with pytest.raises(UnparsableRowError, match="field total"):
        parse_rows(
            TransactionListItem, [{"transNumber": 1, "transId": "1:1", "total": value, "date": "2026-03-10T00:00:00Z"}]
        )


def test_a_plausible_amount_is_an_amount(make_row: MakeRow) -> None:
    """The bound itself, either way, and what is written as text."""
    for value in (MAX_AMOUNT, -MAX_AMOUNT, "7.99", 0, -0.0):
        assert parse_rows(TransactionJobItem, [make_row(total=value)])[0].total == float(value)


def test_counts_and_numbers_are_plausible(make_row: MakeRow) -> None:
    """A million pieces of one thing, a thousand million million tickets: more is no count, and a flag is none."""
    for value in (10**9, -(10**9), 10**400, True):
        row = make_row()
        row["items"][0]["quantity"] = value
        with pytest.raises(UnparsableRowError, match=r"field items\.0\.quantity"):
            parse_rows(TransactionJobItem, [row])
    for value in (10**16, 10**400, False):
        with pytest.raises(UnparsableRowError, match="field number"):
            parse_rows(TransactionJobItem, [make_row(number=value)])
        with pytest.raises(UnparsableRowError, match="field siteID"):
            parse_rows(Site, [{"siteID": value, "name": "Main"}])


def test_no_discounts_however_they_are_said(make_row: MakeRow) -> None:
    """Null, empty or left out: no discounts."""
    left_out = make_row()
    del left_out["discount"]
    rows = [make_row(discount=None), make_row(discount=[]), make_row(discounts=None) | {"discount": None}, left_out]
    assert [item.discounts for item in parse_rows(TransactionJobItem, rows)] == [[], [], [], []]


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("discounts", lambda row: row.update(discounts=[DISCOUNT])),
        ("location_code", lambda row: row.update(location_code="EVIL")),
        ("customer_id", lambda row: (row.pop("customerId"), row.update(customer_id="EVIL"))),
        ("items.0.is_voided", lambda row: row["items"][0].update(is_voided=True)),
        ("discount.0.discountAmount", lambda row: row.update(discount=[{**DISCOUNT, "discountAmount": 9.0}])),
    ],
)
def test_one_field_in_two_spellings_is_refused(make_row: MakeRow, field: str, change: Callable[..., object]) -> None:
    """Neither wins over the other: row and field are named. Names that only Python has are none of the API's."""
    row = make_row(2)
    change(row)
    with pytest.raises(UnparsableRowError) as caught:
        parse_rows(TransactionJobItem, [make_row(1), row])
    assert (caught.value.row_id, caught.value.field) == ("2:1", field)
    assert "EVIL" not in str(caught.value)


def test_a_null_beside_the_other_spelling_is_none(make_row: MakeRow) -> None:
    """Only one of them says something; the row that came is not touched."""
    row = make_row(discount=[{**DISCOUNT, "discount": None, "discountAmount": 2.5}])
    item = parse_rows(TransactionJobItem, [row])[0]
    assert item.discounts[0].discount == 2.5
    assert extra_of(item) == {}
    assert "discountAmount" in row["discount"][0]


@pytest.mark.parametrize(
    "instant", ["2026-03-10T15:30:00", "2026-03-10", "yesterday", "", None, "2026-02-30T00:00:00Z"]
)
def test_an_instant_has_a_zone(make_row: MakeRow, instant: object) -> None:
    """A naive or impossible `completeDate` could be on any day: refused."""
    with pytest.raises(UnparsableRowError) as caught:
        parse_rows(TransactionJobItem, [make_row(completeDate=instant)])
    assert caught.value.field == "completeDate"


def test_an_offset_is_an_instant_too(make_row: MakeRow) -> None:
    """Any offset is accepted and means the same instant."""
    item = TransactionJobItem.model_validate(make_row(completeDate="2026-03-10T10:30:00.25-05:00"))
    assert item.complete_date == datetime(2026, 3, 10, 15, 30, 0, 250_000, tzinfo=UTC)


@pytest.mark.parametrize("row_id", ["", None, 7])
def test_the_key_is_text(make_row: MakeRow, row_id: object) -> None:
    """An id that is empty or no text cannot be the key."""
    with pytest.raises(UnparsableRowError) as caught:
        parse_rows(TransactionJobItem, [{**make_row(), "id": row_id}])
    assert caught.value.field == "id"


def test_a_bad_row_is_named_and_not_quoted(make_row: MakeRow) -> None:
    """Id, field, reason and load job; no value of any field, since rows hold personal data. The raw page is kept."""
    bad = make_row(2, customerName="Zoë Åberg", vehicleLicensePlate="XYZ9876", total="seventeen")
    rows = [make_row(1), bad, make_row(3, total="eighteen")]
    with pytest.raises(UnparsableRowError) as caught:
        parse_rows(TransactionJobItem, rows, page_hash="h1")
    error = caught.value
    assert (error.row_id, error.field, error.page_hash) == ("2:1", "total", "h1")
    assert error.page is rows
    assert str(error).startswith("row 2:1 of load job h1: field total: Input should be a valid number")
    assert error.__cause__ is None
    assert error.__suppress_context__
    for value in ("Zoë", "XYZ9876", "seventeen", "MAIN", "Mary"):
        assert value not in str(error)


@pytest.mark.parametrize("row", ["text", None, 7, []])
def test_a_row_that_is_no_object_is_refused(make_row: MakeRow, row: Any) -> None:
    """Named as the row itself, without an id."""
    with pytest.raises(UnparsableRowError, match=r"row \(no id\): field \(the row itself\)"):
        parse_rows(TransactionJobItem, [make_row(1), row])


def test_order_is_kept_and_nothing_is_everything(make_row: MakeRow) -> None:
    """One model a row, in the same order; no rows are no models."""
    rows = [make_row(number) for number in (5, 3, 9)]
    assert [item.id for item in parse_rows(TransactionJobItem, rows)] == ["5:1", "3:1", "9:1"]
    assert parse_rows(TransactionJobItem, []) == []


def test_models_are_frozen(make_item: Callable[..., TransactionJobItem]) -> None:
    """What the API said does not change under one's hands."""
    with pytest.raises(PydanticValidationError, match="frozen"):
        make_item().total = 1.0
