"""Landed days cut at the midnights of another time zone, from their archived pages: `sonnys replay --rezone`.

A day of the new zone overlaps two of the old one; both give it their pages. Nothing is requested. Pages before
the first and after the last midnight of the new zone make no whole day: they are kept, and the days are named, to be
read from the API.

All needed pages are first copied to `PAGES`, so that a killed run can be repeated; days already landed in the new zone
stay. Nothing is written before every day is known to be possible.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.extract.pages.pii import Privacy
from sonnys_pipeline.lake.columns import as_one
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, NotLandedError, UnreachableLakeError
from sonnys_pipeline.lake.states import STATES, TRANSACTION_STATES
from sonnys_pipeline.lake.transactions import ASSET
from sonnys_pipeline.landing import archive
from sonnys_pipeline.landing import states as landing_states
from sonnys_pipeline.landing.replay import made_of
from sonnys_pipeline.landing.transactions import DayFile, Source, in_order

#: Pages and states of the old zone while days are cut; afterwards those that make no whole day.
PAGES, STATES_BEFORE = "transactions_raw_before_rezone", "transaction_states_before_rezone"
#: Days named in a message.
_NAMED = 10
_DAY = timedelta(days=1)
#: Format of window edges in a file's metadata (`transactions.py`).
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"


class NotRezonableError(LakeError):
    """Days cannot be cut because their pages are missing; nothing was changed."""


@dataclass(frozen=True)
class Rezoned:
    """The result.

    Attributes:
        before: zones of the days before.
        unchanged: days already landed in the new zone.
        to_read: days of the new zone that are no longer landed, since only part of their pages exist.
    """

    timezone: str
    before: tuple[str, ...]
    landed: tuple[str, ...]
    unchanged: tuple[str, ...]
    to_read: tuple[str, ...]


@dataclass(frozen=True)
class _Source:
    """A day of an old zone: where its pages are, and their metadata."""

    day: Day
    asset: str
    metadata: Mapping[str, str]


def rezone(lake: Lake, timezone: str, privacy: Privacy, *, on_day: Callable[[str], None] = lambda _: None) -> Rezoned:
    """Cut every landed day again, at the midnights of `timezone`; `on_day` is called with each day written.

    Pages must have been kept under `privacy`, the present policy on personal data.

    Raises:
        NotRezonableError: naming the days whose pages are missing, and why; nothing was changed.
        LakeError: when a file cannot be read or written; run it again.
        APIError: when the present code refuses an archived page.
    """
    with lake.writing(archive.LOCK):
        sources, present, lacking = _inventory(lake, timezone, privacy)
        whole, partial = _days_of(sources, timezone)
        for day in whole:
            if day.key not in present and _overlapping(day, [one for one in sources if _overlap(one.day, day)]):
                lacking[day.key] = "parts of it were read again since the last rezone"
        if lacking:
            raise NotRezonableError(
                f"{len(lacking)} landed days cannot be cut at the midnights of {timezone} without the API: "
                f"{_listed(lacking)}. Nothing was changed. Read these again in their present zone with "
                "SONNYS_ARCHIVE=keep, or use another SONNYS_DATA_URL for the new zone"
            )
        for source in sources:
            if source.asset != PAGES:
                _put_aside(lake, source.day.key)
        landed = []
        for day in whole:
            if day.key not in present:
                _land(lake, day, [source for source in sources if _overlap(source.day, day)], privacy)
                on_day(day.key)
                landed.append(day.key)
        _clear(lake, sources, whole, timezone)
    zones = tuple(dict.fromkeys(source.day.timezone for source in sources))
    left = [day.key for day in partial if day.key not in present]
    return Rezoned(timezone, zones, tuple(landed), tuple(sorted(present)), tuple(left))


def _inventory(lake: Lake, timezone: str, privacy: Privacy) -> tuple[list[_Source], frozenset[str], dict[str, str]]:
    """Days of old zones, in order; days of the new zone; and reasons why days cannot be cut."""
    sources: dict[str, _Source] = {}
    present: set[str] = set()
    lacking: dict[str, str] = {}
    for key in lake.partitions(PAGES):
        metadata = lake.metadata(PAGES, key)
        if metadata["timezone"] != timezone:
            sources[key] = _Source(Day.of(key, metadata["timezone"]), PAGES, metadata)
    for key in lake.partitions(ASSET):
        landed = lake.metadata(ASSET, key)
        if landed.get("timezone", timezone) == timezone:
            present.add(key)
            continue
        try:
            metadata = lake.metadata(archive.ARCHIVE, key)
        except UnreachableLakeError:
            raise
        except LakeError:
            metadata = {}
        if (
            key in sources and metadata.get("timezone") != landed["timezone"]
        ):  # an earlier run was killed after copying its pages
            continue
        if why := _why_not(metadata, landed, privacy):
            lacking[key] = why
        else:
            sources[key] = _Source(Day.of(key, metadata["timezone"]), archive.ARCHIVE, metadata)
    ordered = sorted(sources.values(), key=lambda source: source.day.start)
    return ordered, frozenset(present), lacking


def _why_not(metadata: Mapping[str, str], landed: Mapping[str, str], privacy: Privacy) -> str:
    """Why the pages of a landed day do not make the landed rows; empty if they do."""
    if not metadata:
        return "its pages are not archived"
    if metadata["timezone"] != landed["timezone"] or metadata["loaded_at"] < landed["loaded_at"]:
        return "its archive is older than the day"
    if not privacy.matches_metadata(metadata):
        return f"its pages were kept under SONNYS_PII={metadata['pii']}; replay it first"
    if metadata.get("sites", "null") != "null":
        return "only some of its sites are landed"
    asked = {window["site"] for window in json.loads(metadata["windows"])}
    if None in asked and len(asked) > 1:
        return "one of its sites was read again after the whole day"
    return ""


def _days_of(sources: Sequence[_Source], timezone: str) -> tuple[list[Day], list[Day]]:
    """Days of the new zone that are covered wholly, and those covered in part."""
    keys: set[str] = set()
    for source in sources:
        first = date.fromisoformat(source.day.key)
        keys |= {(first + step * _DAY).isoformat() for step in (-1, 0, 1)}
    days = [Day.of(key, timezone) for key in sorted(keys)]
    touched = [day for day in days if any(_overlap(source.day, day) for source in sources)]
    whole = [day for day in touched if _covered(day, sources)]
    return whole, [day for day in touched if day not in whole]


def _covered(day: Day, sources: Sequence[_Source]) -> bool:
    """Whether consecutive sources, in order of time, cover a whole day."""
    reached = day.start
    for source in sources:
        if source.day.start <= reached < source.day.end:
            reached = source.day.end
    return reached >= day.end


def _overlap(one: Day, other: Day) -> bool:
    return one.start < other.end and other.start < one.end


def _land(lake: Lake, day: Day, sources: Sequence[_Source], privacy: Privacy) -> None:
    asked = _asked(day, sources)
    pages = [
        _of_windows(archive.read(lake, source.day.key, PAGES)[0], [one for one, its in asked if its is source])
        for source in sources
    ]
    newest = max((source.metadata for source in sources), key=lambda metadata: metadata["loaded_at"])
    metadata = {
        **newest,
        "partition": day.key,
        "timezone": day.timezone,
        "windows": json.dumps([one for one, _ in asked]),
        "proof": "null",  # the API counted other days
    }
    together = pa.concat_tables(pages)
    file = made_of(together, metadata, Source(newest["account"], newest["site_code"]), privacy)
    file = DayFile(in_order(file.table), {**file.metadata, "rows": str(file.table.num_rows)})
    archive.write(lake, day.key, together, file.metadata)
    lake.remove(archive.STATES_ARCHIVE, day.key)
    _land_states(lake, day, sources, file)
    # Last: it marks the day as done. An empty day may replace a day of the same name whose rows are now on other days.
    lake.land(ASSET, file.table, partition=day.key, metadata=file.metadata)


def _asked(day: Day, sources: Sequence[_Source]) -> list[tuple[Mapping[str, Any], _Source]]:
    """The windows with rows of a day, each once, with the source of their pages; a later read comes first.

    A window is in two archives where days have been cut before.
    """
    found: dict[tuple[Any, ...], tuple[Mapping[str, Any], _Source]] = {}
    for source in sorted(sources, key=lambda one: one.metadata["loaded_at"]):
        for asked in json.loads(source.metadata["windows"]):
            start, end = (datetime.fromisoformat(asked[edge]) for edge in ("start", "end"))
            if start < day.end and day.start < end:
                found[asked["site"], start, end] = asked, source
    return list(found.values())


def _overlapping(day: Day, sources: Sequence[_Source]) -> bool:
    """Whether different windows overlap: their rows would be there twice."""
    reached: dict[str | None, str] = {}
    for asked, _ in sorted(_asked(day, sources), key=lambda one: str(one[0]["start"])):
        if asked["start"] < reached.get(asked["site"], ""):
            return True
        reached[asked["site"]] = asked["end"]
    return False


def _of_windows(pages: pa.Table, windows: Sequence[Mapping[str, Any]]) -> pa.Table:
    wanted = {(asked["site"], asked["start"], asked["end"]) for asked in windows}
    edges = zip(*(pages[name].to_pylist() for name in ("site", "window_start", "window_end")), strict=True)
    mine = [(site, f"{start:{_INSTANT}}", f"{end:{_INSTANT}}") in wanted for site, start, end in edges]
    return pages.filter(pa.array(mine, pa.bool_()))


def _put_aside(lake: Lake, key: str) -> None:
    """Copy pages and states of a day before another day takes its name."""
    try:
        lake.land(STATES_BEFORE, lake.read(STATES, [key]).drop_columns("date"), partition=key)
    except NotLandedError:
        lake.remove(STATES_BEFORE, key)
    pages, metadata = archive.read(lake, key)
    archive.write(lake, key, pages, metadata, PAGES)  # last: it marks the copy as complete


def _land_states(lake: Lake, day: Day, sources: Sequence[_Source], file: DayFile) -> None:
    found = []
    for source in sources:
        try:
            found.append(lake.read(STATES_BEFORE, [source.day.key]).drop_columns("date"))
        except NotLandedError:
            continue
    if not found:
        lake.remove(STATES, day.key)
        return
    together = as_one(
        [TRANSACTION_STATES.empty_table(), *found], [lake.path(STATES_BEFORE, day.key)] * (len(found) + 1)
    )
    states = together.filter(pc.is_in(together["transaction_id"], value_set=file.table["id"].combine_chunks()))
    metadata = {name: file.metadata[name] for name in ("partition", "account", "site_code", "timezone", "loaded_at")}
    metadata |= {name: file.metadata[name] for name in ("pii", "pii_key")}
    metadata |= {"windows": "[]", "states_without_row": "0"}
    metadata["rows_without_state"] = str(file.table.num_rows - states.num_rows)
    landing_states.write(lake, day.key, states.sort_by("transaction_id"), metadata)


def _clear(lake: Lake, sources: Sequence[_Source], whole: Sequence[Day], timezone: str) -> None:
    """Remove files of old zones, and copied pages whose rows are all landed."""
    for key in lake.partitions(ASSET):
        if lake.metadata(ASSET, key).get("timezone", timezone) != timezone:
            for asset in (archive.ARCHIVE, STATES, archive.STATES_ARCHIVE, ASSET):  # the day last: it marks the work
                lake.remove(asset, key)
    for source in sources:
        parts = [day for day in whole if _overlap(source.day, day)]
        if sum((_common(source.day, day) for day in parts), timedelta()) >= source.day.end - source.day.start:
            lake.remove(PAGES, source.day.key)
            lake.remove(STATES_BEFORE, source.day.key)


def _common(one: Day, other: Day) -> timedelta:
    return min(one.end, other.end) - max(one.start, other.start)


def _listed(lacking: Mapping[str, str]) -> str:
    by_reason: dict[str, list[str]] = {}
    for key, why in lacking.items():
        by_reason.setdefault(why, []).append(key)
    return "; ".join(f"{', '.join(_first(keys))}: {why}" for why, keys in by_reason.items())


def _first(keys: Sequence[str]) -> Iterator[str]:
    yield from keys[:_NAMED]
    if len(keys) > _NAMED:
        yield f"{len(keys) - _NAMED} more"
