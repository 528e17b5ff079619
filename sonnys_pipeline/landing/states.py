"""What `version-2` says about a day, as a landed file, and its pages in their archive (LV-04).

The file joins `transactions` by id in the same partition. One site's states replace those of the same ids; others stay.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.calendar.windows import Window
from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.extract.pages.assemble import LoadedDay
from sonnys_pipeline.extract.pages.pii import Privacy
from sonnys_pipeline.extract.pages.states import StatesWindow, complete_states, join_states, parse_states
from sonnys_pipeline.lake.columns import as_one
from sonnys_pipeline.lake.dataset import Lake, LandedFile
from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError
from sonnys_pipeline.lake.states import STATES, TRANSACTION_STATES
from sonnys_pipeline.lake.transactions import ASSET as ROWS
from sonnys_pipeline.landing import archive
from sonnys_pipeline.landing.changes import Reread, changed_states, record
from sonnys_pipeline.landing.forgotten import refuse_outdated
from sonnys_pipeline.landing.transactions import Source, of_source
from sonnys_pipeline.landing.unread_sites import unread_states


class StatesNotReadError(LakeError):
    """The states of a day were requested and did not come; the message says why."""


def land_states(lake: Lake, loaded: LoadedDay, *, source: Source, privacy: Privacy) -> LandedFile:
    """Land the states of a day, sorted by id. Raises StatesNotReadError when the day came without states."""
    loaded = of_source(loaded, source)
    day, states = loaded.day.key, loaded.states
    if states is None:
        raise StatesNotReadError(f"{STATES} {day}: {loaded.states_note or 'not read'}")
    metadata = {
        "partition": day,
        "account": source.api_id_digest,
        "site_code": source.site_code,
        "timezone": loaded.day.timezone,
        "windows": json.dumps([_window(window) for window in states.windows]),
        "states_without_row": str(states.without_row),
        "rows_without_state": str(states.rows_without),
        "loaded_at": loaded.loaded_at.isoformat(),
        **privacy.metadata,
    }
    pages: pa.Table | None = archive.table_of(
        (window.window, window.site, window.raw_pages) for window in states.windows
    )
    table = states.table
    with lake.together() as group:
        refuse_outdated(group, privacy)
        if group.has(STATES, day):
            if loaded.site is not None:
                table, pages, metadata = _beside_others(group, loaded, table, pages, metadata)
            elif (unread := unread_states(group, loaded, table)) is not None:
                table = pa.concat_tables([unread, table]).sort_by("transaction_id")
                pages = None  # they have no pages of these states
            _record_changes(group, loaded, table, metadata)
        if loaded.has_raw_pages and pages is not None:
            archive.write(group, day, pages, metadata, archive.STATES_ARCHIVE)
        else:
            group.remove(archive.STATES_ARCHIVE, day)
        return write(group, day, table, metadata)


def _record_changes(lake: Lake, loaded: LoadedDay, table: pa.Table, metadata: Mapping[str, str]) -> None:
    """Record what differs from the landed states in `transaction_changes`."""
    day = loaded.day.key
    before = landed_metadata(lake, day)
    if not before or not lake.has(ROWS, day):
        return
    read = Reread(loaded, before, metadata)
    old, rows = lake.read(STATES, [day]).drop_columns("date"), lake.read(ROWS, [day])
    record(lake, changed_states(old, table, rows, read), read)


def write(lake: Lake, day: str, table: pa.Table, metadata: Mapping[str, str]) -> LandedFile:
    """Write a day's states."""
    # Always in the same order: a replay takes them from the archive and must make the same bytes.
    in_order = dict(sorted({**metadata, "rows": str(table.num_rows)}.items()))
    return lake.land(STATES, table, partition=day, metadata=in_order)


def made_of(pages: pa.Table, kept: Mapping[str, str]) -> pa.Table:
    """The states of a day, from their archived pages. Raises APIError when a page no longer parses."""
    windows = []
    for asked in json.loads(kept["windows"]):
        window = Window(datetime.fromisoformat(asked["start"]), datetime.fromisoformat(asked["end"]))
        mine = pages.filter((pc.field("window_start") == window.start) & (pc.field("window_end") == window.end))
        site = asked["site"]
        mine = mine.filter(pc.is_null(mine["site"]) if site is None else pc.equal(mine["site"], site)).sort_by("page")
        read = [parse_states(row["body"], row["received_at"]) for row in mine.to_pylist()]
        windows.append(complete_states(window, site, read))
    return join_states(windows).table if windows else TRANSACTION_STATES.empty_table()


def landed_metadata(lake: Lake, day: str) -> dict[str, str]:
    """Metadata of a day's states; empty if they are not landed or unreadable. Raises UnreachableLakeError."""
    try:
        return lake.metadata(STATES, day)
    except UnreachableLakeError:
        raise
    except LakeError:
        return {}


def _window(window: StatesWindow) -> dict[str, Any]:
    return {
        "start": f"{window.window.start:%Y-%m-%dT%H:%M:%SZ}",
        "end": f"{window.window.end:%Y-%m-%dT%H:%M:%SZ}",
        "site": window.site,
        "total": window.total,
    }


def _beside_others(
    lake: Lake, loaded: LoadedDay, table: pa.Table, pages: pa.Table, metadata: dict[str, str]
) -> tuple[pa.Table, pa.Table | None, dict[str, str]]:
    """One site's states joined with those of other ids; no pages where those of the others were not kept."""
    day, site = loaded.day.key, fold(loaded.site)
    landed, before = lake.read(STATES, [day]).drop_columns("date"), lake.metadata(STATES, day)
    others = landed.filter(
        pc.invert(pc.is_in(landed["transaction_id"], value_set=table["transaction_id"].combine_chunks()))
    )
    path = lake.path(STATES, day)
    joined = as_one([table, others], [path, path]).sort_by("transaction_id")
    rest: Sequence[dict[str, Any]] = [
        one for one in json.loads(before.get("windows", "[]")) if fold(one["site"]) != site
    ]
    metadata = {**metadata, "windows": json.dumps([*rest, *json.loads(metadata["windows"])])}
    try:
        kept, of_pages = archive.read(lake, day, archive.STATES_ARCHIVE)
    except UnreachableLakeError:
        raise
    except LakeError:
        return joined, None, metadata
    if of_pages["windows"] != before.get("windows"):
        return joined, None, metadata
    theirs = kept.filter(pc.fill_null(pc.not_equal(pc.utf8_lower(kept["site"]), site), True))
    return joined, pa.concat_tables([theirs, pages]), metadata
