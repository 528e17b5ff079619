"""Hours worked, their cost, and cars for each hour, by site and day (KPIS "Labor")."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import pyarrow as pa

from sonnys_pipeline.calendar.site_history import SiteHistory
from sonnys_pipeline.lake.engines.sessions import DUCKDB, Engine
from sonnys_pipeline.marts.people.columns import LABOR_DAILY
from sonnys_pipeline.marts.people.shifts import ClockedDays, open_shifts, unknown_days
from sonnys_pipeline.marts.unknown import SEPARATOR

#: Reasons in the column `unknown`.
NO_PAY = "regular_rate, overtime_rate: no shift of this day has them (labor_cost, labor_cost_per_car, labor_share)"
NO_SITE = "site_code: these shifts name no site (cars_per_labor_hour, labor_cost_per_car, labor_share)"
NO_CARS = "total_cars: site_day_kpis lacks this site and day (cars_per_labor_hour, labor_cost_per_car, labor_share)"

# Physical sites have a row on each day, with zeros if nobody worked; others only with shifts. As long as no list of
# sites is landed, those with transactions have a row, too.
_LABOR_DAILY = f"""
    WITH counted AS (
        SELECT
            site,
            business_date,
            count(*) AS shifts,
            count(DISTINCT employee_id) AS employees,
            count(*) FILTER (WHERE open) AS open_shifts,
            coalesce(sum(hours) FILTER (WHERE open), 0) AS open_hours,
            sum(hours) AS labor_hours,
            sum(overtime) AS overtime_hours,
            CAST(sum(cost) AS DECIMAL(18, 2)) AS labor_cost,
            count(*) FILTER (WHERE cost IS NULL) AS without_pay
        FROM shifts
        GROUP BY site, business_date
    ),
    shown AS (
        SELECT site, business_date FROM places WHERE is_physical
        UNION
        SELECT site, business_date FROM counted
        UNION
        SELECT site, business_date FROM site_days WHERE site <> '' AND NOT EXISTS (FROM places)
    ),
    joined AS (
        SELECT
            shown.site,
            shown.business_date,
            CASE WHEN own.business_date IS NULL THEN others.reason ELSE own.reason END AS why_unknown,
            why_unknown IS NULL AS is_landed,
            CASE WHEN is_landed THEN coalesce(counted.shifts, 0) END AS shifts,
            CASE WHEN is_landed THEN coalesce(counted.employees, 0) END AS employees,
            CASE WHEN is_landed THEN coalesce(counted.open_shifts, 0) END AS open_shifts,
            CASE WHEN is_landed THEN coalesce(counted.open_hours, 0) END AS open_hours,
            CASE WHEN is_landed THEN coalesce(counted.labor_hours, 0) END AS labor_hours,
            CASE WHEN is_landed THEN coalesce(counted.overtime_hours, 0) END AS overtime_hours,
            CASE WHEN NOT is_landed THEN NULL WHEN counted.shifts > 0 THEN counted.labor_cost ELSE 0 END AS labor_cost,
            CASE WHEN is_landed THEN coalesce(counted.without_pay, 0) ELSE 0 END AS without_pay,
            site_days.total_cars,
            site_days.sales
        FROM shown
        JOIN unknown_days AS others ON others.business_date = shown.business_date AND others.site IS NULL
        LEFT JOIN unknown_days AS own ON own.business_date = shown.business_date AND own.site = shown.site
        LEFT JOIN counted ON counted.site = shown.site AND counted.business_date = shown.business_date
        LEFT JOIN site_days ON site_days.site = shown.site AND site_days.business_date = shown.business_date
            AND shown.site <> ''
    )
    SELECT
        *,
        CASE WHEN labor_hours > 0 THEN total_cars / CAST(labor_hours AS DOUBLE) END AS cars_per_labor_hour,
        CASE WHEN total_cars > 0 THEN dollars_each(labor_cost, total_cars) END AS labor_cost_per_car,
        CASE WHEN sales > 0 THEN CAST(labor_cost AS DOUBLE) / CAST(sales AS DOUBLE) END AS labor_share,
        nullif(concat_ws('{SEPARATOR}',
            why_unknown,
            CASE
                WHEN without_pay > 0 AND without_pay = shifts THEN '{NO_PAY}'
                WHEN without_pay > 0 THEN 'regular_rate, overtime_rate: ' || without_pay || ' of ' || shifts
                    || ' shifts lack them, left out of labor_cost'
            END,
            CASE WHEN site = '' THEN '{NO_SITE}' WHEN total_cars IS NULL THEN '{NO_CARS}' END
        ), '') AS unknown
    FROM joined
    ORDER BY site, business_date
"""  # noqa: S608 - made of names in this house


def labor_daily(
    clocked: ClockedDays,
    site_days: pa.Table,
    sites: pa.Table,
    business_dates: Collection[date],
    timezone: str = "UTC",
    engine: Engine = DUCKDB,
) -> pa.Table:
    """Hours, cost and cars for each labor hour of each site and business day (RS-03).

    A shift is counted on the business day of its clock-in, also the part of it after midnight. If a day's clock entries
    are not landed, or were read before the day was over at the site, no shift has a rate, or cars are not counted, the
    figures that need them are null, and `unknown` says why. If only some shifts lack a rate, the cost covers the
    others, and `unknown` counts them.

    Args:
        clocked: clock entries of the business days; rows of other days are ignored.
        site_days: `site_day_kpis` of these days: `site`, `business_date`, `total_cars`, `sales`.
        sites: rows of `sites`: the columns that `calendar.site_history` reads.
        business_dates: site-local days.
        timezone: IANA name of the pipeline's zone.
        engine: what runs the SQL.

    Returns:
        `LABOR_DAILY` by site and date. A physical site has a row for each day, with zeros if nobody worked; other
        sites, and shifts without a site, have one if there are shifts.
    """
    days = frozenset(business_dates)
    rows = clocked.entries.filter(pa.array([day in days for day in clocked.entries["date"].to_pylist()], pa.bool_()))
    history = SiteHistory(sites, timezone)
    tables = {
        "unknown_days": unknown_days(clocked, history, days),
        "wanted": pa.table({"business_date": pa.array(sorted(days), pa.date32())}),
        "all_site_days": site_days,
    }
    with open_shifts(engine, rows, history, days, **tables) as session:
        session.define(
            "site_days",
            "SELECT site, business_date, total_cars, sales FROM all_site_days SEMI JOIN wanted USING (business_date)",
        )
        return session.fetch(_LABOR_DAILY).select(LABOR_DAILY.names).cast(LABOR_DAILY)
