"""KPIs by site and day (KPIS; `kpi_columns.py` has their sources and status, `lake/sql.py` what a row counts as)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import pyarrow as pa

from sonnys_pipeline.lake.engines.sessions import DUCKDB, CountedRows, Engine, engine_of
from sonnys_pipeline.lake.money import MONEY
from sonnys_pipeline.lake.sql import open_judged, open_rows, run
from sonnys_pipeline.marts.kpi_columns import SITE_DAY_KPIS, SITE_HOUR_KPIS
from sonnys_pipeline.marts.people.hours import labor_by_hour
from sonnys_pipeline.marts.people.shifts import NOTHING_CLOCKED, ClockedDays
from sonnys_pipeline.marts.site_days import DaysWanted, Mart, MartQuery, count_days
from sonnys_pipeline.marts.unknown import DEVICE, FIELD_COUNTS, PLAN_FLAG, STATUS, counts_sql, filled_sql, unknown_sql

#: Columns of `transactions` that `daily_sales` needs, in addition to the partition's day `date`.
DAILY_SALES_INPUT = (
    "type",
    "location_code",
    "sales_device_name",
    "total",
    "tenders",
    "items",
    "discounts",
    "is_recurring_payment",
    "is_recurring_redemption",
    "is_recurring_sale",
    "is_recurring_plan_sale",
    "is_recurring_plan_redemption",
    "transaction_status",
)

DAILY_SALES = pa.schema(
    [
        pa.field("site", pa.string(), nullable=False),
        pa.field("business_date", pa.date32(), nullable=False),
        pa.field("cars", pa.int64(), nullable=False),
        pa.field("sales", MONEY, nullable=False),
        pa.field("transactions", pa.int64(), nullable=False),
    ]
)

_DAILY_SALES = """
    SELECT
        location_code AS site,
        date AS business_date,
        count(*) FILTER (WHERE car) AS cars,
        coalesce(sum(dollars) FILTER (WHERE NOT redemption), 0) AS sales,
        count(*) AS transactions
    FROM judged
    WHERE NOT beyond
    GROUP BY ALL
    ORDER BY ALL
"""

_SALES_TOTAL = """
    SELECT coalesce(sum(dollars_of(total)), 0)
    FROM transactions
    WHERE NOT coalesce(is_recurring_plan_redemption, is_recurring_redemption) AND NOT is_beyond(total)
"""

#: The counts of `placed` rows that a day and an hour have in common (KPIS).
MAIN_COUNTS = {
    "total_cars": "count(*) FILTER (WHERE car)",
    "member_washes": "count(*) FILTER (WHERE redemption)",
    "free_washes": "count(*) FILTER (WHERE retail_wash AND dollars = 0)",
    "new_memberships": "count(*) FILTER (WHERE plan_sale AND is_recurring_sale)",
    "sales": "sum(dollars) FILTER (WHERE NOT redemption)",
}
#: Of these.
ELIGIBLE_WASHES = "total_cars - member_washes - free_washes AS eligible_washes"

_SITE_DAY_COUNTS = {
    **FIELD_COUNTS,
    **MAIN_COUNTS,
    "retail_washes": "count(*) FILTER (WHERE retail_wash)",
    "new_memberships_in_lane": "count(*) FILTER (WHERE plan_sale AND is_recurring_sale AND in_lane)",
    "net_cars": "sum(net_cars)",
    "net_sales": "sum(dollars) FILTER (WHERE NOT redemption AND NOT voided)",
    "plan_sales": "sum(dollars) FILTER (WHERE NOT redemption AND plan_sale)",
    "retail_wash_sales": "sum(dollars) FILTER (WHERE retail_wash)",
    "overpayments": "sum(overpaid)",
    "discounts": "sum(list_sum(list_transform(discounts, lambda part: dollars_of(part.discount))))",
    "voided_transactions": "count(*) FILTER (WHERE voided)",
    "voided_items": "sum(array_length(list_filter(items, lambda part: part.is_voided)))",
    "void_tenders": "sum(array_length(list_filter(tenders, lambda part: part.tender = 'Void')))",
    "unsettled_transactions": "count(*) FILTER (WHERE unsettled)",
}
_SITE_DAYS = f"""
    SELECT site, business_date, {counts_sql(_SITE_DAY_COUNTS)}
    FROM placed
    GROUP BY site, business_date
"""  # noqa: S608 - made of names in this house

_SITE_DAY_KPIS = f"""
    WITH filled AS (
        SELECT site, business_date, {filled_sql(_SITE_DAY_COUNTS)}
        FROM shown LEFT JOIN counted USING (site, business_date)
    ),
    derived AS (
        SELECT
            *,
            {ELIGIBLE_WASHES},
            sales - plan_sales AS retail_sales
        FROM filled
    ),
    rated AS (
        SELECT
            *,
            CASE WHEN eligible_washes > 0 THEN new_memberships / eligible_washes ELSE 0 END AS conversion_rate,
            CASE WHEN eligible_washes > 0 THEN new_memberships_in_lane / eligible_washes ELSE 0 END
                AS conversion_rate_in_lane
        FROM derived
    )
    SELECT
        site,
        business_date,
        total_cars,
        member_washes,
        retail_washes,
        free_washes,
        eligible_washes,
        new_memberships,
        conversion_rate,
        sales,
        plan_sales,
        retail_sales,
        dollars_each(sales, total_cars) AS average_ticket,
        dollars_each(retail_wash_sales, retail_washes) AS average_retail_ticket,
        discounts,
        voided_items,
        void_tenders,
        transactions,
        overpayments,
        {STATUS.figures_sql},
        {DEVICE.figures_sql},
        {unknown_sql([STATUS, PLAN_FLAG, DEVICE])}
    FROM rated
    LEFT JOIN left_out USING (site, business_date)
    ORDER BY site, business_date
"""  # noqa: S608 - made of names in this house

_SITE_HOURS = """
    SELECT
        site,
        business_date,
        local_hour AS hour,
        count(*) FILTER (WHERE car) AS cars,
        sum(dollars) FILTER (WHERE NOT redemption) AS sales
    FROM placed
    GROUP BY site, business_date, local_hour
"""

_SITE_HOUR_KPIS = """
    SELECT
        shown.site,
        shown.business_date,
        hours.hour,
        hours.minutes,
        coalesce(counted.cars, 0) AS cars,
        coalesce(counted.sales, 0) AS sales,
        CASE WHEN own.business_date IS NULL THEN labor_days.reason ELSE own.reason END AS why_unknown,
        CASE WHEN why_unknown IS NULL THEN coalesce(labor.hours, 0) END AS labor_hours,
        CASE WHEN why_unknown IS NOT NULL THEN NULL WHEN labor.hours IS NULL THEN 0 ELSE labor.cost END AS labor_cost,
        CASE WHEN labor_hours > 0 THEN coalesce(counted.cars, 0) / CAST(labor.hours AS DOUBLE) END
            AS cars_per_labor_hour,
        coalesce(why_unknown, labor.without_pay) AS labor_unknown
    FROM shown
    JOIN hours ON hours.business_date = shown.business_date AND hours.clock = shown.clock
    JOIN labor_days ON labor_days.business_date = shown.business_date AND labor_days.site IS NULL
    LEFT JOIN labor_days AS own ON own.business_date = shown.business_date AND own.site = shown.site
    LEFT JOIN counted
        ON counted.site = shown.site AND counted.business_date = shown.business_date AND counted.hour = hours.hour
    LEFT JOIN labor
        ON labor.site = shown.site AND labor.business_date = shown.business_date AND labor.hour = hours.hour
    ORDER BY shown.site, shown.business_date, hours.hour
"""


def site_day_kpis(
    transactions: CountedRows,
    sites: pa.Table,
    business_dates: Collection[date],
    *,
    landed: Collection[date],
    timezone: str = "UTC",
) -> Mart:
    """The KPIs of each site and site-local business day (KPIS).

    New memberships need `isRecurringPlanSale` and `isRecurringSale`, because the plan flag alone also counts upgrades.
    Rates and averages are 0 if there is nothing to divide by. Status and type change only `voided_transactions`,
    `unsettled_transactions`, the net figures and `overpayments`: the other figures were compared without them, and live
    rows often lack the status. If no row of the site's day has a field, the figures that need it are null, and
    `unknown` says why (LV-04).

    Args:
        transactions: rows of the landed partitions, at least `KPI_INPUT`. A duplicate id counts twice; checks find it.
        sites: rows of `sites`: the columns that `calendar.site_history` reads.
        business_dates: site-local days.
        landed: daily partitions that `transactions` come from.
        timezone: IANA name of the zone of these partitions.

    Returns:
        `SITE_DAY_KPIS` by site and date. A physical site has a row for each complete day, with zeros if it was closed;
        e-commerce sites, and sites before they were listed or after they have left, have one if they have
        transactions. Incomplete days, and rows of sites that are not in `sites`, are in `missing`.
    """
    days = DaysWanted(business_dates, landed, sites, timezone)
    return count_days(transactions, days, MartQuery(_SITE_DAYS, _SITE_DAY_KPIS, SITE_DAY_KPIS))


def site_hour_kpis(
    transactions: CountedRows,
    sites: pa.Table,
    business_dates: Collection[date],
    *,
    landed: Collection[date],
    timezone: str = "UTC",
    clocked: ClockedDays = NOTHING_CLOCKED,
) -> Mart:
    """Cars, sales and labor by hour in the site's local time: `SITE_HOUR_KPIS` by site, date, hour (KPIS, all O).

    Every day has the hours 0 to 23. When clocks go forward, the skipped hour has `minutes` 0 and no cars; when they go
    back, the repeated hour has `minutes` 120. `clocked` has the clock entries of the business days and of the days
    before them; without these, figures of labor are null, and `labor_unknown` says why. Other arguments and site days
    as for `site_day_kpis`.
    """
    days = DaysWanted(business_dates, landed, sites, timezone)
    return count_days(transactions, days, hours_of(days, clocked, engine_of(transactions)))


def hours_of(days: DaysWanted, clocked: ClockedDays = NOTHING_CLOCKED, engine: Engine = DUCKDB) -> MartQuery:
    """What `site_hour_kpis` counts, for `count_together`."""
    return MartQuery(_SITE_HOURS, _SITE_HOUR_KPIS, SITE_HOUR_KPIS, labor_by_hour(clocked, days, engine))


def daily_sales(transactions: pa.Table) -> pa.Table:
    """Cars and sales per site and partition (KPIS "Total cars", B; "Sales", B), as `site_day_kpis` defines them.

    Args:
        transactions: landed rows with the columns of `DAILY_SALES_INPUT` and the partition's day `date`.

    Returns:
        `DAILY_SALES`: a row per site and day with transactions; `sales` in dollars, exact to the cent. The day is the
        partition's, so it is the site's business day only for sites in the pipeline's zone.
    """
    with open_judged(transactions) as connection:
        return connection.sql(_DAILY_SALES).to_arrow_table().cast(DAILY_SALES)


def sales_total(transactions: pa.Table) -> float:
    """Sales in dollars over all rows (KPIS "Sales": without redemptions), exact to the cent."""
    with open_rows(transactions) as connection:
        found = run(connection, _SALES_TOTAL).fetchone()
    return float(found[0]) if found else 0.0
