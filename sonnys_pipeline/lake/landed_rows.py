"""Landed transactions with their landed states, as the marts read them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.sql import Rows, WithStates
from sonnys_pipeline.lake.states import STATES
from sonnys_pipeline.lake.transactions import ASSET as TRANSACTIONS


def landed_rows(lake: Lake, days: Sequence[str], with_states: Collection[str] | None = None) -> Rows:
    """The rows of landed days, read lazily; a row's missing flags and status come from its state.

    Args:
        lake: the lake.
        days: landed days, as YYYY-MM-DD.
        with_states: days whose states are read. Default: all whose states are landed now.

    Raises:
        LakeError: a file cannot be read, or files have incompatible types.
    """
    known = [day for day in days if (lake.has(STATES, day) if with_states is None else day in with_states)]
    if not known:
        return lake.files(TRANSACTIONS, days)
    return WithStates(lake.files(TRANSACTIONS, days, by_day=True), lake.files(STATES, known, by_day=True))
