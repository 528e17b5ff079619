"""What a read of a landed day found changed, and where it is kept: `transaction_changes` (KT-02).

Changes and the day's new file are written as one, so that none is lost or recorded twice. Only a read from the API
gives changes; a replay, another time zone, another policy on personal data or new columns give none.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.client import TransactionJobItem, TransactionV2ListItem
from sonnys_pipeline.client.models import Tender
from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.extract.pages.assemble import LoadedDay
from sonnys_pipeline.extract.pages.pii import PERSONAL, Privacy, privacy_problem
from sonnys_pipeline.lake.changes import CHANGES, TRANSACTION_CHANGES, Change
from sonnys_pipeline.lake.columns import as_one
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.schema import EXTRA_COLUMN
from sonnys_pipeline.lake.sql import open_tables
from sonnys_pipeline.lake.transactions import sites_in

#: Fields with text about a person; those in `tenders` are never kept here.
PERSONAL_FIELDS = frozenset({*PERSONAL[TransactionJobItem], *PERSONAL[TransactionV2ListItem]})
#: Fields whose old and new values are not kept: nobody knows what is in them.
_WITHOUT_VALUES = frozenset({EXTRA_COLUMN})


@dataclass(frozen=True)
class Reread:
    """A landed day that was read again: the read, and the metadata of the old and the new file."""

    loaded: LoadedDay
    before: Mapping[str, str]
    after: Mapping[str, str]

    @property
    def same_policy(self) -> bool:
        """Whether personal data of both files can be compared."""
        return all(self.before.get(name, "") == self.after[name] for name in ("pii", "pii_key"))

    def covers(self, rows: pa.Table) -> pa.Table:
        """The rows of sites that both were read."""
        landed, site = sites_in(self.before), self.loaded.site
        codes = pc.utf8_lower(rows["location_code"])
        if landed is not None:
            rows, codes = _both(rows, codes, {fold(code) for code in landed})
        return rows if site is None else _both(rows, codes, {fold(site)})[0]


def changed_rows(old: pa.Table, new: pa.Table, read: Reread) -> pa.Table:
    """The changes between two files of a day, schema `TRANSACTION_CHANGES`, by id and field."""
    old, new = read.covers(old), read.covers(new)
    before, after = _ids(old), _ids(new)
    found = [
        *_come_or_gone(new, after - before, read, (Change.ADDED, Change.MOVED_IN)),
        *_come_or_gone(old, before - after, read, (Change.REMOVED, Change.MOVED_OUT)),
        *_edited(old, new, read, "id"),
    ]
    return _table(found)


def changed_states(old: pa.Table, new: pa.Table, rows: pa.Table, read: Reread) -> pa.Table:
    """The changes between two files of a day's states, of fields that the rows (`TRANSACTIONS`) do not have."""
    columns = [name for name in new.column_names if name not in {"read_at", "total"}]
    edited = list(_edited(old.select(columns), new.select(columns), read, "transaction_id"))
    by_id = _rows(rows, {one["transaction_id"] for one in edited})
    found = []
    for one in edited:
        row = by_id.get(one["transaction_id"])
        if row is not None and row.get(one["field"]) is None:
            found.append({**one, "site": row["location_code"]})
    return _table(found)


def record(lake: Lake, changes: pa.Table, read: Reread) -> None:
    """Add changes to those of the reading date, as one with what else is landed; inside `Lake.together`."""
    if not changes.num_rows:
        return
    loaded = read.loaded
    key = loaded.loaded_at.astimezone(ZoneInfo(loaded.day.timezone)).date().isoformat()
    if lake.has(CHANGES, key):
        path = lake.path(CHANGES, key)
        changes = as_one([lake.read(CHANGES, [key]).drop_columns("date"), changes], [path, path])
    lake.land(CHANGES, changes, partition=key)
    lake.belong_together()


def apply_policy(lake: Lake, privacy: Privacy) -> None:
    """Bring recorded personal values under a stricter policy; others stay. Raises LakeError."""
    with lake.writing("transactions"):
        for key in lake.partitions(CHANGES):
            table = lake.read(CHANGES, [key]).drop_columns("date")
            treated = [_treated(row, privacy) for row in table.to_pylist()]
            made = pa.Table.from_pylist(treated, table.schema)
            if not made.equals(table):
                lake.land(CHANGES, made, partition=key)


def unproven(old: pa.Table, new: pa.Table, read: Reread) -> list[str]:
    """Landed ids that are gone although neither the API's count nor its answer for the id proves it."""
    loaded = read.loaded
    if loaded.proof is not None and loaded.proof.counted is not None and loaded.proof.missing == 0:
        return []
    gone = _ids(read.covers(old)) - _ids(read.covers(new))
    return sorted(gone - loaded.deleted - loaded.moved.keys())


def _come_or_gone(
    rows: pa.Table, ids: Collection[str], read: Reread, kinds: Sequence[Change]
) -> Iterator[dict[str, Any]]:
    alone, moved = kinds
    side = "new" if alone is Change.ADDED else "old"
    for row in _rows(rows.select(["id", "location_code", "total", "complete_date"]), ids).values():
        other = read.loaded.moved.get(row["id"])
        field = "complete_date" if other else "total"
        told = {
            "change": moved if other else alone,
            "field": field,
            side: _text(field, row[field]),
            "other_day": date.fromisoformat(other) if other else None,
        }
        yield _change(row["id"], row["location_code"], read, told)


def _edited(old: pa.Table, new: pa.Table, read: Reread, key: str) -> Iterator[dict[str, Any]]:
    """Fields that differ in rows of the same id, of columns that both files have in one type."""
    compared = [
        name
        for name in new.column_names
        if name != key and name in old.column_names and old.schema.field(name).type == new.schema.field(name).type
        # Under another policy, personal data and lists with it always differ.
        and (read.same_policy or not (name in PERSONAL_FIELDS or name in {"tenders", EXTRA_COLUMN}))
    ]  # fmt: skip
    differs = [f'old."{name}" IS DISTINCT FROM new."{name}"' for name in compared]
    if not differs or not old.num_rows or not new.num_rows:
        return
    fields = ", ".join(f"CASE WHEN {one} THEN '{name}' END" for name, one in zip(compared, differs, strict=True))
    with open_tables({"old": old, "new": new}) as connection:
        found = connection.execute(
            f'SELECT new."{key}", [{fields}] FROM old JOIN new USING ("{key}") WHERE {" OR ".join(differs)} '  # noqa: S608 - names of our columns
            f'ORDER BY new."{key}"'
        ).fetchall()
    ids = [row_id for row_id, _ in found]
    before, after = _rows(old, ids, key), _rows(new, ids, key)
    for row_id, names in found:
        for name in filter(None, names):
            values = {"old": _text(name, before[row_id][name]), "new": _text(name, after[row_id][name])}
            told = {"change": Change.EDITED, "field": name, "other_day": None, **values}
            yield _change(row_id, after[row_id].get("location_code"), read, told)


def _change(row_id: str, site: str | None, read: Reread, told: Mapping[str, Any]) -> dict[str, Any]:
    loaded = read.loaded
    previous = read.before.get("loaded_at")
    return {
        "transaction_id": row_id,
        "day": date.fromisoformat(loaded.day.key),
        "site": site,
        **told,
        "first_seen": loaded.loaded_at,
        "previous_read_at": datetime.fromisoformat(previous) if previous else None,
        "hours_after_day": round((loaded.loaded_at - loaded.day.end).total_seconds() / 3600, 3),
        "found_by": loaded.found_by,
        "pii": read.after["pii"],
        "pii_key": read.after["pii_key"],
    }


def _treated(row: dict[str, Any], privacy: Privacy) -> dict[str, Any]:
    if row["field"] not in PERSONAL_FIELDS or privacy.matches_metadata(row) or privacy_problem(row, privacy):
        return row
    values = {side: None if row[side] is None else privacy.apply_to_text(row[side]) for side in ("old", "new")}
    return {**row, **values, **privacy.metadata}


def _text(field: str, value: Any) -> str | None:  # noqa: ANN401 - any column's value
    if value is None or field in _WITHOUT_VALUES:
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list):
        value = [{name: part for name, part in one.items() if name not in PERSONAL[Tender]} for one in value]
    return json.dumps(value, ensure_ascii=False)


def _table(changes: Sequence[Mapping[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(list(changes), TRANSACTION_CHANGES)


def _ids(rows: pa.Table) -> set[str]:
    return set(rows["id"].to_pylist())


def _rows(rows: pa.Table, ids: Collection[str], key: str = "id") -> dict[str, dict[str, Any]]:
    wanted = rows.filter(pc.is_in(rows[key], value_set=pa.array(sorted(ids), pa.string())))
    return {row[key]: row for row in wanted.to_pylist()}


def _both(rows: pa.Table, codes: pa.ChunkedArray, wanted: Collection[str]) -> tuple[pa.Table, pa.ChunkedArray]:
    kept = pc.is_in(codes, value_set=pa.array(sorted(wanted), pa.string()))
    return rows.filter(kept), codes.filter(kept)
