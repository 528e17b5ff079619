"""Landed days as the analytics read them: each day's transactions, and beside them what is landed of their states."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.sql import Rows, WithStates
from sonnys_pipeline.lake.states import STATES
from sonnys_pipeline.lake.transactions import ASSET as TRANSACTIONS


def landed_rows(lake: Lake, days: Sequence[str], with_states: Collection[str] | None = None) -> Rows:
    """The rows of landed days, read as they are needed; flags and status that a row lacks come from its state.

    Args:
        lake: where.
        days: landed ones, as YYYY-MM-DD. None of them is no rows.
        with_states: those of them whose states are to be read; left out, all whose states are landed at this moment.

    Raises:
        LakeError: when a file cannot be read, or types differ from file to file and cannot be one.
    """
    known = [day for day in days if (lake.has(STATES, day) if with_states is None else day in with_states)]
    if not known:
        return lake.files(TRANSACTIONS, days)
    return WithStates(lake.files(TRANSACTIONS, days, by_day=True), lake.files(STATES, known, by_day=True))
