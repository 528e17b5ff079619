"""The lists that land by day: their columns, and what places a row (docs/people.md)."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from sonnys_pipeline.client.lists.models import Billing, ClockEntry, SalesOutcome, StatusChange
from sonnys_pipeline.extract.lists.personal import PAY, PERSONAL
from sonnys_pipeline.lake.schema import EXTRA_COLUMN, arrow_schema

_INSTANT = pa.timestamp("us", tz="UTC")
_READ_AT = pa.field("read_at", _INSTANT)


@dataclass(frozen=True)
class Fact:
    """A list that lands by day.

    Attributes:
        asset: name of the asset and its folder.
        schema: columns of a day.
        moment: column with the instant that places a row; a row without it is in no day.
        site: column with the code of the site whose local day counts; empty for none.
        personal: columns about people.
        pay: columns about pay.
    """

    asset: str
    schema: pa.Schema
    moment: str
    site: str
    personal: tuple[str, ...] = ()
    pay: tuple[str, ...] = ()


def _and_read_at(listed: pa.Schema) -> pa.Schema:
    return listed.insert(len(listed) - 1, _READ_AT)


STATUS_CHANGES = Fact(
    "recurring_status_changes",
    _and_read_at(arrow_schema(StatusChange)),
    "status_date",
    "site_code",
    PERSONAL[StatusChange],
)
CLOCK_ENTRIES = Fact(
    "clock_entries", _and_read_at(arrow_schema(ClockEntry)), "clock_in", "site_code", pay=PAY[ClockEntry]
)  # fmt: skip
#: The API says a site's number and name, no code; so the day is that of the site with this number.
SALES_OUTCOMES = Fact(
    "sales_outcomes", _and_read_at(arrow_schema(SalesOutcome)), "timestamp", "site_id", PERSONAL[SalesOutcome]
)  # fmt: skip
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
    ("customer_id", *PERSONAL[Billing]),
)
READ_FACTS = (STATUS_CHANGES, CLOCK_ENTRIES, SALES_OUTCOMES)
FACTS = (*READ_FACTS, BILLINGS)
