"""Landed days, cut anew at the midnights of another time zone, of their archived pages: `sonnys replay --rezone`.

A day of the new zone lies in two of the old one; the pages of both go into its archive, and make it. The API is not
asked. What lies before the first and behind the last midnight of the new zone makes no whole day: those pages are kept,
and the days are named, to be read from the API.

All pages that are needed are put aside first (`PAGES`), so that a run that was killed can be repeated: days that are
landed in the new zone already stay as they are. Nothing is written before every day is known to be possible.
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
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, NotLandedError, UnreachableLakeError
from sonnys_pipeline.lake.states import STATES, TRANSACTION_STATES
from sonnys_pipeline.lake.transactions import ASSET
from sonnys_pipeline.landing import archive
from sonnys_pipeline.landing import states as landing_states
from sonnys_pipeline.landing.replay import made_of
from sonnys_pipeline.landing.transactions import DayFile, Source, in_order

#: Pages and states of days of the zone before, while they are cut, and afterwards those that make no whole day.
PAGES, STATES_BEFORE = "transactions_raw_before_rezone", "transaction_states_before_rezone"
#: Days that a message names.
_NAMED = 10
_DAY = timedelta(days=1)
#: How the edges of a window are written in a file's metadata (`transactions.py`).
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"


class NotRezonableError(LakeError):
    """Days that cannot be cut anew, because pages of them are lacking; nothing was changed."""


@dataclass(frozen=True)
class Rezoned:
    """What became of it.

    Attributes:
        timezone: the new zone.
        before: the zones that landed days had.
        landed: days that were written.
        unchanged: days that were landed in the new zone already.
        to_read: days of the new zone whose pages are only there in part: they are not landed any more.
    """

    timezone: str
    before: tuple[str, ...]
    landed: tuple[str, ...]
    unchanged: tuple[str, ...]
    to_read: tuple[str, ...]


@dataclass(frozen=True)
class _Source:
    """A day of a zone before: where its pages lie, and what is known of them."""

    day: Day
    asset: str
    metadata: Mapping[str, str]


def rezone(lake: Lake, timezone: str, privacy: Privacy, *, on_day: Callable[[str], None] = lambda _: None) -> Rezoned:
    """Cut every landed day anew.

    Args:
        lake: where days and archives lie.
        timezone: the zone at whose midnights days are to begin.
        privacy: the present policy on personal data; pages have to be kept under it.
        on_day: called with each day that was written.

    Raises:
        NotRezonableError: naming the days whose pages are lacking, and why; nothing was changed.
        LakeError: when a file cannot be read or written; run it again.
        APIError: when today's code refuses a page that it took before.
    """
    with lake.writing(archive.LOCK):
        sources, present, lacking = _inventory(lake, timezone, privacy)
        whole, partial = _days_of(sources, timezone)
        for day in whole:
            if day.key not in present and _overlapping(day, [one for one in sources if _overlap(one.day, day)]):
                lacking[day.key] = "parts of it were read again since days were cut the last time"
        if lacking:
            raise NotRezonableError(
                f"{len(lacking)} landed days cannot be cut at the midnights of {timezone} without the API: "
                f"{_listed(lacking)}. Nothing was changed. Read these again in the zone that they have, with "
                "SONNYS_ARCHIVE=keep, or give the new zone a SONNYS_DATA_URL of its own"
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
    """Days of zones before, in order; days of the new zone; and why days cannot be cut."""
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
        ):  # a run was killed; its pages are put aside
            continue
        if why := _why_not(metadata, landed, privacy):
            lacking[key] = why
        else:
            sources[key] = _Source(Day.of(key, metadata["timezone"]), archive.ARCHIVE, metadata)
    ordered = sorted(sources.values(), key=lambda source: source.day.start)
    return ordered, frozenset(present), lacking


def _why_not(metadata: Mapping[str, str], landed: Mapping[str, str], privacy: Privacy) -> str:
    """Why the pages of a landed day do not make what is landed; empty where they do."""
    if not metadata:
        return "its pages are not archived"
    if metadata["timezone"] != landed["timezone"] or metadata["loaded_at"] < landed["loaded_at"]:
        return "its archive is older than the day"
    if not privacy.matches_metadata(metadata):
        return f"its pages were kept under SONNYS_PII={metadata['pii']}; replay it first"
    if metadata.get("sites", "null") != "null":
        return "some sites of it are landed, not all"
    asked = {window["site"] for window in json.loads(metadata["windows"])}
    if None in asked and len(asked) > 1:
        return "it was read as a whole, and one site once more"
    return ""


def _days_of(sources: Sequence[_Source], timezone: str) -> tuple[list[Day], list[Day]]:
    """Days of the new zone that lie wholly in what there is, and those that lie there in part."""
    keys: set[str] = set()
    for source in sources:
        first = date.fromisoformat(source.day.key)
        keys |= {(first + step * _DAY).isoformat() for step in (-1, 0, 1)}
    days = [Day.of(key, timezone) for key in sorted(keys)]
    touched = [day for day in days if any(_overlap(source.day, day) for source in sources)]
    whole = [day for day in touched if _covered(day, sources)]
    return whole, [day for day in touched if day not in whole]


def _covered(day: Day, sources: Sequence[_Source]) -> bool:
    """Whether days that follow on one another, in order of time, hold every instant of a day."""
    reached = day.start
    for source in sources:
        if source.day.start <= reached < source.day.end:
            reached = source.day.end
    return reached >= day.end


def _overlap(one: Day, other: Day) -> bool:
    return one.start < other.end and other.start < one.end


def _land(lake: Lake, day: Day, sources: Sequence[_Source], privacy: Privacy) -> None:
    """Land a day of the new zone, its archive first."""
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
        "proof": "null",  # the API has counted other days
    }
    together = pa.concat_tables(pages)
    file = made_of(together, metadata, Source(newest["account"], newest["site_code"]), privacy)
    file = DayFile(in_order(file.table), {**file.metadata, "rows": str(file.table.num_rows)})
    archive.write(lake, day.key, together, file.metadata)
    lake.remove(archive.STATES_ARCHIVE, day.key)
    _land_states(lake, day, sources, file)
    # Last: a day of the new zone is done. One without rows may take the place of the day that had its name, whose rows
    # are on others now.
    lake.land(ASSET, file.table, partition=day.key, metadata=file.metadata)


def _asked(day: Day, sources: Sequence[_Source]) -> list[tuple[Mapping[str, Any], _Source]]:
    """The windows that a day's rows lie in, each once, and whose pages are taken; those of a later read before others.

    A window stands in two archives where days have been cut before.
    """
    found: dict[tuple[Any, ...], tuple[Mapping[str, Any], _Source]] = {}
    for source in sorted(sources, key=lambda one: one.metadata["loaded_at"]):
        for asked in json.loads(source.metadata["windows"]):
            start, end = (datetime.fromisoformat(asked[edge]) for edge in ("start", "end"))
            if start < day.end and day.start < end:
                found[asked["site"], start, end] = asked, source
    return list(found.values())


def _overlapping(day: Day, sources: Sequence[_Source]) -> bool:
    """Whether some instants were asked for twice, by windows that are not the same: rows would be there twice."""
    reached: dict[str | None, str] = {}
    for asked, _ in sorted(_asked(day, sources), key=lambda one: str(one[0]["start"])):
        if asked["start"] < reached.get(asked["site"], ""):
            return True
        reached[asked["site"]] = asked["end"]
    return False


def _of_windows(pages: pa.Table, windows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """The pages of these windows."""
    wanted = {(asked["site"], asked["start"], asked["end"]) for asked in windows}
    edges = zip(*(pages[name].to_pylist() for name in ("site", "window_start", "window_end")), strict=True)
    mine = [(site, f"{start:{_INSTANT}}", f"{end:{_INSTANT}}") in wanted for site, start, end in edges]
    return pages.filter(pa.array(mine, pa.bool_()))


def _put_aside(lake: Lake, key: str) -> None:
    """Keep pages and states of a day while others take its name."""
    try:
        lake.land(STATES_BEFORE, lake.read(STATES, [key]).drop_columns("date"), partition=key)
    except NotLandedError:
        lake.remove(STATES_BEFORE, key)
    pages, metadata = archive.read(lake, key)
    archive.write(lake, key, pages, metadata, PAGES)  # last: where these are, all is


def _land_states(lake: Lake, day: Day, sources: Sequence[_Source], file: DayFile) -> None:
    """Land what is known of the states of a day's rows; nothing where nothing is known."""
    found = []
    for source in sources:
        try:
            found.append(lake.read(STATES_BEFORE, [source.day.key]).drop_columns("date").cast(TRANSACTION_STATES))
        except NotLandedError:
            continue
    if not found:
        lake.remove(STATES, day.key)
        return
    together = pa.concat_tables(found)
    states = together.filter(pc.is_in(together["transaction_id"], value_set=file.table["id"].combine_chunks()))
    metadata = {name: file.metadata[name] for name in ("partition", "account", "site_code", "timezone", "loaded_at")}
    metadata |= {name: file.metadata[name] for name in ("pii", "pii_key")}
    metadata |= {"windows": "[]", "states_without_row": "0"}
    metadata["rows_without_state"] = str(file.table.num_rows - states.num_rows)
    landing_states.write(lake, day.key, states.sort_by("transaction_id"), metadata)


def _clear(lake: Lake, sources: Sequence[_Source], whole: Sequence[Day], timezone: str) -> None:
    """Remove files of zones before, and put-aside pages all of whose rows are landed."""
    for key in lake.partitions(ASSET):
        if lake.metadata(ASSET, key).get("timezone", timezone) != timezone:
            for asset in (archive.ARCHIVE, STATES, archive.STATES_ARCHIVE, ASSET):  # the day last: it names the work
                lake.remove(asset, key)
    for source in sources:
        parts = [day for day in whole if _overlap(source.day, day)]
        if sum((_common(source.day, day) for day in parts), timedelta()) >= source.day.end - source.day.start:
            lake.remove(PAGES, source.day.key)
            lake.remove(STATES_BEFORE, source.day.key)


def _common(one: Day, other: Day) -> timedelta:
    return min(one.end, other.end) - max(one.start, other.start)


def _listed(lacking: Mapping[str, str]) -> str:
    """Days by reason, the first of each."""
    by_reason: dict[str, list[str]] = {}
    for key, why in lacking.items():
        by_reason.setdefault(why, []).append(key)
    return "; ".join(f"{', '.join(_first(keys))}: {why}" for why, keys in by_reason.items())


def _first(keys: Sequence[str]) -> Iterator[str]:
    yield from keys[:_NAMED]
    if len(keys) > _NAMED:
        yield f"{len(keys) - _NAMED} more"
