"""Landed transactions with their landed states, as the marts read them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.sql import Rows, WithStates
from sonnys_pipeline.lake.states import STATES
from sonnys_pipeline.lake.transactions import ASSET as TRANSACTIONS


def landed_rows(lake: Lake, days: Sequence[str], with_states: Collection[str] | None = None) -> Rows:
    """The rows of landed days (YYYY-MM-DD), read lazily; a row's missing flags and status come from its state.

    `with_states`: days whose states are read (default: all landed ones). Raises LakeError if a file cannot be read.
    """
    known = [day for day in days if (lake.has(STATES, day) if with_states is None else day in with_states)]
    if not known:
        return lake.files(TRANSACTIONS, days)
    return WithStates(lake.files(TRANSACTIONS, days, by_day=True), lake.files(STATES, known, by_day=True))
