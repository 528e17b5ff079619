"""Finds the other day of a row that has moved, so that both days are read again together (KT-02)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.client import NotFoundError, SonnysError
from sonnys_pipeline.lake.transactions import ASSET
from sonnys_pipeline.revisit.result import Looked

logger = logging.getLogger(__name__)

#: Rows that are listed no more and asked for one by one.
_MOST_ASKED = 50


def moves_between(workspace: Workspace, differing: Sequence[Looked]) -> tuple[list[tuple[str, str]], int]:
    """Pairs of days between which rows have moved, and the requests spent.

    A row that came to a day may be landed in another one, which costs no request. A row that a day has lost is asked
    for by its id. Raises LakeError if landed ids cannot be read.
    """
    added = {row_id: one.day for one in differing for row_id in one.difference.added}
    removed = {row_id: one.day for one in differing for row_id in one.difference.removed if row_id not in added}
    pairs = _landed_elsewhere(workspace, added)
    if len(removed) > _MOST_ASKED:
        logger.warning(
            "%d rows are listed no more; only for %d of them the API is asked to which day they may have moved",
            len(removed),
            _MOST_ASKED,
        )
    asked = list(removed.items())[:_MOST_ASKED]
    for row_id, day in asked:
        if (there := _day_now(workspace, row_id)) is not None and there != day:
            pairs.append((day, there))
    return pairs, len(asked)


def _landed_elsewhere(workspace: Workspace, ids: Mapping[str, str]) -> list[tuple[str, str]]:
    lake, wanted = workspace.lake, pa.array(sorted(ids), pa.string())
    found = []
    for day in lake.partitions(ASSET) if ids else ():
        rows = lake.read(ASSET, [day], ["id"])["id"]
        stand = rows.filter(pc.is_in(rows, value_set=wanted)).to_pylist()
        found += [(ids[row_id], day) for row_id in stand if ids[row_id] != day]
    return found


def _day_now(workspace: Workspace, row_id: str) -> str | None:
    """The day that a row is in according to the API; None if it is gone."""
    try:
        row = workspace.client.transactions.get(row_id)
    except NotFoundError:
        return None
    except SonnysError as error:
        logger.warning("%s is listed no more, and cannot be asked for: %s", row_id, error)
        return None
    return row.complete_date.astimezone(ZoneInfo(workspace.options.timezone)).date().isoformat()
