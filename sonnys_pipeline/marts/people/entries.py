"""Landed clock entries: read for the marts, and their digests by day.

When an entry was read changes a figure only while its shift is open, or if the day was not over yet at a site. So a day
that is read again without changes has the same digest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.digests import content_digest
from sonnys_pipeline.marts.people.shifts import CLOCK_ENTRIES, NOTHING_CLOCKED, SHIFT_INPUT, ClockedDays

#: From a day's midnight in UTC until it is over in the last zone, 12 hours behind.
_EVERYWHERE_OVER = timedelta(hours=36)


def read_entries(lake: Lake, days: Sequence[str]) -> ClockedDays:
    """The clock entries of those of the days that are landed. Raises LakeError if a file cannot be read."""
    landed = [day for day in sorted(set(days)) if lake.has(CLOCK_ENTRIES, day)]
    if not landed:
        return NOTHING_CLOCKED
    rows = lake.read(CLOCK_ENTRIES, landed, SHIFT_INPUT.names).cast(NOTHING_CLOCKED.entries.schema)
    read_at = {date.fromisoformat(day): _read_at(lake, day) for day in landed}
    return ClockedDays(rows, list(read_at), {day: at for day, at in read_at.items() if at is not None})


def entries_digest(lake: Lake, day: str) -> str:
    """Digest of a day's shifts; empty if they are not landed. Raises LakeError if the file cannot be read."""
    version = lake.version(CLOCK_ENTRIES, day)
    return "" if version is None else _digest(str(lake.root), day, version)


@lru_cache(maxsize=4096)
def _digest(root: str, day: str, version: str) -> str:  # noqa: ARG001 - the version is part of the key
    clocked = read_entries(Lake(root), [day])
    rows = clocked.entries
    at = rows.column_names.index("read_at")
    read_at = pc.if_else(pc.is_null(rows["clock_out"]), rows["read_at"], pa.scalar(None, rows["read_at"].type))
    return content_digest(rows.set_column(at, "read_at", read_at)) + _early(day, clocked.read_at)


def _early(day: str, read_at: Mapping[date, datetime]) -> str:
    """The instant of a reading before the day was over everywhere; empty otherwise."""
    start = datetime.combine(date.fromisoformat(day), time(), UTC)
    return "".join(f" {at.isoformat()}" for at in read_at.values() if at < start + _EVERYWHERE_OVER)


def _read_at(lake: Lake, day: str) -> datetime | None:
    kept = lake.metadata(CLOCK_ENTRIES, day).get("read_at")
    return None if kept is None else datetime.fromisoformat(kept)
