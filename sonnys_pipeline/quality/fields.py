"""Find fields that the API has renamed, added or stopped sending (contract, "A row")."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sonnys_pipeline.extract.pages.pii import Policy
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.landed_rows import landed_rows
from sonnys_pipeline.lake.schema import EXTRA_COLUMN
from sonnys_pipeline.lake.sql import OpenOrNot
from sonnys_pipeline.lake.states import STATES
from sonnys_pipeline.lake.transactions import ASSET
from sonnys_pipeline.quality.rules import every_status_is_known, status_is_known
from sonnys_pipeline.runtime.quoting import word
from sonnys_pipeline.runtime.text import first_few

#: Days before a day in which its columns are compared.
LOOK_BACK = timedelta(days=35)
#: Fewest earlier days, and fewest rows of a day, to compare: a column that is rarely filled may be empty by chance.
FEWEST_DAYS, FEWEST_ROWS = 3, 20
#: Columns whose parts have fields of their own.
_LISTS = frozenset({"tenders", "items", "discounts"})
#: Names in one sentence.
_NAMED = 10


def unknown_fields(lake: Lake, days: Sequence[str]) -> dict[str, list[str]]:
    """Landed days with the fields that the models do not have, in sentences; they are kept in the column `extra`.

    Fields of tenders, items and discounts are named like `tenders.newField`.

    Raises:
        LakeError: a file cannot be read.
    """
    return {day: _unknown_in(lake, day) for day in days}


def silent_columns(lake: Lake, days: Sequence[str]) -> dict[str, list[str]]:
    """Landed days with columns that are null in every row, and were filled on each earlier day until they stopped.

    A column of `transaction_states` counts for the one of `transactions` that it fills. Days with few rows, and days
    under another policy on personal data, are not compared.

    Raises:
        LakeError: a file cannot be read.
    """
    landed = lake.partitions(ASSET)
    first = {day: (date.fromisoformat(day) - LOOK_BACK).isoformat() for day in days}
    near = [other for other in landed if any(first[day] <= other <= day for day in days)]
    looked = dict(zip(near, lake.storage.each(lambda day: (_policy(lake, day), _filled(lake, day)), near), strict=True))
    found: dict[str, list[str]] = {}
    for day in days:
        policy, now = looked[day]
        earlier = [looked[other] for other in near if first[day] <= other < day]
        silent = _stopped([filled for its_policy, filled in earlier if filled and its_policy == policy], now)
        named = first_few(sorted(silent), _NAMED)
        found[day] = [f"null in every row, and filled on the days before: {named}"] if silent else []
    return found


def days_without_status(lake: Lake, days: Sequence[str], rows: OpenOrNot | None = None) -> list[str]:
    """Landed days of which no row, nor its state, has a status; `rows` are those of all of them, if they are open.

    Raises:
        LakeError: a file cannot be read.
        duckdb.Error: likewise.
    """
    if every_status_is_known(landed_rows(lake, days) if rows is None else rows):
        return []
    return [day for day in days if not status_is_known(landed_rows(lake, [day]))]


def _stopped(before: Sequence[frozenset[str]], now: frozenset[str]) -> set[str]:
    """Columns that are not filled now, and were on the first three earlier days or more, and on none after those."""
    if len(before) < FEWEST_DAYS or not now:
        return set()
    return {column for column in before[0] - now if _days_until_it_stopped(column, before) >= FEWEST_DAYS}


def _days_until_it_stopped(column: str, days: Sequence[frozenset[str]]) -> int:
    """Days at the beginning on which the column is filled; 0 if it is filled again later: it is rare then."""
    filled = [column in there for there in days]
    until = filled.index(False) if False in filled else len(filled)
    return 0 if any(filled[until:]) else until


def _filled(lake: Lake, day: str) -> frozenset[str]:
    """Columns with a value in any row of a day; none for a day with few rows."""
    if lake.rows(ASSET, day) < FEWEST_ROWS:
        return frozenset()
    found = lake.filled(ASSET, day)
    return (found | lake.filled(STATES, day) if lake.has(STATES, day) else found) - {EXTRA_COLUMN}


def _policy(lake: Lake, day: str) -> str:
    return lake.metadata(ASSET, day).get("pii", Policy.KEEP)


def _unknown_in(lake: Lake, day: str) -> list[str]:
    texts = lake.read(ASSET, [day], [EXTRA_COLUMN])[EXTRA_COLUMN].drop_null().to_pylist()
    found = sorted({name for text in set(texts) for name in _names(json.loads(text))})
    if not found:
        return []
    named = first_few([word(name) for name in found], _NAMED)
    return [f"fields that are not documented: {named}; their values are in the column {EXTRA_COLUMN}"]


def _names(extra: Mapping[str, Any]) -> list[str]:
    """Names of unknown fields; those of the parts of a list are below its name, without the position."""
    found = []
    for name, value in extra.items():
        if name in _LISTS and isinstance(value, dict):
            found += [f"{name}.{field}" for part in value.values() for field in part]
        else:
            found.append(name)
    return found
