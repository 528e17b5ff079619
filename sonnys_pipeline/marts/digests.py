"""Digests of rows, to find out whether a table's input has changed (docs/automation.md: unchanged days stay).

A digest depends on the content of the rows, not on their order or on when they were loaded. It also depends on DuckDB's
version: after an upgrade everything is computed again.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import pyarrow as pa

from sonnys_pipeline.lake.sql import Rows, open_rows, run
from sonnys_pipeline.marts.site_days import LANDED_ROWS, DaysWanted, Mart, MartQuery, count_days

SITE_DAY_DIGESTS = pa.schema(
    [
        pa.field("site", pa.string(), nullable=False),
        pa.field("business_date", pa.date32(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("digest", pa.string(), nullable=False),
    ]
)

# A sum does not depend on the order and, unlike an exclusive or, does not cancel duplicate rows.
_CONTENT = "SELECT count(*), coalesce(sum(hash(transactions)), 0) FROM transactions"

# The rows include the site's date and hour, so that a corrected time zone changes the digest, too.
_COUNTED = f"""
    SELECT site, business_date, count(*) AS rows, sum(hash(landed_rows)) AS digest
    FROM ({LANDED_ROWS}) AS landed_rows
    GROUP BY site, business_date
"""  # noqa: S608 - made of queries of this house
_RESULT = """
    SELECT site, business_date, coalesce(rows, 0) AS rows, CAST(coalesce(digest, 0) AS VARCHAR) AS digest
    FROM shown LEFT JOIN counted USING (site, business_date)
    ORDER BY site, business_date
"""


def content_digest(transactions: Rows) -> str:
    """Number of rows and digest of all their columns: `120-8f3a…`."""
    with open_rows(transactions) as connection:
        found = run(connection, _CONTENT).fetchone()
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
    """Digest of all columns of the rows in each site's business day: `SITE_DAY_DIGESTS` by site and date.

    Arguments and site days as for `kpis.site_day_kpis`.
    """
    days = DaysWanted(business_dates, landed, sites, timezone)
    return count_days(transactions, days, MartQuery(_COUNTED, _RESULT, SITE_DAY_DIGESTS))
