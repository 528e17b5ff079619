"""`transaction_changes`: what later reads of landed days found changed, append-only by the date of the read (KT-02).

Layout: `{root}/transaction_changes/date=<reading date>/part-0.parquet`, where the reading date is local to the
pipeline's zone. A date without changes has no file.
"""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.storage.folder import DAY

#: Name of the asset and its folder.
CHANGES = "transaction_changes"


class Change(StrEnum):
    """What happened to a row of a landed day."""

    ADDED = "added"  # it was not there before
    REMOVED = "removed"  # the API has it no longer
    MOVED_IN = "moved_in"  # it was completed on another day before
    MOVED_OUT = "moved_out"  # it is completed on another day now
    EDITED = "edited"  # a field is another one


#: `day`: partition of the row. `field`, `old`, `new`: of an edit; of a row that came or went its total in dollars; of
#: one that moved its completion. Numbers as text, lists as JSON without personal fields. `first_seen`: end of the read
#: that found it; `previous_read_at`: when the landed file was read before that: the change came in between.
TRANSACTION_CHANGES = pa.schema(
    [
        pa.field("transaction_id", pa.string(), nullable=False),
        pa.field("day", pa.date32(), nullable=False),
        pa.field("site", pa.string()),
        pa.field("change", pa.string(), nullable=False),
        pa.field("field", pa.string(), nullable=False),
        pa.field("old", pa.string()),
        pa.field("new", pa.string()),
        pa.field("other_day", pa.date32()),
        pa.field("first_seen", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("previous_read_at", pa.timestamp("us", tz="UTC")),
        pa.field("hours_after_day", pa.float64(), nullable=False),
        pa.field("found_by", pa.string(), nullable=False),
        pa.field("pii", pa.string(), nullable=False),
        pa.field("pii_key", pa.string(), nullable=False),
    ]
)


def landed_changes(lake: Lake, since: str = "") -> pa.Table:
    """All recorded changes, or those of reading dates (YYYY-MM-DD) from `since` on. Raises LakeError if unreadable."""

    def read() -> pa.Table:
        dates = [key for key in lake.partitions(CHANGES) if key >= since]
        if not dates:
            return TRANSACTION_CHANGES.empty_table()
        return lake.read(CHANGES, dates).drop_columns(DAY)

    return lake.consistently(read)
