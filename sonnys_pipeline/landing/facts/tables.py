"""The lists that land by day: their columns, and what places a row (docs/people.md)."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from sonnys_pipeline.client.lists.models import Billing, ClockEntry, SalesOutcome, StatusChange
from sonnys_pipeline.client.lists.spans import CLOCK_DAYS, OUTCOME_DAYS
from sonnys_pipeline.extract.lists.personal import PAY, PERSONAL
from sonnys_pipeline.lake.schema import EXTRA_COLUMN, arrow_schema

_INSTANT = pa.timestamp("us", tz="UTC")
_READ_AT = pa.field("read_at", _INSTANT)
#: Days that a reading takes besides: one on each side, since local days do not begin with those of UTC.
_MARGINS = 2
#: Days of clock entries that one request takes, without the margins.
CLOCK_SPAN = CLOCK_DAYS - _MARGINS


@dataclass(frozen=True)
class Fact:
    """A list that lands by day.

    Attributes:
        asset: name of the asset and its folder.
        schema: columns of a day.
        moment: column with the instant that places a row; a row without it is in no day.
        site: column with the code of the site whose local day counts; empty for none.
        key: columns that tell a corrected row from a new one.
        longest: days that are read together, without the margins; None for any number.
        personal: columns about people.
        pay: columns about pay.
    """

    asset: str
    schema: pa.Schema
    moment: str
    site: str
    key: tuple[str, ...]
    longest: int | None = None
    personal: tuple[str, ...] = ()
    pay: tuple[str, ...] = ()


def _and_read_at(listed: pa.Schema) -> pa.Schema:
    return listed.insert(len(listed) - 1, _READ_AT)


STATUS_CHANGES = Fact(
    "recurring_status_changes",
    _and_read_at(arrow_schema(StatusChange)),
    "status_date",
    "site_code",
    ("washbook_account_id", "status_date"),
    personal=PERSONAL[StatusChange],
)
CLOCK_ENTRIES = Fact(
    "clock_entries",
    _and_read_at(arrow_schema(ClockEntry)),
    "clock_in",
    "site_code",
    ("employee_id", "clock_in"),
    longest=CLOCK_SPAN,
    pay=PAY[ClockEntry],
)
#: The API says a site's number and name, no code; so the day is that of the site with this number.
SALES_OUTCOMES = Fact(
    "sales_outcomes",
    _and_read_at(arrow_schema(SalesOutcome)),
    "timestamp",
    "site_id",
    ("timestamp", "employee_id", "site_id", "item_id", "terminal_name"),
    longest=OUTCOME_DAYS - _MARGINS,
    personal=PERSONAL[SalesOutcome],
)
#: Charges, as the details of memberships have them (`recurring_accounts`).
BILLINGS = Fact(
    "recurring_billings",
    pa.schema(
        [
            pa.field("account_id", pa.string(), nullable=False),
            pa.field("customer_id", pa.string()),
            pa.field("billing_site_code", pa.string()),
            pa.field("plan_name", pa.string()),
            pa.field("amount_charged", pa.float64()),
            pa.field("charged_at", _INSTANT),
            pa.field("last_four_cc", pa.string()),
            pa.field("credit_card_expiration_date", pa.string()),
            _READ_AT,
            pa.field(EXTRA_COLUMN, pa.string()),
        ]
    ),
    "charged_at",
    "billing_site_code",
    ("account_id", "charged_at"),
    personal=("customer_id", *PERSONAL[Billing]),
)
READ_FACTS = (STATUS_CHANGES, CLOCK_ENTRIES, SALES_OUTCOMES)
FACTS = (*READ_FACTS, BILLINGS)
