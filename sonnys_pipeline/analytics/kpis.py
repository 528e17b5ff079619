"""What operators count by site and day, each with its source and status (KPIS).

V was checked against a production BackOffice (counts in brackets), F is a formula of the trade, O is ours. What a row
counts as is written down in `rows.py`, once for all tables.

Belongs here: the KPIs of a site's day and hour as SQL. Does not belong here: which days are complete (`counting.py`),
where rows come from and where results go.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import pyarrow as pa

from sonnys_pipeline.analytics.columns import MONEY
from sonnys_pipeline.analytics.counting import DaysWanted, Mart, count_days
from sonnys_pipeline.analytics.kpi_columns import SITE_DAY_KPIS, SITE_HOUR_KPIS
from sonnys_pipeline.analytics.rows import Rows, open_judged, open_rows

#: Columns of `transactions` that `daily_sales` needs, the partition's day `date` aside.
DAILY_SALES_INPUT = (
    "location_code",
    "total",
    "items",
    "is_prepaid_sale",
    "is_recurring_payment",
    "is_recurring_redemption",
    "is_recurring_sale",
    "is_recurring_plan_sale",
    "is_recurring_plan_redemption",
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
    GROUP BY ALL
    ORDER BY ALL
"""

_SALES_TOTAL = """
    SELECT coalesce(sum(CAST(total AS DECIMAL(18, 2))), 0)
    FROM transactions
    WHERE NOT coalesce(is_recurring_plan_redemption, is_recurring_redemption)
"""

_SITE_DAYS = """
    SELECT
        site,
        business_date,
        count(*) FILTER (WHERE car) AS total_cars,
        count(*) FILTER (WHERE redemption) AS member_washes,
        count(*) FILTER (WHERE retail_wash) AS retail_washes,
        count(*) FILTER (WHERE retail_wash AND dollars = 0) AS free_washes,
        count(*) FILTER (WHERE plan_sale AND is_recurring_sale) AS new_memberships,
        sum(dollars) FILTER (WHERE NOT redemption) AS sales,
        sum(dollars) FILTER (WHERE NOT redemption AND plan_sale) AS plan_sales,
        sum(list_sum(list_transform(discounts, lambda part: CAST(part.discount AS DECIMAL(18, 2))))) AS discounts,
        count(*) FILTER (WHERE transaction_status = 'Voided') AS voided_transactions,
        sum(len(list_filter(items, lambda part: part.is_voided))) AS voided_items,
        sum(len(list_filter(tenders, lambda part: part.tender = 'Void'))) AS void_tenders,
        count(*) FILTER (WHERE transaction_status IN ('Incomplete', 'In-Progress', 'Suspended'))
            AS unsettled_transactions,
        count(*) AS transactions
    FROM placed
    GROUP BY site, business_date
"""

_SITE_DAY_KPIS = """
    WITH filled AS (
        SELECT site, business_date, coalesce(COLUMNS(counted.* EXCLUDE (site, business_date)), 0)
        FROM shown LEFT JOIN counted USING (site, business_date)
    ),
    derived AS (
        SELECT
            *,
            total_cars - member_washes - free_washes AS eligible_washes,
            sales - plan_sales AS retail_sales
        FROM filled
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
        CASE WHEN eligible_washes > 0 THEN new_memberships / eligible_washes ELSE 0 END AS conversion_rate,
        sales,
        plan_sales,
        retail_sales,
        dollars_each(sales, total_cars) AS average_ticket,
        dollars_each(retail_sales, retail_washes) AS average_retail_ticket,
        discounts,
        voided_transactions,
        voided_items,
        void_tenders,
        unsettled_transactions,
        transactions
    FROM derived
    ORDER BY site, business_date
"""

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
        coalesce(counted.sales, 0) AS sales
    FROM shown
    CROSS JOIN pipeline
    LEFT JOIN listed USING (site)
    JOIN hours
        ON hours.business_date = shown.business_date AND hours.timezone = coalesce(listed.timezone, pipeline.timezone)
    LEFT JOIN counted
        ON counted.site = shown.site AND counted.business_date = shown.business_date AND counted.hour = hours.hour
    ORDER BY shown.site, shown.business_date, hours.hour
"""


def site_day_kpis(
    transactions: Rows,
    sites: pa.Table,
    business_dates: Collection[date],
    *,
    landed: Collection[date],
    timezone: str = "UTC",
) -> Mart:
    """The KPIs of each site and site-local business day (KPIS; the status of each stands in its column's description).

    - Total cars (V): redemptions, plan sales that are also a wash, and other washes.
    - Member washes (V), retail washes (F), free washes (V: retail with a total of 0), eligible washes (V: the rest).
    - New memberships (V): `isRecurringPlanSale` and `isRecurringSale`; the plan flag alone also counts upgrades.
    - Conversion rate (F): new memberships ÷ eligible washes, a fraction; 0 where there are none.
    - Sales (V): totals of all rows that are not redemptions; plan sales and retail are its two parts.
    - Average ticket (F), and the average retail ticket (F): retail sales ÷ retail washes. 0 where there are no cars.
    - Discounts (O), and voids (O), which are three different things: transactions, items, tenders.
    - Unsettled transactions (O): Incomplete, In-Progress or Suspended.

    The status changes none of the other figures: they were checked without one, and live rows often lack it. So
    `unsettled_transactions` says how many of the rows counted may still change, and `voided_transactions` how many were
    taken back (their items are voided, so they are no washes; whatever total they keep is in sales).

    Args:
        transactions: rows of the landed partitions, at least `KPI_INPUT`: a table, or paths of Parquet files. An id
            that is there twice counts twice; the landing checks see to that.
        sites: rows of `sites`; the columns `code` and `timezone`.
        business_dates: the site-local days wanted.
        landed: daily partitions that `transactions` were taken from.
        timezone: IANA name of the zone of those partitions, the pipeline's.

    Returns:
        `SITE_DAY_KPIS` by site and date. A physical site has a row for each complete day, with zeros where it was
        closed; e-commerce sites, and sites that `sites` does not know, have one where they have transactions. What is
        not complete is in `missing` and not in the table.
    """
    days = DaysWanted(business_dates, landed, sites, timezone)
    return count_days(transactions, days, _SITE_DAYS, _SITE_DAY_KPIS, SITE_DAY_KPIS)


def site_hour_kpis(
    transactions: Rows,
    sites: pa.Table,
    business_dates: Collection[date],
    *,
    landed: Collection[date],
    timezone: str = "UTC",
) -> Mart:
    """Cars and sales by hour of the site's own clocks (KPIS "Cars per hour", O).

    Every day has the hours 0 to 23, those without cars included. Where clocks are put forward, the hour that they skip
    is there with `minutes` 0 and no cars; where they are put back, the hour that comes twice holds both, `minutes` 120.

    Args: as for `site_day_kpis`.

    Returns:
        `SITE_HOUR_KPIS` by site, date and hour, for the same site days as `site_day_kpis`.
    """
    days = DaysWanted(business_dates, landed, sites, timezone)
    return count_days(transactions, days, _SITE_HOURS, _SITE_HOUR_KPIS, SITE_HOUR_KPIS)


def daily_sales(transactions: pa.Table) -> pa.Table:
    """Cars and sales per site and partition (KPIS "Total cars", V; "Sales", V), as `site_day_kpis` defines them.

    Args:
        transactions: landed rows with the columns of `DAILY_SALES_INPUT` and the partition's day `date`.

    Returns:
        `DAILY_SALES`: a row per site and day that has transactions; `sales` in dollars, exact to the cent. The day is
        the partition's, so it equals the site's business day only for sites in the pipeline's zone.
    """
    with open_judged(transactions) as connection:
        return connection.sql(_DAILY_SALES).to_arrow_table().cast(DAILY_SALES)


def sales_total(transactions: pa.Table) -> float:
    """Sales in dollars over all rows (KPIS "Sales": redemptions left out), exact to the cent.

    Args:
        transactions: landed rows; the columns `total`, `is_recurring_redemption` and `is_recurring_plan_redemption`.
    """
    with open_rows(transactions) as connection:
        found = connection.execute(_SALES_TOTAL).fetchone()
    return float(found[0]) if found else 0.0
