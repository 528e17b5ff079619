"""The figures of many days: read from `site_day_kpis` where that is fresh, else counted from the landed rows.

A mart is fresh if it was computed from the rows that are landed now, so no figure is older than the rows, and nothing
needs a mart. Reading one costs some milliseconds a day; counting a day costs as much as all its rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date

import duckdb
import pyarrow as pa

from sonnys_pipeline.calendar.business_days import SiteDay, complete_days, partitions_needed
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.landed_rows import landed_rows
from sonnys_pipeline.lake.transactions import ASSET as TRANSACTIONS
from sonnys_pipeline.lake.transactions import landed_sites
from sonnys_pipeline.marts.incremental.inputs import SITE_DAY_RECIPE, MartInputs
from sonnys_pipeline.marts.incremental.staleness import fresh_days
from sonnys_pipeline.marts.kpi_columns import SITE_DAY_KPIS
from sonnys_pipeline.marts.kpis import site_day_kpis
from sonnys_pipeline.report.measures import SUMMED, Gap, gaps_of

_COLUMNS = ("site", "business_date", *SUMMED, "unknown")
#: Days counted together; more need more memory.
_TOGETHER = 40


@dataclass(frozen=True)
class History:
    """Figures of business days.

    Attributes:
        site_days: rows of `site_day_kpis`: `site`, `business_date`, the columns of `SUMMED`, `unknown`.
        gaps: days of a site or of the chain that are not landed, among the days asked for.
        from_mart: days read from the mart.
        counted: days counted from rows.
    """

    site_days: pa.Table
    gaps: tuple[Gap, ...]
    from_mart: int
    counted: int


def read_history(lake: Lake, days: Collection[date], sites: pa.Table, timezone: str) -> History:
    """The figures of business days, with what is missing of them.

    Args:
        lake: the lake; pass a snapshot if an object store is asked for many days.
        days: local to each site.
        sites: the columns `code` and `timezone` of `sites`.
        timezone: IANA name of the zone of the daily partitions.

    Raises:
        LakeError: a file cannot be read.
    """
    landed = frozenset(date.fromisoformat(key) for key in lake.partitions(TRANSACTIONS))
    needed = partitions_needed(days, sites, timezone)
    possible = {key for one in needed for key in one.partitions if key in landed} | (landed & set(days))
    with readable(lake):
        inputs = MartInputs(lake, timezone)
        asked = [day.isoformat() for day in sorted(days)] if possible else []
        fresh = fresh_days(lake, inputs, SITE_DAY_RECIPE, asked)
        tables = [_read(lake, fresh)] if fresh else []
        rest = sorted(set(days) - {date.fromisoformat(day) for day in fresh})
        for first in range(0, len(rest), _TOGETHER):
            tables += _count(lake, rest[first : first + _TOGETHER], sites, timezone, landed)
    gaps = (
        *_whole_days(days, landed),
        *gaps_of(complete_days(needed, landed)[1]),
        *_sites_not_read(lake, needed, landed & possible),
    )
    return History(
        pa.concat_tables(tables) if tables else _plain(SITE_DAY_KPIS.empty_table()), gaps, len(fresh), len(rest)
    )


def _read(lake: Lake, days: Sequence[str]) -> pa.Table:
    return _plain(lake.read(SITE_DAY_RECIPE.asset, days, columns=_COLUMNS))


def _count(
    lake: Lake, days: Sequence[date], sites: pa.Table, timezone: str, landed: Collection[date]
) -> Iterator[pa.Table]:
    needed = partitions_needed(days, sites, timezone)
    keys = sorted({*days, *(key for one in needed for key in one.partitions)} & set(landed))
    if keys:
        rows = landed_rows(lake, [key.isoformat() for key in keys])
        yield _plain(site_day_kpis(rows, sites, days, landed=landed, timezone=timezone).table)


def _plain(table: pa.Table) -> pa.Table:
    """The columns that reports need, alike wherever they come from: without descriptions, and each may be null."""
    schema = pa.schema([pa.field(name, SITE_DAY_KPIS.field(name).type) for name in _COLUMNS])
    return table.select(_COLUMNS).replace_schema_metadata(None).cast(schema)


def _whole_days(days: Iterable[date], landed: Collection[date]) -> Iterator[Gap]:
    """Days whose own partition is not landed: no site's day is complete, including unlisted sites."""
    for day in sorted(days):
        if day not in landed:
            yield Gap(day, None, f"transactions of {day} are not landed")


def _sites_not_read(lake: Lake, needed: Iterable[SiteDay], landed: Collection[date]) -> Iterator[Gap]:
    """Site days missing from a landed partition: a file may hold the rows of some sites only."""
    partial = {day: sites for day in sorted(landed) if (sites := landed_sites(lake, day.isoformat())) is not None}
    for one in needed if partial else ():
        unread = [day for day in one.partitions if day in partial and one.site not in partial[day]]
        if unread:
            keys = ", ".join(day.isoformat() for day in unread)
            yield Gap(one.business_date, one.site, f"its transactions of {keys} are not landed")


@contextmanager
def readable(lake: Lake) -> Iterator[None]:
    """Turn errors of DuckDB and of the system into a LakeError that names the remedy."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise LakeError(
            f"{lake.root / TRANSACTIONS} cannot be read ({error}); materialize the damaged days again"
        ) from error
