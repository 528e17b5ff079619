"""Days made again from their archived pages, with the present code and no request (docs/replay.md).

A day is read, assembled and landed in the same steps as before, so the same code makes the same bytes; the file says
when its rows were loaded, not replayed. A day whose file would not change is left alone. Under a stricter policy on
personal data the archive is treated before the day.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.calendar.windows import Day, Window
from sonnys_pipeline.client import APIError, JobData
from sonnys_pipeline.extract.pages.assemble import LoadedDay, LoadedWindow, complete_window, cut, join_windows
from sonnys_pipeline.extract.pages.page import PageRows, parse_page
from sonnys_pipeline.extract.pages.pii import Privacy, privacy_problem
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, NotLandedError, UnreachableLakeError
from sonnys_pipeline.lake.states import STATES
from sonnys_pipeline.lake.transactions import ASSET, WHOLE_READ_AT
from sonnys_pipeline.landing import archive
from sonnys_pipeline.landing import states as landing_states
from sonnys_pipeline.landing.changes import apply_policy
from sonnys_pipeline.landing.transactions import (
    DayFile,
    Source,
    beside_other_sites,
    day_file,
    in_order,
    refuse_other_source,
    write,
)


class Outcome(StrEnum):
    """The result for one day."""

    LANDED = "landed"  # its file was written
    UNCHANGED = "unchanged"  # its file already had this content
    MISSING = "missing"  # it has no archive
    FAILED = "failed"  # the landed day stays


@dataclass(frozen=True)
class ReplayedDay:
    """The result for one day; `message` is of the error or, for a missing day, what to do."""

    day: str
    outcome: Outcome
    rows: int = 0
    pages: int = 0
    error: str = ""
    message: str = ""


class NotReplayableError(LakeError):
    """An archive that must not be replayed: older than its day, or under another policy on personal data."""


def replay(
    lake: Lake, days: Sequence[str], privacy: Privacy, *, is_stopped: Callable[[], bool] = lambda: False
) -> Iterator[ReplayedDay]:
    """Replay days in order; a failure does not affect the others. `is_stopped` is asked before each day.

    Recorded changes are brought under the policy first. Raises LakeError if they cannot be read or written.
    """
    apply_policy(lake, privacy)
    for day in days:
        if is_stopped():
            return
        try:
            yield replay_day(lake, day, privacy)
        except (LakeError, APIError) as error:
            yield ReplayedDay(day, Outcome.FAILED, error=type(error).__name__, message=str(error))


def replay_day(lake: Lake, day: str, privacy: Privacy) -> ReplayedDay:
    """Make one day again from its archive.

    Raises:
        NotReplayableError: when the landed day is newer, or the policy asks for data that the archive does not have.
        OtherSourceError: when the landed day is of another account, site or time zone.
        RowsWouldVanishError: when landed rows would be replaced by none.
        LakeError: when a file cannot be read or written.
        APIError: when the present code refuses an archived page; names row and field.
    """
    with lake.writing(archive.LOCK):  # no newer read may be landed between comparing and writing
        try:
            pages, kept = archive.read(lake, day)
        except NotLandedError:
            message = "no pages are archived; only the API has this day, for six months"
            return ReplayedDay(day, Outcome.MISSING, message=message)
        landed = _landed_metadata(lake, day)
        if landed and datetime.fromisoformat(landed["loaded_at"]) > datetime.fromisoformat(kept["loaded_at"]):
            raise NotReplayableError(
                f"{archive.ARCHIVE} {day}: archived at {kept['loaded_at']}, and the landed day was read at "
                f"{landed['loaded_at']}; it stays. Its pages were not kept: read it again with SONNYS_ARCHIVE=keep"
            )
        if problem := privacy_problem(kept, privacy):
            raise NotReplayableError(
                f"{archive.ARCHIVE} {day}: {problem}. Replay it under the policy and key used when it was archived, "
                "or read the day again"
            )
        source = Source(kept["account"], kept["site_code"])
        refuse_other_source(lake, day, source, kept["timezone"])
        is_stricter = not privacy.matches_metadata(kept)
        if is_stricter:
            pages = _treated(pages, privacy)
        # An archive that was restored from a copy may have customers who were forgotten since.
        cleaned = _with_bodies(pages, [privacy.forget(body.as_py()) for body in pages["body"]])
        is_changed, pages = is_stricter or not cleaned.equals(pages), cleaned
        file = made_of(pages, kept, source, privacy)
        file = DayFile(in_order(file.table), {**file.metadata, "rows": str(file.table.num_rows)})
        if is_changed:
            lake.refuse_vanishing(ASSET, file.table, day)
            archive.write(lake, day, pages, file.metadata)
        unchanged = _is_landed(lake, day, file)
        if not unchanged:
            write(lake, day, file)
        unchanged = _replay_states(lake, day, privacy) and unchanged
    outcome = Outcome.UNCHANGED if unchanged else Outcome.LANDED
    return ReplayedDay(day, outcome, file.table.num_rows, pages.num_rows)


def _replay_states(lake: Lake, day: str, privacy: Privacy) -> bool:
    """Make a day's states again from their archived pages; returns whether they were unchanged.

    States newer than their archive stay: their pages were not kept.
    """
    try:
        pages, kept = archive.read(lake, day, archive.STATES_ARCHIVE)
    except NotLandedError:
        return True
    landed = landing_states.landed_metadata(lake, day)
    if landed.get("loaded_at", kept["loaded_at"]) > kept["loaded_at"]:
        return True
    if problem := privacy_problem(kept, privacy):
        raise NotReplayableError(f"{archive.STATES_ARCHIVE} {day}: {problem}. Read the day again")
    if not privacy.matches_metadata(kept):
        pages = _with_bodies(pages, [privacy.apply_to_list(body.as_py()) for body in pages["body"]])
        kept = {**kept, **privacy.metadata}
        archive.write(lake, day, pages, kept, archive.STATES_ARCHIVE)
    cleaned = _with_bodies(pages, [privacy.forget(body.as_py(), is_list=True) for body in pages["body"]])
    if not cleaned.equals(pages):
        pages = cleaned
        archive.write(lake, day, pages, kept, archive.STATES_ARCHIVE)
    table = landing_states.made_of(pages, kept)
    metadata = {**kept, "rows": str(table.num_rows)}
    if landed == metadata and lake.read(STATES, [day]).drop_columns("date").equals(table):
        return True
    landing_states.write(lake, day, table, kept)
    return False


def made_of(pages: pa.Table, kept: Mapping[str, str], source: Source, privacy: Privacy) -> DayFile:
    """The day's file, assembled read by read: the whole day, then sites that were read separately.

    The read of a whole day may have named no site, or each of them.
    """
    windows: list[dict[str, Any]] = json.loads(kept["windows"])
    if not windows:
        raise LakeError(f"{archive.ARCHIVE} {kept['partition']}: it names no window; read the day again")
    loaded_at, day = datetime.fromisoformat(kept["loaded_at"]), Day.of(kept["partition"], kept["timezone"])
    by_site: dict[str | None, list[LoadedWindow]] = {}
    for asked in windows:
        by_site.setdefault(asked["site"], []).append(_loaded(pages, asked, day))

    def read(loaded: Sequence[LoadedWindow], site: str | None) -> LoadedDay:
        return LoadedDay(day, tuple(loaded), join_windows(loaded), loaded_at, 0, 0.0, site)

    whole = by_site.pop(None, None)
    if whole is None:
        everything = [window for loaded in by_site.values() for window in loaded]
        file = day_file(read(everything, None), source, privacy)
        file = DayFile(file.table, {**file.metadata, "sites": kept.get("sites", "null")})
    else:
        file = day_file(read(whole, None), source, privacy)
        for site, loaded in by_site.items():
            alone = read(loaded, site)
            file = beside_other_sites(file, day_file(alone, source, privacy), alone)
    metadata = {name: value for name, value in file.metadata.items() if name != WHOLE_READ_AT}
    as_landed = {name: kept[name] for name in (WHOLE_READ_AT,) if name in kept}
    return DayFile(file.table, {**metadata, "proof": kept.get("proof", "null"), **as_landed})


def _loaded(pages: pa.Table, asked: Mapping[str, Any], day: Day) -> LoadedWindow:
    """One window rebuilt from its pages; rows of other days are cut off (`rezone.py`)."""
    window, site = _window(asked), asked["site"]
    of_site = pages.filter(pc.is_null(pages["site"]) if site is None else pc.equal(pages["site"], site))
    loaded = complete_window(window, [_page(row) for row in _rows_of(of_site, window)], site)
    if day.start <= window.start and window.end <= day.end:
        return loaded
    inside = pa.concat_tables([cut(loaded.table, part) for part in day.windows])
    return replace(loaded, table=inside, cut_off=loaded.cut_off + loaded.table.num_rows - inside.num_rows)


def _window(asked: Mapping[str, Any]) -> Window:
    return Window(datetime.fromisoformat(asked["start"]), datetime.fromisoformat(asked["end"]))


def _rows_of(pages: pa.Table, window: Window) -> list[dict[str, Any]]:
    of_window = pages.filter((pc.field("window_start") == window.start) & (pc.field("window_end") == window.end))
    rows: list[dict[str, Any]] = of_window.sort_by("page").to_pylist()
    return rows


def _page(row: Mapping[str, Any]) -> PageRows:
    """Parse an archived page with the present code; raises `LakeError` if its job had not passed."""
    page = parse_page(row["job_hash"], row["body"])
    if isinstance(page, JobData):
        raise LakeError(f"load job {row['job_hash']}: its archived page is {page.status}; read the day again")
    return page


def _treated(pages: pa.Table, privacy: Privacy) -> pa.Table:
    return _with_bodies(pages, [privacy.apply(body.as_py()) for body in pages["body"]])


def _with_bodies(pages: pa.Table, bodies: Sequence[bytes]) -> pa.Table:
    place = archive.SCHEMA.get_field_index("body")
    return pages.set_column(place, archive.SCHEMA.field(place), pa.array(bodies, pa.binary()))


def _landed_metadata(lake: Lake, day: str) -> dict[str, str]:
    """Metadata of the landed day; empty if it is missing or unreadable, which a replay repairs."""
    try:
        metadata = lake.metadata(ASSET, day)
    except UnreachableLakeError:
        raise
    except LakeError:
        return {}
    return metadata if "loaded_at" in metadata else {}


def _is_landed(lake: Lake, day: str, file: DayFile) -> bool:
    """Whether a day's file is already equal, metadata included."""
    try:
        table, metadata = lake.read(ASSET, [day]).drop_columns("date"), lake.metadata(ASSET, day)
    except UnreachableLakeError:
        raise
    except LakeError:
        return False
    return metadata == dict(file.metadata) and table.schema.equals(file.table.schema) and bool(table.equals(file.table))
