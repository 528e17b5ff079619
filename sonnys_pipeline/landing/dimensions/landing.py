"""A list of the API as a landed table: its history, replaced by each reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.extract.pages.pii import Privacy
from sonnys_pipeline.lake.dataset import Lake, LandedFile
from sonnys_pipeline.lake.errors import OtherSourceError
from sonnys_pipeline.landing.dimensions.cleaned import under_policy
from sonnys_pipeline.landing.dimensions.history import with_reading
from sonnys_pipeline.landing.dimensions.tables import Dimension
from sonnys_pipeline.landing.forgotten import refuse_outdated
from sonnys_pipeline.landing.transactions import Source


@dataclass(frozen=True)
class Reading:
    """A whole list as it was read at `read_at`; its day is that of `timezone`.

    `table` has the columns of `Dimension.listed`; `metadata` are of the file beside those of the account.
    """

    table: pa.Table
    read_at: datetime
    timezone: str
    source: Source
    metadata: Mapping[str, str] = field(default_factory=dict)

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


def landed_history(lake: Lake, dimension: Dimension) -> pa.Table:
    """The landed history; empty if none is landed. Raises LakeError if it cannot be read."""
    return lake.read(dimension.asset) if lake.has(dimension.asset) else dimension.schema.empty_table()


def land_reading(
    lake: Lake, dimension: Dimension, read: Reading, privacy: Privacy, *, accept_shorter: bool = False
) -> LandedReading:
    """Join a list with its landed history, and replace the file; `accept_shorter` as in `with_reading`.

    `privacy` is the policy that the list was read under; an older history is brought under it.

    Raises:
        OtherSourceError: the history is of another account, site or time zone, or its policy cannot become this one.
        RowsWouldVanishError: the list is empty or much shorter; the history stays.
        UnwritableLakeError: a customer was forgotten while the list was read.
        LakeError: the history cannot be read or written, or does not fit the list.
    """
    asset, day, source = dimension.asset, read.day, read.source
    of_whom = {"account": source.api_id_digest, "site_code": source.site_code, "timezone": read.timezone}
    with lake.writing(asset):
        history = landed_history(lake, dimension)
        if lake.has(asset):
            _refuse_other(lake, asset, of_whom)
            history = under_policy(history, dimension, lake.metadata(asset), privacy)
        refuse_outdated(lake, privacy)
        table = with_reading(
            history,
            read.table,
            dimension.key,
            day,
            as_last_read=dimension.as_last_read,
            accept_shorter=accept_shorter,
        )
        kept = {**of_whom, **read.metadata, "read_at": read.read_at.isoformat()}
        file = lake.land(asset, table, metadata=kept)
    return LandedReading(
        file,
        table,
        current=read.table.num_rows,
        begun=_count(table["valid_from"], day),
        ended=_count(table["valid_to"], day),
    )


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
