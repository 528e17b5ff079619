"""What `giftcard_liability` is computed from: the histories of gift cards and washbooks, and the sites."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.engines.sessions import DUCKDB, Engine
from sonnys_pipeline.lake.errors import NotLandedError
from sonnys_pipeline.marts.incremental.inputs import SITES, Recipe
from sonnys_pipeline.marts.people.inputs import digest_of
from sonnys_pipeline.marts.people.liability import (
    CARD_INPUT,
    GIFTCARDS,
    WASHBOOK_INPUT,
    WASHBOOKS,
    Readings,
    giftcard_liability,
)

#: Raise the version when figures become others.
LIABILITY_RECIPE = Recipe("giftcard_liability", "1", by_site_day=True)

_NO_SITES = pa.table({"code": pa.array([], pa.string()), "timezone": pa.array([], pa.string())})


class LiabilityInputs:
    """Inputs of `giftcard_liability` (`DayInputs`): days from the first reading of either list to the last one."""

    version: str = LIABILITY_RECIPE.version
    landed: Collection[str]

    def __init__(self, lake: Lake, timezone: str) -> None:
        """Read the days of the readings. Raises LakeError if a history cannot be read."""
        self._lake = lake
        self._timezone = timezone
        self._versions = [lake.version(asset) or "" for asset in (GIFTCARDS, WASHBOOKS, SITES)]
        self.landed = frozenset(_days_read(str(lake.root), timezone, tuple(self._versions[:2])))

    def versions(self, day: str) -> Sequence[str]:  # noqa: ARG002 - every day is made of the same files
        """Of the histories and the sites."""
        return self._versions

    def digests(self, days: Sequence[str]) -> Mapping[str, str]:
        """Of each day's figures, since a history is one file and most readings change none of the earlier days."""
        return dict(_digests(str(self._lake.root), self._timezone, tuple(self._versions), tuple(days)))

    def count(self, days: Sequence[str], engine: Engine = DUCKDB) -> pa.Table:
        """`GIFTCARD_LIABILITY` of these days."""
        return _count(self._lake, self._timezone, days, engine)


def _readings(lake: Lake, asset: str, columns: pa.Schema, timezone: str) -> Readings:
    """A history, read by the columns that are needed."""
    try:
        rows = lake.read(asset, columns=columns.names).cast(columns)
        read_at = lake.metadata(asset).get("read_at")
    except NotLandedError:
        return Readings(columns.empty_table())
    edges = [edge for name in ("valid_from", "valid_to") for edge in rows[name].unique().to_pylist() if edge]
    if read_at:
        edges.append(datetime.fromisoformat(read_at).astimezone(ZoneInfo(timezone)).date())
    return Readings(rows, min(edges, default=None), max(edges, default=None))


def _count(lake: Lake, timezone: str, days: Sequence[str], engine: Engine = DUCKDB) -> pa.Table:
    cards = _readings(lake, GIFTCARDS, CARD_INPUT, timezone)
    washbooks = _readings(lake, WASHBOOKS, WASHBOOK_INPUT, timezone)
    sites = lake.read(SITES) if lake.has(SITES) else _NO_SITES
    return giftcard_liability(cards, washbooks, sites, [date.fromisoformat(day) for day in days], timezone, engine)


# Cached, because conditions ask every half a minute; the versions are part of the key.
@lru_cache(maxsize=16)
def _days_read(root: str, timezone: str, versions: tuple[str, ...]) -> tuple[str, ...]:  # noqa: ARG001
    def days() -> Iterator[str]:
        for asset, columns in ((GIFTCARDS, CARD_INPUT), (WASHBOOKS, WASHBOOK_INPUT)):
            found = _readings(Lake(root), asset, columns, timezone)
            if found.first and found.last:
                for shift in range((found.last - found.first).days + 1):
                    yield (found.first + timedelta(days=shift)).isoformat()

    return tuple(days())


@lru_cache(maxsize=16)
def _digests(
    root: str,
    timezone: str,
    versions: tuple[str, ...],  # noqa: ARG001
    days: tuple[str, ...],
) -> tuple[tuple[str, str], ...]:
    rows = _count(Lake(root), timezone, days)
    found = []
    for day in days:
        of_day = rows.filter(pc.equal(rows["business_date"], pa.scalar(date.fromisoformat(day)))).to_pylist()
        values = [[str(value) for value in row.values()] for row in of_day]
        found.append((day, digest_of([LIABILITY_RECIPE.version, values])))
    return tuple(found)
