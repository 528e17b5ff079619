"""The lists that are landed as histories: their columns and keys (docs/tables.md)."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from sonnys_pipeline.client import Item
from sonnys_pipeline.client.lists.models import (
    Address,
    Billing,
    Customer,
    CustomerDetail,
    EmployeeDetail,
    GiftCard,
    StatusSince,
    Tag,
    Vehicle,
    Washbook,
)
from sonnys_pipeline.extract.lists.personal import PERSONAL
from sonnys_pipeline.lake.schema import EXTRA_COLUMN, arrow_schema, struct_of
from sonnys_pipeline.landing.dimensions.history import history_schema


@dataclass(frozen=True)
class Dimension:
    """A list that is landed as a history.

    Attributes:
        asset: name of the asset and its folder.
        listed: columns of the list.
        key: columns that identify an entity.
        as_last_read: columns that change by themselves and begin no version: as they were read last.
        personal: columns about people, with those in lists as `tags.number` (docs/personal-data.md).
    """

    asset: str
    listed: pa.Schema
    key: tuple[str, ...]
    as_last_read: tuple[str, ...] = ()
    personal: tuple[str, ...] = ()

    @property
    def schema(self) -> pa.Schema:
        """Columns of the landed table."""
        return history_schema(self.listed)


_INSTANT = pa.timestamp("us", tz="UTC")
#: When the detail of an entity was read; null: never.
DETAIL_READ_AT = "detail_read_at"
#: When a row was read; an entity that is no longer listed keeps the last reading of it.
READ_AT = "read_at"
_EXTRA = pa.field(EXTRA_COLUMN, pa.string())

#: Columns of `customers` that only the detail of a customer has.
CUSTOMER_DETAIL = pa.schema(
    [
        pa.field("company_name", pa.string()),
        pa.field("loyalty_number", pa.string()),
        *(pa.field(name, pa.string()) for name in ("address1", "address2", "city", "state", "country", "postal_code")),
        pa.field("email", pa.string()),
        pa.field("birth_date", pa.date32()),
        pa.field("allow_sms", pa.bool_()),
        pa.field("recurring_sms_signup_date", _INSTANT),
        pa.field("loyalty_sms_signup_date", _INSTANT),
        pa.field(DETAIL_READ_AT, _INSTANT),
    ]
)
_EMPLOYEE = pa.schema(
    [
        pa.field("employee_id", pa.string(), nullable=False),
        pa.field("first_name", pa.string()),
        pa.field("last_name", pa.string()),
        pa.field("active", pa.bool_()),
        pa.field("start_date", pa.date32()),
        pa.field("start_date_change", pa.date32()),
        pa.field("phone", pa.string()),
        pa.field("email", pa.string()),
        pa.field(DETAIL_READ_AT, _INSTANT),
        _EXTRA,
    ]
)
_ACCOUNT = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("name", pa.string()),
        pa.field("customer_id", pa.string()),
        pa.field("plan_name", pa.string()),
        pa.field("billing_site_code", pa.string()),
        pa.field("creation_site_code", pa.string()),
        pa.field("sign_up_date", _INSTANT),
        pa.field("cancel_date", _INSTANT),
        pa.field("status", pa.string()),
        pa.field("billing_amount", pa.float64()),
        pa.field("is_on_trial", pa.bool_()),
        pa.field("trial_amount", pa.float64()),
        pa.field("is_suspended", pa.bool_()),
        pa.field("suspended_until", pa.date32()),
        pa.field("additional_tag_price", pa.float64()),
        pa.field("tags", pa.list_(pa.field("element", struct_of(Tag), nullable=False))),
        pa.field("vehicles", pa.list_(pa.field("element", struct_of(Vehicle), nullable=False))),
        pa.field("next_bill_date", pa.date32()),
        pa.field("last_bill_date", pa.date32()),
        pa.field("recurring_statuses", pa.list_(pa.field("element", struct_of(StatusSince), nullable=False))),
        pa.field("recurring_billings", pa.list_(pa.field("element", struct_of(Billing), nullable=False))),
        pa.field(READ_AT, _INSTANT),
        _EXTRA,
    ]
)


def _and_read_at(listed: pa.Schema) -> pa.Schema:
    return listed.insert(len(listed) - 1, pa.field(READ_AT, _INSTANT))


def _customer() -> pa.Schema:
    listed = arrow_schema(Customer)
    return pa.schema([*list(listed)[:-1], *CUSTOMER_DETAIL, _EXTRA])


_NAMES_AND_NUMBERS = PERSONAL[Customer]
_OF_THE_DETAIL = tuple(
    name for name in (*PERSONAL[CustomerDetail], *PERSONAL[Address]) if name in CUSTOMER_DETAIL.names
)
#: What is sold where, at which price. An item may have no number, and two of a site the same one.
ITEMS = Dimension("items", arrow_schema(Item), ("site_location", "sku", "name"))
CUSTOMERS = Dimension(
    "customers", _customer(), ("customer_id",), (DETAIL_READ_AT,), (*_NAMES_AND_NUMBERS, *_OF_THE_DETAIL)
)
EMPLOYEES = Dimension("employees", _EMPLOYEE, ("employee_id",), (DETAIL_READ_AT,), PERSONAL[EmployeeDetail])
#: Memberships. Charges and statuses are lists that only grow: `recurring_billings` has the charges by day.
ACCOUNTS = Dimension(
    "recurring_accounts",
    _ACCOUNT,
    ("id",),
    ("next_bill_date", "last_bill_date", "recurring_statuses", "recurring_billings", READ_AT),
    (
        "customer_id",
        *(f"tags.{name}" for name in PERSONAL[Tag]),
        *(f"vehicles.{name}" for name in PERSONAL[Vehicle]),
        *(f"recurring_billings.{name}" for name in PERSONAL[Billing]),
    ),
)
WASHBOOKS = Dimension(
    "washbooks", _and_read_at(arrow_schema(Washbook)), ("id",), (READ_AT,), PERSONAL[Washbook]
)  # fmt: skip
GIFT_CARDS = Dimension(
    "giftcards", _and_read_at(arrow_schema(GiftCard)), ("giftcard_id",), (READ_AT,), PERSONAL[GiftCard]
)  # fmt: skip
DIMENSIONS = (ITEMS, CUSTOMERS, EMPLOYEES, ACCOUNTS, WASHBOOKS, GIFT_CARDS)
