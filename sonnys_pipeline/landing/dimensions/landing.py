"""A list of the API as a landed table: its history, replaced by each reading."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.client import Item, ValidationError
from sonnys_pipeline.client.models import ApiModel
from sonnys_pipeline.lake.dataset import Lake, LandedFile
from sonnys_pipeline.lake.errors import OtherSourceError
from sonnys_pipeline.lake.schema import arrow_schema, to_table
from sonnys_pipeline.landing.dimensions.history import history_schema, with_reading
from sonnys_pipeline.landing.transactions import Source

RowT = TypeVar("RowT", bound=ApiModel)


@dataclass(frozen=True)
class Dimension:
    """A list that is landed as a history.

    Attributes:
        asset: name of the asset and its folder.
        model: the rows of the list.
        key: columns that identify an entity.
    """

    asset: str
    model: type[ApiModel]
    key: tuple[str, ...]

    @property
    def listed(self) -> pa.Schema:
        """Columns of the list."""
        return arrow_schema(self.model)

    @property
    def schema(self) -> pa.Schema:
        """Columns of the landed table."""
        return history_schema(self.listed)


#: What is sold where, at which price. An item may have no number, and two of a site the same one.
ITEMS = Dimension("items", Item, ("site_location", "sku", "name"))


@dataclass(frozen=True)
class Reading:
    """A whole list as it was read at `read_at`; its day is that of `timezone`."""

    rows: Sequence[ApiModel]
    read_at: datetime
    timezone: str
    source: Source

    @property
    def day(self) -> date:
        """The day that the reading counts for."""
        return self.read_at.astimezone(ZoneInfo(self.timezone)).date()


@dataclass(frozen=True)
class LandedReading:
    """A reading as it is landed; `begun` and `ended` count the versions of its day."""

    file: LandedFile
    table: pa.Table
    current: int
    begun: int
    ended: int


def land_reading(
    lake: Lake, dimension: Dimension, read: Reading, *, accept_shorter: bool = False
) -> LandedReading:  # fmt: skip
    """Join a list with its landed history, and replace the file; `accept_shorter` as in `with_reading`.

    Raises:
        OtherSourceError: the history is of another account, site or time zone.
        RowsWouldVanishError: the list is empty or much shorter; the history stays.
        LakeError: the history cannot be read or written, or does not fit the list.
    """
    asset, day, source = dimension.asset, read.day, read.source
    of_whom = {"account": source.api_id_digest, "site_code": source.site_code, "timezone": read.timezone}
    with lake.writing(asset):
        history = dimension.schema.empty_table()
        if lake.has(asset):
            _refuse_other(lake, asset, of_whom)
            history = lake.read(asset)
        listed = to_table(read.rows, dimension.listed)
        table = with_reading(history, listed, dimension.key, day, accept_shorter=accept_shorter)
        file = lake.land(asset, table, metadata={**of_whom, "read_at": read.read_at.isoformat()})
    return LandedReading(
        file,
        table,
        current=listed.num_rows,
        begun=_count(table["valid_from"], day),
        ended=_count(table["valid_to"], day),
    )


def read_list(
    read: Callable[..., Sequence[RowT]], sites: Callable[[], Sequence[str | None]]
) -> list[RowT]:  # fmt: skip
    """A whole list: in one go, or site by site where the API refuses that (contract, [?]: lists without `site`).

    `read` is a client's method, `sites` gives the codes to read by.
    """
    try:
        return list(read())
    except ValidationError as refused:
        if not refused.concerns_site:
            raise
    return [row for code in sites() if code is not None for row in read(site=code)]


def _refuse_other(lake: Lake, asset: str, of_whom: dict[str, str]) -> None:
    landed = lake.metadata(asset)
    for name, new in of_whom.items():
        if (old := landed.get(name, new)) != new:
            raise OtherSourceError(
                f"{asset}: the landed history has {name} {old or 'none'}, and the new list {new or 'none'}; it stays. "
                f"Use another SONNYS_DATA_URL, or move {lake.path(asset)} away"
            )


def _count(days: pa.ChunkedArray, day: date) -> int:
    return int(pc.sum(pc.equal(days, pa.scalar(day, pa.date32()))).as_py() or 0)
