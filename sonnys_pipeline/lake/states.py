"""`transaction_states`: fields of `/transaction/version-2` that live job rows lack (contract, L4).

Layout: `{root}/transaction_states/date=YYYY-MM-DD/part-0.parquet`, partitioned like `transactions`; a day may have
none, or get it later. A state belongs to the row with the same id in the same partition, since ids are unique in one
database only (contract, L16).
"""

from __future__ import annotations

import pyarrow as pa

#: Name of the asset and its folder.
STATES = "transaction_states"

#: `total` in dollars; `read_at`: when the page was read. Null: the API did not send the field.
TRANSACTION_STATES = pa.schema(
    [
        pa.field("transaction_id", pa.string(), nullable=False),
        pa.field("customer_id", pa.string()),
        pa.field("is_recurring_plan_sale", pa.bool_()),
        pa.field("is_recurring_plan_redemption", pa.bool_()),
        pa.field("transaction_status", pa.string()),
        pa.field("total", pa.float64(), nullable=False),
        pa.field("read_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)
