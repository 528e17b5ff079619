"""The main figures by site and hour, of whole business days or of what they had until an instant (KT-04)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime

import pyarrow as pa

from sonnys_pipeline.lake.engines.sessions import CountedRows
from sonnys_pipeline.lake.money import MONEY
from sonnys_pipeline.marts.kpis import ELIGIBLE_WASHES, MAIN_COUNTS
from sonnys_pipeline.marts.site_days import DaysWanted, Mart, MartQuery, count_days
from sonnys_pipeline.marts.unknown import counts_sql

#: `hour` is local, 0 to 23. The figures are those of `site_day_kpis` under the same names.
SITE_HOURS_SO_FAR = pa.schema(
    [
        pa.field("site", pa.string(), nullable=False),
        pa.field("business_date", pa.date32(), nullable=False),
        pa.field("hour", pa.int32(), nullable=False),
        pa.field("transactions", pa.int64(), nullable=False),
        pa.field("total_cars", pa.int64(), nullable=False),
        pa.field("sales", MONEY, nullable=False),
        pa.field("member_washes", pa.int64(), nullable=False),
        pa.field("eligible_washes", pa.int64(), nullable=False),
        pa.field("new_memberships", pa.int64(), nullable=False),
    ]
)
_UNTIL = pa.schema([("site", pa.string()), ("until_us", pa.int64())])

_COUNTED = f"""
    SELECT
        site,
        business_date,
        local_hour AS hour,
        {counts_sql(MAIN_COUNTS)},
        count(*) AS transactions
    FROM placed
    LEFT JOIN until_instant USING (site)
    WHERE until_us IS NULL OR epoch_us(complete_date) < until_us
    GROUP BY site, business_date, local_hour
"""  # noqa: S608 - made of names in this house

_RESULT = f"""
    SELECT * EXCLUDE (sales), coalesce(sales, 0) AS sales, {ELIGIBLE_WASHES}
    FROM counted SEMI JOIN shown USING (site, business_date)
    ORDER BY site, business_date, hour
"""  # noqa: S608 - made of names in this house


def site_hours_so_far(
    transactions: CountedRows,
    sites: pa.Table,
    business_dates: Collection[date],
    *,
    landed: Collection[date],
    timezone: str = "UTC",
    until: Mapping[str, datetime] | None = None,
) -> Mart:
    """Cars, sales, member washes and what conversion is made of, by site and local hour: `SITE_HOURS_SO_FAR`.

    Hours without transactions have no row. `until`: by site, the aware instant before which rows count; all rows of
    other sites count. Other arguments and site days as for `kpis.site_day_kpis`.
    """
    instants = [{"site": site, "until_us": round(at.timestamp() * 1_000_000)} for site, at in (until or {}).items()]
    tables = {"until_instant": pa.Table.from_pylist(instants, _UNTIL)}
    days = DaysWanted(business_dates, landed, sites, timezone)
    return count_days(transactions, days, MartQuery(_COUNTED, _RESULT, SITE_HOURS_SO_FAR, tables))
