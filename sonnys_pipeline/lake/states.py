"""`transaction_states`: what `/transaction/version-2` knows of a day's rows and live job rows lack (contract, L4).

Layout: `{root}/transaction_states/date=YYYY-MM-DD/part-0.parquet`, the partitions of `transactions`; a day may have
none, or get one later than its rows. Ids are unique in one database only (contract, L16), so a state belongs to the
row of the same id in the same partition.
"""

from __future__ import annotations

import pyarrow as pa

#: The asset's name, and its folder's.
STATES = "transaction_states"

#: Its columns. A null says that the API did not tell; `total` is in dollars, `read_at` is when the page was read.
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
