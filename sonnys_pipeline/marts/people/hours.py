"""Hours of work and their cost by hour of the clock, in each site's local time.

A shift's hours and cost are spread evenly over the time from its clock-in to its clock-out (or the reading), so that a
shift over midnight has a part on the next day. The days' sums differ from `labor_daily`, which counts by clock-in.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta

import pyarrow as pa

from sonnys_pipeline.calendar.site_history import SiteHistory
from sonnys_pipeline.lake.engines.sessions import DUCKDB, Engine
from sonnys_pipeline.lake.money import MONEY
from sonnys_pipeline.marts.people.columns import HOURS
from sonnys_pipeline.marts.people.shifts import ClockedDays, open_shifts, unknown_days
from sonnys_pipeline.marts.site_days import DaysWanted, offsets_of

_DAY = timedelta(days=1)
_LABOR = pa.schema(
    [
        ("site", pa.string()),
        ("business_date", pa.date32()),
        ("hour", pa.int32()),
        ("hours", HOURS),
        ("cost", MONEY),
        ("without_pay", pa.string()),
    ]
)

# Shares are rounded to 1/100,000,000 in integers, sums once more. A shift that is open for days is followed into the
# day after its clock-in only, so that a day needs no other files than its own and the one before.
_BY_HOUR = """
    WITH pieces AS (
        SELECT
            shifts.site,
            shifts.business_date AS clock_in_date,
            CAST(hours * 100000000 AS HUGEINT) AS hours,
            CAST(cost * 100000000 AS HUGEINT) AS cost,
            greatest(out_us - in_us, 1) AS whole_us,
            greatest(in_us, offsets.start_us) + offset_us AS from_us,
            least(greatest(out_us, in_us + 1), offsets.end_us) + offset_us AS to_us
        FROM shifts
        CROSS JOIN pipeline
        JOIN offsets
            ON offsets.timezone = coalesce(shifts.timezone, pipeline.timezone)
            AND in_us < offsets.end_us
            AND greatest(out_us, in_us + 1) > offsets.start_us
    ),
    slots AS (
        SELECT *, unnest(generate_series(from_us // 3600000000, (to_us - 1) // 3600000000)) AS slot FROM pieces
    ),
    shares AS (
        SELECT
            site,
            clock_in_date,
            CAST(make_timestamp(slot * 3600000000) AS DATE) AS business_date,
            CAST(slot % 24 AS INTEGER) AS hour,
            CAST(least(to_us, (slot + 1) * 3600000000) - greatest(from_us, slot * 3600000000) AS HUGEINT) AS part_us,
            (2 * hours * part_us + whole_us) // (2 * whole_us) AS hours,
            (2 * cost * part_us + whole_us) // (2 * whole_us) AS cost
        FROM slots
    )
    SELECT
        site,
        business_date,
        hour,
        CAST(CAST(sum(hours) AS DECIMAL(28, 0)) * CAST(0.00000001 AS DECIMAL(9, 8)) AS DECIMAL(18, 4)) AS hours,
        CAST(CAST(sum(cost) AS DECIMAL(28, 0)) * CAST(0.00000001 AS DECIMAL(9, 8)) AS DECIMAL(18, 2)) AS cost,
        CASE WHEN count(cost) < count(*) THEN 'regular_rate, overtime_rate: ' || (count(*) - count(cost)) || ' of '
            || count(*) || ' shifts in this hour lack them, left out of labor_cost' END AS without_pay
    FROM shares
    WHERE business_date <= clock_in_date + 1
    GROUP BY site, business_date, hour
    ORDER BY site, business_date, hour
"""


def labor_by_hour(clocked: ClockedDays, days: DaysWanted, engine: Engine = DUCKDB) -> Mapping[str, pa.Table]:
    """Labor of business days by hour, as tables to join.

    Returns:
        `labor`: `site`, `business_date`, `hour`, `hours`, `cost` (dollars; null if no shift has a rate), `without_pay`
        (how many shifts lack one, or null); hours without work are left out. `labor_days`: `unknown_days` of each
        business day and the one before, whose shifts may go on.
    """
    history = SiteHistory(days.sites, days.timezone)
    return {
        "labor": _labor(clocked, history, days.timezone, engine),
        "labor_days": unknown_days(clocked, history, days.business_dates, (-1, 0)),
    }


def _labor(clocked: ClockedDays, history: SiteHistory, timezone: str, engine: Engine) -> pa.Table:
    if not clocked.entries.num_rows:
        return _LABOR.empty_table()
    offsets = offsets_of(
        {timezone, *(span.timezone for span in history.spans())},
        datetime.combine(min(clocked.landed) - 2 * _DAY, time(), UTC),
        datetime.combine(max(clocked.landed) + 3 * _DAY, time(), UTC),
    )
    pipeline = pa.table({"timezone": [timezone]})
    tables = {"offsets": offsets, "pipeline": pipeline}
    with open_shifts(engine, clocked.entries, history, clocked.landed, **tables) as session:
        return session.fetch(_BY_HOUR).cast(_LABOR)
