"""DG-02 and decision 6: one stable schema from the models, and rows that survive the way through it."""

import json
from collections.abc import Callable
from typing import Annotated, Any

import pyarrow as pa
import pytest
from pydantic import AwareDatetime

from sonnys_pipeline.client import Site, TransactionJobItem
from sonnys_pipeline.client.models import ApiModel
from sonnys_pipeline.lake.schema import SCHEMA_VERSION, TRANSACTIONS, arrow_schema, to_table

TENDER = (
    "struct<tender: string not null, tender_sub_type: string, amount: double not null, change: double not null, "
    "total: double not null, reference_number: string, credit_card_last_four: string, "
    "credit_card_expiration_date: string>"
)
ITEM = (
    "struct<name: string not null, sku: string, department: string not null, quantity: int64 not null, "
    "gross: double not null, net: double not null, discount: double not null, tax: double not null, "
    "additional_fee: double not null, is_voided: bool not null>"
)
DISCOUNT = (
    "struct<discount_name: string not null, discount_sku: string, applied_to_item_name: string, "
    "discount: double not null, discount_code: string>"
)
COLUMNS = [
    ("id", "string", False),
    ("number", "int64", False),
    ("type", "string", False),
    ("complete_date", "timestamp[us, tz=UTC]", False),
    ("location_code", "string", False),
    ("sales_device_name", "string", True),
    ("total", "double", False),
    ("tenders", f"list<element: {TENDER} not null>", False),
    ("items", f"list<element: {ITEM} not null>", False),
    ("customer_name", "string", True),
    ("customer_id", "string", True),
    ("vehicle_license_plate", "string", True),
    ("employee_cashier", "string", True),
    ("employee_greeter", "string", True),
    ("discounts", f"list<element: {DISCOUNT} not null>", False),
    ("is_recurring_payment", "bool", False),
    ("is_recurring_redemption", "bool", False),
    ("is_recurring_sale", "bool", False),
    ("is_prepaid_redemption", "bool", False),
    ("is_prepaid_sale", "bool", False),
    ("is_recurring_plan_sale", "bool", True),
    ("is_recurring_plan_redemption", "bool", True),
    ("transaction_status", "string", True),
    ("extra", "string", True),
]
DISCOUNT_ON_THE_WIRE = {
    "discountName": "Early Bird $3",
    "discountSku": None,
    "appliedToItemName": "Silver Wash",
    "discount": 3.0,
    "discountCode": "EARLY3",
}

MakeItem = Callable[..., TransactionJobItem]


def test_the_columns_are_pinned() -> None:
    """Files of any age fit together: a change here is a change of every reader, and of `SCHEMA_VERSION`."""
    assert [(field.name, str(field.type), field.nullable) for field in TRANSACTIONS] == COLUMNS
    assert SCHEMA_VERSION == 1


def test_the_columns_of_sites_are_pinned() -> None:
    """The other landed asset."""
    assert [(field.name, str(field.type), field.nullable) for field in arrow_schema(Site)] == [
        ("site_id", "int64", True),
        ("code", "string", True),
        ("name", "string", False),
        ("timezone", "string", True),
        ("extra", "string", True),
    ]


def test_no_rows_keep_the_columns() -> None:
    """An empty day is an explicit table without rows."""
    table = to_table([], TRANSACTIONS)
    assert table.num_rows == 0
    assert table.schema == TRANSACTIONS


def test_columns_without_values_keep_their_types(make_item: MakeItem) -> None:
    """An all-null column is still text, a flag, a list."""
    unset = dict.fromkeys(("customerName", "customerId", "isRecurringPlanSale", "transactionStatus"))
    table = to_table([make_item(1, **unset, tenders=[], items=[], discount=[])], TRANSACTIONS)
    assert table.schema == TRANSACTIONS
    assert table["customer_name"].null_count == table["is_recurring_plan_sale"].null_count == 1
    assert table["tenders"].to_pylist() == [[]]


def test_rows_come_back_as_they_went_in(make_item: MakeItem, make_row: Callable[..., dict[str, Any]]) -> None:
    """Models → table → rows → models: equal, to the microsecond and the last bit of each amount, in any script."""
    rows = [
        make_item(1, total=0.1 + 0.2, customerName="李娜", completeDate="2026-03-10T23:59:59.600001Z"),
        make_item(2, total=-18.0, type="Return", customerName=None, transactionStatus=None),
        make_item(3, discount=[DISCOUNT_ON_THE_WIRE] * 2, items=make_row()["items"] * 3, tenders=[]),
        make_item(4, locationCode="", number=2**40, employeeCashier='🚗 O\'Connor "quoted"\n'),
    ]  # fmt: skip
    table = to_table(rows, TRANSACTIONS)
    table.validate(full=True)
    back = [
        TransactionJobItem.model_validate({name: value for name, value in row.items() if name != "extra"})
        for row in table.to_pylist()
    ]
    assert back == rows


def test_unknown_fields_are_landed_as_json(make_item: MakeItem, make_row: Callable[..., dict[str, Any]]) -> None:
    """One column of JSON text, nested fields included; null where nothing is unknown."""
    items = [{**make_row()["items"][0], "color": "röd"}]
    table = to_table([make_item(1, zeta=1, loyaltyTier="gold", items=items), make_item(2)], TRANSACTIONS)
    first, second = table["extra"].to_pylist()
    assert json.loads(first) == {"loyaltyTier": "gold", "zeta": 1, "items": {"0": {"color": "röd"}}}
    assert first.index('"items"') < first.index('"loyaltyTier"') < first.index('"zeta"')
    assert "röd" in first
    assert second is None
    assert table.schema == TRANSACTIONS


def test_an_unknown_field_may_be_called_extra(make_item: MakeItem) -> None:
    """Then it stands inside the column of that name."""
    assert to_table([make_item(1, extra="more")], TRANSACTIONS)["extra"].to_pylist() == ['{"extra": "more"}']


def test_a_new_kind_of_field_cannot_slip_through() -> None:
    """A model whose field has no column type is refused when the schema is made."""

    class WithSet(ApiModel):
        tags: set[str]

    class WithUnion(ApiModel):
        value: int | str

    for model in (WithSet, WithUnion):
        with pytest.raises(TypeError, match="no column type"):
            arrow_schema(model)


def test_every_kind_of_field_has_its_type() -> None:
    """Optional is nullable, `Annotated` is looked through, lists and objects nest."""

    class Part(ApiModel):
        at: AwareDatetime | None

    class Whole(ApiModel):
        parts: list[Part]
        names: list[str | None]
        count: Annotated[int, "of things"]

    whole = arrow_schema(Whole)
    assert whole.field("parts").type == pa.list_(
        pa.field("element", pa.struct([pa.field("at", pa.timestamp("us", tz="UTC"))]), nullable=False)
    )
    assert whole.field("names").type == pa.list_(pa.field("element", pa.string()))
    assert whole.field("count") == pa.field("count", pa.int64(), nullable=False)


def test_a_number_beyond_all_numbers_leaves_the_extra_column_json(make_row: Callable[..., dict[str, Any]]) -> None:
    """`1e999` is JSON, and what Python makes of it is not: it is text there, and large numbers stay numbers."""
    item = TransactionJobItem.model_validate(make_row(kiosk=float("inf"), big=10**40))
    (extra,) = to_table([item], TRANSACTIONS)["extra"].to_pylist()
    assert extra == '{"big": 1' + "0" * 40 + ', "kiosk": "Infinity"}'
