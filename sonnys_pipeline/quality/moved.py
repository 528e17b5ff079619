"""Find transactions landed in more than one day, and the days to read again (KT-02).

If a transaction's completion moves to another day, the next read of that day lands it there, too; the old day keeps it
until it is read again. So the day that was read last is right.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError
from sonnys_pipeline.lake.scans import scan
from sonnys_pipeline.lake.sql import open_tables
from sonnys_pipeline.lake.transactions import ASSET
from sonnys_pipeline.runtime.in_flight import in_flight
from sonnys_pipeline.runtime.text import first_few

logger = logging.getLogger(__name__)

#: Ids compared at once (some 200 MB); more take several passes over the column.
_AT_ONCE = 2_000_000
#: Ids kept by a run (some 50 MB); those of further days are read each time.
_KEPT = 1_000_000
#: Files of an object store that are read at once.
_READS_AT_ONCE = 16
_ID_AND_SITE = ["id", "location_code"]
#: Ids named in one sentence.
_NAMED = 5


@dataclass(frozen=True)
class MovedId:
    """A transaction that is landed in several `days` (in order).

    `stale` are the days to read again: all but the one read last, or all if the files do not say when they were read.
    """

    id: str
    days: tuple[str, ...]
    stale: tuple[str, ...]


def moved_ids(lake: Lake, days: Collection[str] | None = None) -> list[MovedId]:
    """Transactions that are in one of these days (default: all) and in another landed day, by id.

    Reads only the ids of all landed days: 0.7 s for 180 days of 5,000 rows. `LakeError` if a day cannot be read.
    """
    return lake.consistently(lambda: _moved_ids(lake, days))


def _moved_ids(lake: Lake, days: Collection[str] | None) -> list[MovedId]:
    landed = lake.partitions(ASSET)
    asked = landed if days is None else sorted(set(days) & set(landed))
    if not asked or len(landed) == 1:
        return []
    rows = sum(lake.storage.each(lambda day: lake.rows(ASSET, day), landed))
    passes = 1 + rows // _AT_ONCE
    found: dict[str, list[str]] = {}
    try:
        with open_tables({}) as connection:
            relation = scan(lake, ASSET, landed, columns=["id"]).relation(connection)
            for number in range(passes):
                ids = relation.filter(f"hash(id) % {passes} = {number}")
                spans = ids.aggregate("id, min(date) AS first, max(date) AS last").filter("first < last")
                for row_id, day in ids.join(spans.set_alias("spans"), "id").select("id, date").distinct().fetchall():
                    found.setdefault(row_id, []).append(day.isoformat())
    except duckdb.Error as error:
        raise LakeError(f"landed {ASSET} cannot be read ({error}); materialize the damaged days again") from error
    moved = {row_id: sorted(stands) for row_id, stands in sorted(found.items()) if not set(stands).isdisjoint(asked)}
    read_at = {day: _read_at(lake, day) for day in {day for stands in moved.values() for day in stands}}
    return [MovedId(row_id, tuple(stands), _stale(stands, read_at)) for row_id, stands in moved.items()]


class LandedIds:
    """Ids and sites of landed days, kept for a run that looks for its rows in all of them, once for each of its days.

    They are read again when a day's file was replaced. Not for threads.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[str, pa.Table]] = {}  # by day, of this version of its file

    def elsewhere(self, lake: Lake, ids: Collection[str], day: str, oldest: str) -> dict[str, list[tuple[str, str]]]:
        """Other landed days and sites of transactions: id → (day, site), in order.

        Days before `oldest` are not asked: they cannot be read again. Raises LakeError if a day cannot be read.
        """
        others = [key for key in lake.partitions(ASSET) if key != day and key >= oldest]
        if not ids or not others:
            return {}
        wanted = pa.array(sorted(ids), pa.string())
        try:
            found = lake.consistently(lambda: self._with_ids(lake, others, wanted))
        except UnreachableLakeError:
            raise
        except LakeError:  # a file is damaged, or lacks a column that others have: all as one table
            self._kept.clear()
            return _landed_elsewhere(lake, wanted, others)
        return _by_id(found)

    def _with_ids(self, lake: Lake, days: Sequence[str], wanted: pa.Array) -> list[tuple[str, str, date]]:
        """Rows of these ids: id, site, day."""
        versions = {day: lake.version(ASSET, day) for day in days}
        changed = [day for day in days if self._kept.get(day, ("", None))[0] != versions[day]]
        at_once = 1 if lake.storage.is_local else _READS_AT_ONCE
        read = dict(zip(changed, in_flight(lambda day: _ids_and_sites(lake, day), changed, at_once), strict=True))
        found = []
        for day in days:
            rows = read[day] if day in read else self._kept[day][1]
            moved = rows.filter(pc.is_in(rows["id"], value_set=wanted))
            pairs = zip(*(moved[name].to_pylist() for name in _ID_AND_SITE), strict=True)
            found += [(row_id, site or "", date.fromisoformat(day)) for row_id, site in pairs]
        for day, rows in read.items():
            self._kept.pop(day, None)
            if sum(one.num_rows for _, one in self._kept.values()) < _KEPT:
                self._kept[day] = versions[day] or "", rows
        return found


def _ids_and_sites(lake: Lake, day: str) -> pa.Table:
    return lake.read(ASSET, [day], _ID_AND_SITE).select(_ID_AND_SITE)


def _landed_elsewhere(lake: Lake, wanted: pa.Array, days: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """As `LandedIds.elsewhere`, in these days: 0.5 s for 180 days of 5,000 rows."""

    def read() -> list[tuple[str, str, date]]:
        with open_tables({"wanted": pa.table({"id": wanted})}) as connection:
            landed = scan(lake, ASSET, days, columns=_ID_AND_SITE).relation(connection)
            found = landed.join(connection.table("wanted"), "id", how="semi")
            return found.select("id, coalesce(location_code, ''), date").fetchall()

    try:
        return _by_id(lake.consistently(read))
    except duckdb.Error as error:
        raise LakeError(f"landed {ASSET} cannot be read ({error}); materialize the damaged days again") from error


def _by_id(rows: Iterable[tuple[str, str, date]]) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for row_id, site, day in sorted(rows):
        found.setdefault(row_id, []).append((day.isoformat(), site))
    return found


def days_to_read_again(lake: Lake, *, within: Collection[str]) -> list[str]:
    """Days with transactions that are also in a day read later, in order; only those in `within`.

    The morning schedule loads them with its own days. If a file cannot be read, this logs a warning and returns no
    days, so that the morning does not fail. `UnreachableLakeError` if an object store does not answer.
    """
    try:
        moved = moved_ids(lake)
    except UnreachableLakeError:
        raise
    except LakeError as error:
        logger.warning("cannot check for transactions that moved between days: %s", error)
        return []
    return sorted({day for one in moved for day in one.stale} & set(within))


def described(moved: Sequence[MovedId]) -> str:
    """One line for at least one moved id: ids, their days, and the days to read again."""
    named = first_few([f"{one.id} in {' and '.join(one.days)}" for one in moved], _NAMED, separator="; ")
    which = "1 transaction is" if len(moved) == 1 else f"{len(moved)} transactions are"
    again = sorted({day for one in moved for day in one.stale})
    return f"{which} in more than one day ({named}): read {', '.join(again)} again"


def _read_at(lake: Lake, day: str) -> datetime | None:
    try:
        return datetime.fromisoformat(lake.metadata(ASSET, day)["loaded_at"]).astimezone(UTC)
    except (KeyError, ValueError):
        return None


def _stale(days: Sequence[str], read_at: Mapping[str, datetime | None]) -> tuple[str, ...]:
    times = [moment for day in days if (moment := read_at[day]) is not None]
    last = [day for day in days if times and read_at[day] == max(times)]
    return tuple(day for day in days if len(last) != 1 or day != last[0])
