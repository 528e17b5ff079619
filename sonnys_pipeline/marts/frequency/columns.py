"""The columns of `wash_frequency`: meaning, status (KPIS) and input columns."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sonnys_pipeline.marts.columns import Column, lineage_of, schema_of
from sonnys_pipeline.marts.kpi_columns import BUSINESS_DATE

#: The mart, and the column that says whose row it is.
WASH_FREQUENCY_ASSET, CUSTOMER = "wash_frequency", "customer_id"

_REDEMPTION = (
    "is_recurring_plan_redemption", "transaction_states.is_recurring_plan_redemption", "is_recurring_redemption",
)  # fmt: skip
_WHOSE = (CUSTOMER, f"transaction_states.{CUSTOMER}")
_DAY = ("complete_date", "sites.timezone")

WASH_FREQUENCY_COLUMNS: Sequence[Column] = (
    BUSINESS_DATE,
    Column(
        CUSTOMER,
        pa.string(),
        "The API's number of the customer, as SONNYS_PII lets it be; null in the row of member washes that have none.",
        _WHOSE,
        nullable=True,
    ),
    Column(
        "member_washes",
        pa.int64(),
        "Member washes on the 30 business days up to and with this one, at all sites.",
        (*_REDEMPTION, *_WHOSE, *_DAY),
        "O",
        nullable=True,
    ),
    Column(
        "days_between",
        pa.float64(),
        "Mean number of days from one of these washes to the next; 0 if all are on one day.",
        (*_REDEMPTION, *_WHOSE, *_DAY),
        "O",
        nullable=True,
    ),
    Column(
        "last_wash",
        pa.date32(),
        "Business day of the last of these washes, at its site.",
        (*_REDEMPTION, *_WHOSE, *_DAY),
        "O",
        nullable=True,
    ),
    Column(
        "site_most_used",
        pa.string(),
        "Code of the site with most of these washes; of several, the one used last.",
        (*_REDEMPTION, *_WHOSE, "location_code", "sites.code"),
        "O",
        nullable=True,
    ),
    Column("unknown", pa.string(), "Which figures of the row are null, and why.", (*_WHOSE, *_DAY), "O", nullable=True),
)

WASH_FREQUENCY = schema_of(WASH_FREQUENCY_COLUMNS)
WASH_FREQUENCY_LINEAGE = lineage_of(WASH_FREQUENCY_COLUMNS)
