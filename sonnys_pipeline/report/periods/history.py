"""The figures of many days: read from `site_day_kpis` where that is fresh, else counted from the landed rows.

A mart is fresh if it was computed from the rows that are landed now, so no figure is older than the rows, and nothing
needs a mart. Reading one costs some milliseconds a day; counting a day costs as much as all its rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date

import duckdb
import pyarrow as pa

from sonnys_pipeline.calendar.business_days import NEAR, SiteDay, complete_days, partitions_needed
from sonnys_pipeline.calendar.site_history import SiteHistory
from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.landed_rows import landed_rows
from sonnys_pipeline.lake.transactions import ASSET as TRANSACTIONS
from sonnys_pipeline.lake.transactions import landed_sites
from sonnys_pipeline.marts.incremental.inputs import SITE_DAY_RECIPE, MartInputs, missing_site_days
from sonnys_pipeline.marts.incremental.staleness import fresh_days
from sonnys_pipeline.marts.kpi_columns import SITE_DAY_KPIS
from sonnys_pipeline.marts.kpis import site_day_kpis
from sonnys_pipeline.marts.site_days import Mart
from sonnys_pipeline.report.measures import NOT_THERE, SUMMED, Gap, gaps_of

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
        sites: the versions of all sites.
        days: the days asked for.
    """

    site_days: pa.Table
    gaps: tuple[Gap, ...]
    from_mart: int
    counted: int
    sites: SiteHistory
    days: tuple[date, ...]

    def as_of(self, day: date) -> History:
        """The same, each site by the code that it had on a day, so that it is compared with itself.

        Days before a site was there, or after it had left, are gaps, unless they have rows: nothing to compare with.
        """
        code_of = self.sites.codes_on(day)
        site_days = with_codes(self.site_days, code_of)
        known = (
            gap if gap.site is None else replace(gap, site=code_of.get(fold(gap.site), gap.site)) for gap in self.gaps
        )
        return replace(self, site_days=site_days, gaps=(*known, *_not_there(self.sites, self.days, site_days, code_of)))


def read_history(lake: Lake, days: Collection[date], sites: pa.Table, timezone: str) -> History:
    """The figures of business days, with what is missing of them.

    Args:
        lake: the lake; pass a snapshot if an object store is asked for many days.
        days: local to each site.
        sites: rows of `sites`, all versions.
        timezone: IANA name of the zone of the daily partitions.

    Raises:
        LakeError: a file cannot be read.
    """
    landed = frozenset(date.fromisoformat(key) for key in lake.partitions(TRANSACTIONS))
    history = SiteHistory(sites, timezone)
    needed = partitions_needed(days, history, timezone)
    missing = complete_days(needed, landed)[1]
    possible = {key for one in needed for key in one.partitions if key in landed} | (landed & set(days))
    with readable(lake):
        inputs = MartInputs(lake, timezone)
        asked = [day.isoformat() for day in sorted(days)] if possible else []
        fresh = [
            day
            for day in fresh_days(lake, inputs, SITE_DAY_RECIPE, asked)
            if not missing_site_days(lake, SITE_DAY_RECIPE.asset, day)  # counted again, for the reasons
        ]
        tables = [_read(lake, fresh)] if fresh else []
        rest = sorted(set(days) - {date.fromisoformat(day) for day in fresh})
        with_rows = [day for day in rest if any(day + shift in landed for shift in NEAR)]
        for first in range(0, len(with_rows), _TOGETHER):
            for mart in _count(lake, with_rows[first : first + _TOGETHER], sites, timezone, landed):
                tables.append(_plain(mart.table))
                missing += [one for one in mart.missing if not one.missing]  # rows of sites whose zone is not known
    gaps = (
        *_whole_days(days, landed),
        *gaps_of(missing),
        *_sites_not_read(lake, history, needed, landed & possible),
    )
    site_days = pa.concat_tables(tables) if tables else _plain(SITE_DAY_KPIS.empty_table())
    return History(site_days, gaps, len(fresh), len(rest), history, tuple(sorted(days)))


def with_codes(table: pa.Table, code_of: Mapping[str, str]) -> pa.Table:
    """A mart's rows, with each site by its code in `code_of` (from folded codes)."""
    codes = [code_of.get(fold(code), code) for code in table["site"].to_pylist()]
    return table.set_column(table.schema.get_field_index("site"), "site", pa.array(codes, pa.string()))


def _read(lake: Lake, days: Sequence[str]) -> pa.Table:
    return _plain(lake.read(SITE_DAY_RECIPE.asset, days, columns=_COLUMNS))


def _count(
    lake: Lake, days: Sequence[date], sites: pa.Table, timezone: str, landed: Collection[date]
) -> Iterator[Mart]:
    needed = partitions_needed(days, sites, timezone)
    keys = sorted({*days, *(key for one in needed for key in one.partitions)} & set(landed))
    if keys:
        rows = landed_rows(lake, [key.isoformat() for key in keys])
        yield site_day_kpis(rows, sites, days, landed=landed, timezone=timezone)


def _plain(table: pa.Table) -> pa.Table:
    """The columns that reports need, alike wherever they come from: without descriptions, and each may be null."""
    schema = pa.schema([pa.field(name, SITE_DAY_KPIS.field(name).type) for name in _COLUMNS])
    return table.select(_COLUMNS).replace_schema_metadata(None).cast(schema)


def _whole_days(days: Iterable[date], landed: Collection[date]) -> Iterator[Gap]:
    """Days whose own partition is not landed: no site's day is complete, including unlisted sites."""
    for day in sorted(days):
        if day not in landed:
            yield Gap(day, None, f"transactions of {day} are not landed")


def _sites_not_read(
    lake: Lake, history: SiteHistory, needed: Iterable[SiteDay], landed: Collection[date]
) -> Iterator[Gap]:
    """Site days missing from a landed partition: a file may hold the rows of some sites only."""
    partial = {
        day: frozenset(map(fold, sites))
        for day in sorted(landed)
        if (sites := landed_sites(lake, day.isoformat())) is not None
    }
    for one in needed if partial else ():
        names = {fold(one.site), *history.names_of(one.key)}
        unread = [day for day in one.partitions if day in partial and partial[day].isdisjoint(names)]
        if unread:
            keys = ", ".join(day.isoformat() for day in unread)
            yield Gap(one.business_date, one.site, f"its transactions of {keys} are not landed")


def _not_there(
    history: SiteHistory, days: Sequence[date], site_days: pa.Table, code_of: Mapping[str, str]
) -> Iterator[Gap]:
    counted = set(zip(site_days["site"].to_pylist(), site_days["business_date"].to_pylist(), strict=True))
    for day in days:
        for site in history.others_on(day):
            code = code_of.get(fold(site.site), site.site)
            if code and (code, day) not in counted:
                yield Gap(day, code, NOT_THERE)


@contextmanager
def readable(lake: Lake) -> Iterator[None]:
    """Turn errors of DuckDB and of the system into a LakeError that names the remedy."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise LakeError(
            f"{lake.root / TRANSACTIONS} cannot be read ({error}); materialize the damaged days again"
        ) from error
