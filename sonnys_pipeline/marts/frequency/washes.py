"""Member washes by customer, site and business day, and how often each customer washed in 30 of these days."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.calendar.business_days import MissingDay
from sonnys_pipeline.client.models import MAX_AMOUNT
from sonnys_pipeline.lake.engines.sessions import DUCKDB, CountedRows, Engine
from sonnys_pipeline.marts.frequency.columns import WASH_FREQUENCY
from sonnys_pipeline.marts.site_days import DaysWanted, Mart, MartQuery, count_days
from sonnys_pipeline.marts.unknown import LEFT_OUT, SEPARATOR
from sonnys_pipeline.runtime.text import first_few

#: Business days that a figure looks at, its own included.
LOOK_BACK = 30
#: Days that a reason names.
_NAMED = 3

#: Member washes by site, business day and customer; `left_out`: rows in no figure, in a row without a customer.
MEMBER_WASHES = pa.schema(
    [
        pa.field("site", pa.string(), nullable=False),
        pa.field("business_date", pa.date32(), nullable=False),
        pa.field("customer_id", pa.string()),
        pa.field("washes", pa.int64(), nullable=False),
        pa.field("left_out", pa.int64(), nullable=False),
    ]
)
_COUNTED = """
    SELECT site, business_date, nullif(trim(customer_id), '') AS customer_id, count(*) AS washes
    FROM placed
    WHERE redemption
    GROUP BY ALL
"""
_RESULT = """
    SELECT * FROM (
        SELECT site, business_date, customer_id, washes, 0 AS left_out FROM counted
        UNION ALL
        SELECT site, business_date, NULL, 0, left_out FROM left_out
    )
    SEMI JOIN shown USING (site, business_date)
    ORDER BY site, business_date, customer_id NULLS FIRST, washes
"""

_FREQUENCY = f"""
    WITH seen AS (
        SELECT days.*, site, customer_id, washes.business_date AS washed_on, washes
        FROM washes JOIN days ON washes.business_date BETWEEN day - {LOOK_BACK - 1} AND day
        WHERE washes > 0
    ),
    by_site AS (
        SELECT
            day, last_missing, reason, customer_id, site,
            sum(washes) AS washes, min(washed_on) AS first_on, max(washed_on) AS last_on
        FROM seen
        GROUP BY ALL
    ),
    ranked AS (
        SELECT
            *,
            row_number() OVER (PARTITION BY day, customer_id ORDER BY washes DESC, last_on DESC, site) AS place
        FROM by_site
    ),
    by_customer AS (
        SELECT
            day, last_missing, reason, customer_id,
            last_missing IS NULL AS complete,
            sum(washes) AS washes,
            min(first_on) AS first_on,
            max(last_on) AS last_on,
            max(site) FILTER (WHERE place = 1) AS site_most_used
        FROM ranked
        GROUP BY ALL
    )
    SELECT
        day AS business_date,
        customer_id,
        CASE WHEN complete THEN washes END AS member_washes,
        CASE
            WHEN complete AND washes > 1 AND customer_id IS NOT NULL
            THEN date_diff('day', first_on, last_on) / CAST(washes - 1 AS DOUBLE)
        END AS days_between,
        CASE WHEN customer_id IS NOT NULL AND (complete OR last_on > last_missing) THEN last_on END AS last_wash,
        CASE WHEN complete AND customer_id IS NOT NULL THEN site_most_used END AS site_most_used,
        nullif(concat_ws('{SEPARATOR}',
            CASE WHEN customer_id IS NULL THEN 'customer_id: these washes name no customer' END,
            CASE WHEN complete AND washes = 1 AND customer_id IS NOT NULL THEN 'days_between: one wash' END,
            reason
        ), '') AS unknown
    FROM by_customer
    ORDER BY business_date, customer_id NULLS FIRST
"""  # noqa: S608 - made of names in this house

_DAYS = pa.schema([("day", pa.date32()), ("last_missing", pa.date32()), ("reason", pa.string())])


def window_of(day: date) -> list[date]:
    """The business days that a day's figures look at, in order."""
    return [day - timedelta(days=back) for back in reversed(range(LOOK_BACK))]


def member_washes(
    transactions: CountedRows,
    sites: pa.Table,
    business_dates: Collection[date],
    *,
    landed: Collection[date],
    timezone: str = "UTC",
) -> Mart:
    """Member washes (KPIS) of each site's business day by customer: `MEMBER_WASHES`.

    A row that names no customer has the one that its state names. Arguments as for `kpis.site_day_kpis`.
    """
    days = DaysWanted(business_dates, landed, sites, timezone)
    return count_days(transactions, days, MartQuery(_COUNTED, _RESULT, MEMBER_WASHES))


def wash_frequency(
    washes: Mart,
    days: Iterable[date],
    notes: Mapping[date, Sequence[str]] | None = None,
    engine: Engine = DUCKDB,
) -> pa.Table:
    """How often each customer washed in the 30 business days up to each day (KPIS "Wash frequency", O).

    Args:
        washes: what `member_washes` counts of all these days, `window_of` each included.
        days: the days to compute.
        notes: what else is to be said of a day, for the column `unknown` of its rows.
        engine: what runs the SQL.

    Returns:
        `WASH_FREQUENCY`, a row for each customer with a wash, and one for the washes without a customer. Where one of
        the 30 days is missing, figures are null, but for a last wash that no missing day follows.
    """
    beyond = washes.table.filter(pc.greater(washes.table["left_out"], 0)).select(["business_date", "left_out"])
    left_out = [(row["business_date"], row["left_out"]) for row in beyond.to_pylist()]
    wanted = sorted(set(days))
    rows = [_day(washes, day, (notes or {}).get(day, ()), left_out) for day in wanted]
    table = pa.Table.from_pylist(rows, _DAYS)
    looked_at = pa.array(sorted({one for day in wanted for one in window_of(day)}), pa.date32())
    needed = washes.table.filter(pc.is_in(washes.table["business_date"], value_set=looked_at))
    with engine.open_tables({"washes": needed, "days": table}) as session:
        return session.fetch(_FREQUENCY).select(WASH_FREQUENCY.names).cast(WASH_FREQUENCY)


def missing_in(washes: Mart, day: date) -> list[MissingDay]:
    """Site days of a day's 30 that are not counted."""
    first = window_of(day)[0]
    return [one for one in washes.missing if first <= one.business_date <= day]


def _day(
    washes: Mart, day: date, notes: Sequence[str], left_out: Iterable[tuple[date, int]]
) -> dict[str, object]:  # fmt: skip
    missing = missing_in(washes, day)
    # Rows of a site without a zone are in no figure of any mart, which is no reason to know nothing of all others.
    lacking = sorted({one.business_date for one in missing if one.missing})
    uncounted = sorted({one.site for one in missing if not one.missing})
    beyond = sum(count for on, count in left_out if window_of(day)[0] <= on <= day)
    reasons = list(notes)
    if lacking:
        named = first_few([one.isoformat() for one in lacking], _NAMED)
        reasons.append(f"member_washes, days_between, site_most_used: transactions not landed for all sites: {named}")
    if uncounted:
        reasons.append(f"time zone not known, so not counted: {first_few(uncounted, _NAMED)}")
    if beyond:
        reasons.append(f"{beyond} row{'s' if beyond > 1 else ''} {LEFT_OUT} {MAX_AMOUNT:,} dollars")
    return {
        "day": day,
        "last_missing": lacking[-1] if lacking else None,
        "reason": SEPARATOR.join(reasons) or None,
    }
