"""Landed days as the analytics read them: each day's transactions, and beside them what is landed of their states.

Belongs here: which files of the lake make the rows of some days. Does not belong here: how rows and states find each
other, and what is counted (`analytics/rows.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.dataset as ds

from sonnys_pipeline.analytics.rows import Files, Rows, WithStates
from sonnys_pipeline.batch.landing import ASSET as TRANSACTIONS
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.states import STATES

_BY_DAY = ds.partitioning(pa.schema([("date", pa.date32())]), flavor="hive")


def landed_rows(lake: Lake, days: Sequence[str], with_states: Collection[str] | None = None) -> Rows:
    """The rows of landed days, read as they are needed; flags and status that a row lacks come from its state.

    Args:
        lake: where.
        days: landed ones, as YYYY-MM-DD. None of them is no rows.
        with_states: those of them whose states are to be read; left out, all whose states are landed at this moment.

    Raises:
        LakeError: when a file in a store cannot be read.
    """
    known = [day for day in days if (lake.has(STATES, day) if with_states is None else day in with_states)]
    if not known:
        return lake.files(TRANSACTIONS, days)
    return WithStates(_files(lake, TRANSACTIONS, days), _files(lake, STATES, known))


def _files(lake: Lake, asset: str, days: Sequence[str]) -> Files:
    """As `Lake.files`; a dataset in a store says of each row which day's file it is from."""
    if lake.storage.is_local:
        return lake.files(asset, days)
    try:
        return lake.storage.dataset([lake.path(asset, day) for day in days], lake.root / asset, _BY_DAY)
    except (pa.ArrowException, OSError) as error:
        raise LakeError(f"{lake.root / asset} cannot be read ({error}); materialize what is damaged again") from error
