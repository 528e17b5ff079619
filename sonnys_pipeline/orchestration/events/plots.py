"""Plots of the last days for the page of an asset: small images inside the metadata, so that no file is needed."""

import base64
import struct
import zlib
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.storage.folder import is_url

#: Days of a plot, the last one included.
PLOTTED_DAYS = 30
#: In pixels; the page of an asset shows some 320 of them on a screen of 1,400.
_BAR, _GAP, _HEIGHT = 8, 2, 80
#: Colours by index: background, a bar, the mark of a day without a value.
_PALETTE = bytes((255, 255, 255, 15, 118, 110, 203, 213, 225))
_EMPTY, _FULL, _UNKNOWN = 0, 1, 2


def last_days(lake: Lake, asset: str, last: str, columns: Mapping[str, str]) -> dict[str, dg.MetadataValue]:
    """A plot of each column (name → its words), summed over each of the last days; none in an object store.

    There each file would cost a request, and a run of one day would read 30.
    """
    if is_url(str(lake.root)):
        return {}
    end = date.fromisoformat(last)
    days = [(end - timedelta(days=back)).isoformat() for back in reversed(range(PLOTTED_DAYS))]
    landed = sorted(set(days) & set(lake.partitions(asset)))
    rows = lake.read(asset, landed, list(columns)) if landed else None
    found: dict[str, dg.MetadataValue] = {}
    for column, words in columns.items():
        sums = {} if rows is None else daily_sums(rows, column)
        found[f"last_{PLOTTED_DAYS}_days_{column}"] = dg.MetadataValue.md(
            plotted(words, {day: sums.get(day) for day in days})
        )
    return found


def daily_sums(rows: pa.Table, column: str) -> dict[str, float | None]:
    """Day → sum of a column; None for a day with an unknown value."""
    sums = rows.group_by("date").aggregate([(column, "sum"), (column, "count"), ([], "count_all")])
    is_known = pc.equal(sums[f"{column}_count"], sums["count_all"]).to_pylist()
    names = [str(day) for day in sums["date"].to_pylist()]
    values = sums[f"{column}_sum"].to_pylist()
    return {
        day: float(value) if known and value is not None else None
        for day, value, known in zip(names, values, is_known, strict=True)
    }


def plotted(words: str, values: Mapping[str, float | None]) -> str:
    """Markdown: an image, and in words what it shows; empty days are marked grey."""
    days, known = list(values), {day: value for day, value in values.items() if value is not None}
    if not known:
        return f"{words}: no day from {days[0]} to {days[-1]} is known."
    low, high = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
    image = base64.b64encode(bars(list(values.values()))).decode()
    text = f"{words} a day, {days[0]} to {days[-1]}: lowest {known[low]:,.0f} on {low}"
    text = f"{text}, highest {known[high]:,.0f} on {high}"
    lacking = len(values) - len(known)
    return (
        f"![{words} a day](data:image/png;base64,{image})\n\n{text}{f'; {lacking} days not known' if lacking else ''}"
    )


def bars(values: Sequence[float | None]) -> bytes:
    """A PNG with a bar for each value, from 0 on; a grey foot for None."""
    highest = max((value for value in values if value is not None), default=0) or 1
    columns = [
        (_UNKNOWN, 3) if value is None else (_FULL, max(1, round(max(value, 0) / highest * _HEIGHT)))
        for value in values
    ]
    lines = []
    for level in range(_HEIGHT, 0, -1):
        line = b"".join(bytes([colour if size >= level else _EMPTY]) * _BAR + bytes(_GAP) for colour, size in columns)
        lines.append(b"\0" + line)
    width = len(values) * (_BAR + _GAP)
    header = struct.pack(">IIBBBBB", width, _HEIGHT, 8, 3, 0, 0, 0)
    chunks = (b"IHDR", header), (b"PLTE", _PALETTE), (b"IDAT", zlib.compress(b"".join(lines))), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
