"""One customer in the landed lists: rows of `customers` go, those of accounts and charges stay without the customer.

Rows of `wash_frequency` are about one customer each, and go as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pyarrow as pa

from sonnys_pipeline.erasure.files import landed_files
from sonnys_pipeline.extract.lists.kept import READINGS
from sonnys_pipeline.extract.pages.pii import dropped
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.dimensions.cleaned import cleaned_row
from sonnys_pipeline.landing.dimensions.tables import CUSTOMERS, DIMENSIONS
from sonnys_pipeline.landing.facts.tables import FACTS
from sonnys_pipeline.marts.frequency.columns import CUSTOMER, WASH_FREQUENCY_ASSET

_WHOSE = "customer_id"
#: Tables whose rows are each about one customer.
_ABOUT_ONE = (CUSTOMERS.asset, WASH_FREQUENCY_ASSET)
#: Personal columns of each table that names customers.
TABLES: Mapping[str, tuple[str, ...]] = {
    one.asset: one.personal for one in (*DIMENSIONS, *FACTS) if _WHOSE in one.personal
} | {WASH_FREQUENCY_ASSET: (CUSTOMER,)}  # fmt: skip
#: Names of these columns, those inside of lists without the list.
COLUMNS = tuple(dict.fromkeys(name.rpartition(".")[2] for names in TABLES.values() for name in names))


def without(table: pa.Table, asset: str, is_theirs: Callable[[object], bool]) -> tuple[pa.Table, int]:
    """A table of `TABLES` without the customer whose numbers `is_theirs` accepts, and in how many rows they were."""
    mine = [is_theirs(number) for number in table[_WHOSE].to_pylist()]
    if not any(mine):
        return table, 0
    if asset in _ABOUT_ONE:
        return table.filter(pa.array([not is_one for is_one in mine], pa.bool_())), sum(mine)
    rows = zip(table.to_pylist(), mine, strict=True)
    kept = [cleaned_row(row, TABLES[asset], dropped) if is_one else row for row, is_one in rows]
    return pa.Table.from_pylist(kept, table.schema), sum(mine)


def values_of(row: Mapping[str, Any], asset: str) -> Iterator[str]:
    """All personal text of a row."""
    for name in TABLES[asset]:
        column, _, part = name.partition(".")
        found = [one[part] for one in row[column] or ()] if part else [row[column]]
        yield from (value for value in found if isinstance(value, str) and value)


def rows_of(lake: Lake) -> Iterator[tuple[object, set[str]]]:
    """Of each row of these tables: the customer's number, and all personal text. Raises LakeError.

    Without `wash_frequency`, which has nothing but the number.
    """
    for asset, day in landed_files(lake):
        if asset in TABLES and asset != WASH_FREQUENCY_ASSET:
            for row in lake.read(asset, None if day is None else [day]).to_pylist():
                yield row[_WHOSE], set(values_of(row, asset))


def forget_readings(lake: Lake) -> None:
    """Remove the answers of unfinished readings: they are asked for again."""
    for path in lake.storage.below(lake.root / READINGS):
        lake.storage.remove(lake.root / READINGS / path)
