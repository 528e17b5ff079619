"""Rows of sites that a read of the whole day has not asked for: they stay.

A site that has left `/site/list` is no longer read, and keeps its days when these are read again. Its rows go only
where the same ids have come under another code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.extract.pages.assemble import LoadedDay
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.states import STATES, TRANSACTION_STATES
from sonnys_pipeline.lake.transactions import ASSET, promised_rows


def unread_rows(
    landed: pa.Table, metadata: Mapping[str, str], loaded: LoadedDay
) -> tuple[pa.Table, Mapping[str, str]] | None:
    """Landed rows of sites that were not asked for, and the metadata that goes with them; `None` if there are none.

    The metadata is `windows` (their reads) and `superseded` (promised rows of these that are no longer there).
    """
    if loaded.site is not None or not loaded.sites:
        return None
    asked, read = pa.array(sorted({fold(code) for code in loaded.sites})), loaded.table["id"].combine_chunks()
    codes = pc.utf8_lower(pc.utf8_trim_whitespace(landed["location_code"]))
    is_other = pc.and_(pc.invert(pc.is_in(codes, asked)), pc.not_equal(codes, ""))
    others = landed.filter(pc.and_(is_other, pc.invert(pc.is_in(landed["id"], value_set=read))))
    if not others.num_rows or "windows" not in metadata:
        return None
    there = {fold(code) for code in pc.unique(others["location_code"]).to_pylist()}
    windows = [one for one in json.loads(metadata["windows"]) if one.get("site") is None or fold(one["site"]) in there]
    promised = promised_rows({"windows": json.dumps(windows)})
    return others, {"windows": json.dumps(windows), "superseded": str(promised - others.num_rows)}


def unread_states(lake: Lake, loaded: LoadedDay, read: pa.Table) -> pa.Table | None:
    """Landed states of the kept rows, which a read of the other sites' states does not have; `None` without such rows.

    To be asked after the rows are landed, of a day with landed states.
    """
    day = loaded.day.key
    if loaded.site is not None or not unread_windows(loaded, lake.metadata(ASSET, day)):
        return None
    states, rows = lake.read(STATES, [day]).drop_columns("date"), lake.read(ASSET, [day], ["id"])
    is_there = pc.is_in(states["transaction_id"], value_set=rows["id"].combine_chunks())
    is_new = pc.is_in(states["transaction_id"], value_set=read["transaction_id"].combine_chunks())
    return states.filter(pc.and_(is_there, pc.invert(is_new))).cast(TRANSACTION_STATES)


def unread_windows(loaded: LoadedDay, metadata: Mapping[str, str]) -> list[dict[str, Any]]:
    """Windows in a file's metadata that are of sites which a read of the whole day has not asked for."""
    asked = {fold(code) for code in loaded.sites}
    if loaded.site is not None or not asked:
        return []
    windows: list[dict[str, Any]] = json.loads(metadata.get("windows", "[]"))
    return [one for one in windows if one.get("site") is None or fold(one["site"]) not in asked]
