"""Histories of lists: one row for each version of an entity, valid from one day to another.

A list says what is true when it is read. The first reading begins the history: nothing is known of the days before it.
A version holds from the day of the reading that saw it to before the day of the reading that saw another one, or none.
Of several readings of one day, the last one counts. Readers who need the present list take the rows with `is_current`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.lake.errors import LakeError, RowsWouldVanishError

#: What a version adds to the columns of its list.
VALIDITY = (
    pa.field("valid_from", pa.date32(), nullable=False),
    pa.field("valid_to", pa.date32()),
    pa.field("is_current", pa.bool_(), nullable=False),
)
_CURRENT = {"valid_to": None, "is_current": True}
_VALIDITY_NAMES = tuple(field.name for field in VALIDITY)
#: A list with fewer than this part of the current rows is refused unless a person accepts it.
_SHORTEST = 0.5


def history_schema(listed: pa.Schema) -> pa.Schema:
    """The columns of a history of lists with columns `listed`."""
    return pa.schema([*listed, *VALIDITY])


def as_of(history: pa.Table, day: date) -> pa.Table:
    """The rows that were valid on a day, as far as readings had seen them; without the columns of `VALIDITY`."""
    begun = pc.less_equal(history["valid_from"], pa.scalar(day, pa.date32()))
    not_ended = pc.fill_null(pc.greater(history["valid_to"], pa.scalar(day, pa.date32())), fill_value=True)
    return history.filter(pc.and_(begun, not_ended)).drop_columns(list(_VALIDITY_NAMES))


def with_reading(
    history: pa.Table,
    listed: pa.Table,
    key: Sequence[str],
    day: date,
    *,
    as_last_read: Collection[str] = (),
    accept_shorter: bool = False,
) -> pa.Table:
    """The history after one more reading: all that was known, and a new version where something changed.

    Args:
        history: rows of `history_schema`, or of an older form of it that lacks columns; empty before the first reading.
        listed: the whole list, each key once.
        key: columns that identify an entity.
        day: the day of the reading.
        as_last_read: columns that begin no version: the newest one has them as they were read last.
        accept_shorter: whether a list with less than half of the current rows is taken.

    Returns:
        Rows of `history_schema(listed.schema)` in the order of their keys and days. A column that the history lacked
        is filled in where a version is still current, and begins no new one.

    Raises:
        RowsWouldVanishError: the list has less than half of the rows that were current.
        LakeError: the list has a key twice, or the history goes beyond `day`.
    """
    _refuse_later(history, day)
    names = [name for name in listed.column_names if name in history.column_names and name not in as_last_read]
    seen = {_key(row, key): row for row in listed.to_pylist()}
    if len(seen) != listed.num_rows:
        raise LakeError(f"a list has {listed.num_rows - len(seen)} rows whose {', '.join(key)} another row has, too")
    rows = _without_earlier_readings_of(history.to_pylist(), day)
    current = {_key(row, key): row for row in rows if row["is_current"]}
    listed_before = pc.sum(history["is_current"]).as_py() or 0
    if len(seen) < max(listed_before, len(current)) * _SHORTEST and not accept_shorter:
        raise RowsWouldVanishError(
            f"the new list has {len(seen)} rows and {listed_before} were listed before; the history stays. "
            "If so many are really gone, run it once with accept_shorter in its configuration"
        )
    found = [row for row in rows if not row["is_current"]]
    for identity, row in seen.items():
        before = current.pop(identity, None)
        if before is not None and all(before[name] == row[name] for name in names):
            found.append({**row, "valid_from": before["valid_from"], **_CURRENT})
            continue
        if before is not None:
            found.append({**before, "valid_to": day, "is_current": False})
        found.append({**row, "valid_from": day, **_CURRENT})
    found += [{**gone, "valid_to": day, "is_current": False} for gone in current.values()]
    order = [(name, "ascending") for name in (*key, "valid_from")]
    return pa.Table.from_pylist(found, history_schema(listed.schema)).sort_by(order)


def _without_earlier_readings_of(rows: list[dict[str, Any]], day: date) -> list[dict[str, Any]]:
    """The versions as they were before the first reading of a day."""
    return [{**row, **_CURRENT} if row["valid_to"] == day else row for row in rows if row["valid_from"] != day]


def _refuse_later(history: pa.Table, day: date) -> None:
    days = [found for name in ("valid_from", "valid_to") if (found := pc.max(history[name]).as_py())]
    if days and max(days) > day:
        raise LakeError(
            f"the history already knows {max(days)}, so a reading of {day} cannot be added; check the clock"
        )


def _key(row: dict[str, Any], key: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[name] for name in key)
