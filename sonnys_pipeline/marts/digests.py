"""Digests of rows: whether what a table was computed from has changed since (docs/automation.md: unchanged days stay).

A digest knows content alone: neither the order of rows, nor when or by which load job they came. Two digests are worth
comparing when the same version of DuckDB made them; another version makes other ones, and all is computed once more.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import pyarrow as pa

from sonnys_pipeline.lake.sql import Rows, open_rows
from sonnys_pipeline.marts.site_days import DaysWanted, Mart, count_days

SITE_DAY_DIGESTS = pa.schema(
    [
        pa.field("site", pa.string(), nullable=False),
        pa.field("business_date", pa.date32(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("digest", pa.string(), nullable=False),
    ]
)

# A sum does not depend on the order, and unlike an exclusive or it does not forget a row that is there twice.
_CONTENT = "SELECT count(*), coalesce(sum(hash(transactions)), 0) FROM transactions"

# `landed_rows` has each row as it was landed, and beside it the site's date and hour, so that a zone that is put right
# changes the digest as well.
_COUNTED = """
    SELECT site, business_date, count(*) AS rows, sum(hash(landed_rows)) AS digest
    FROM landed_rows
    GROUP BY site, business_date
"""
_RESULT = """
    SELECT site, business_date, coalesce(rows, 0) AS rows, CAST(coalesce(digest, 0) AS VARCHAR) AS digest
    FROM shown LEFT JOIN counted USING (site, business_date)
    ORDER BY site, business_date
"""


def content_digest(transactions: Rows) -> str:
    """How many rows, and a digest over all of their columns: `120-8f3a…`.

    Args:
        transactions: a table, a dataset, or paths of Parquet files.
    """
    with open_rows(transactions) as connection:
        found = connection.execute(_CONTENT).fetchone()
    rows, digest = found or (0, 0)
    return f"{rows}-{int(digest):x}"


def site_day_digests(
    transactions: Rows,
    sites: pa.Table,
    business_dates: Collection[date],
    *,
    landed: Collection[date],
    timezone: str = "UTC",
) -> Mart:
    """A digest of the rows that count toward each site's business day.

    Args: as for `kpis.site_day_kpis`, and all columns of the rows, not only those of `KPI_INPUT`.

    Returns:
        `SITE_DAY_DIGESTS` by site and date, for the same site days as `kpis.site_day_kpis`.
    """
    days = DaysWanted(business_dates, landed, sites, timezone)
    return count_days(transactions, days, _COUNTED, _RESULT, SITE_DAY_DIGESTS)
