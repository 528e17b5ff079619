"""Memberships sold, recharged and used, by site and day."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import pyarrow as pa

from sonnys_pipeline.lake.engines.sessions import CountedRows
from sonnys_pipeline.marts.kpi_columns import MEMBERSHIP_DAILY
from sonnys_pipeline.marts.site_days import DaysWanted, Mart, MartQuery, count_days
from sonnys_pipeline.marts.unknown import FIELD_COUNTS, UPGRADES, counts_sql, filled_sql, unknown_sql

_COUNTS = {
    **FIELD_COUNTS,
    "new_memberships": "count(*) FILTER (WHERE plan_sale AND is_recurring_sale)",
    "plan_upgrades": "count(*) FILTER (WHERE plan_sale AND NOT is_recurring_sale)",
    "plan_sales": "sum(dollars) FILTER (WHERE plan_sale AND NOT redemption)",
    "recharges": "count(*) FILTER (WHERE recharge)",
    "recharge_sales": "sum(dollars) FILTER (WHERE recharge)",
    "member_washes": "count(*) FILTER (WHERE redemption)",
    "total_cars": "count(*) FILTER (WHERE car)",
    "eligible_washes": "count(*) FILTER (WHERE car AND NOT redemption AND NOT (retail_wash AND dollars = 0))",
}
_MEMBERSHIPS = f"""
    SELECT site, business_date, {counts_sql(_COUNTS)}
    FROM placed
    GROUP BY site, business_date
"""  # noqa: S608 - made of names in this house

_MEMBERSHIP_DAILY = f"""
    WITH filled AS (
        SELECT site, business_date, {filled_sql(_COUNTS)}
        FROM shown LEFT JOIN counted USING (site, business_date)
    )
    SELECT
        site,
        business_date,
        new_memberships,
        {UPGRADES.figures_sql},
        plan_sales,
        recharges,
        recharge_sales,
        member_washes,
        total_cars,
        CASE WHEN total_cars > 0 THEN member_washes / total_cars ELSE 0 END AS member_share,
        eligible_washes,
        CASE WHEN eligible_washes > 0 THEN new_memberships / eligible_washes ELSE 0 END AS conversion_rate,
        {unknown_sql([UPGRADES])}
    FROM filled
    LEFT JOIN left_out USING (site, business_date)
    ORDER BY site, business_date
"""  # noqa: S608 - made of names in this house


def membership_daily(
    transactions: CountedRows,
    sites: pa.Table,
    business_dates: Collection[date],
    *,
    landed: Collection[date],
    timezone: str = "UTC",
) -> Mart:
    """Memberships sold, recharged and redeemed on each business day: `MEMBERSHIP_DAILY` by site and date.

    Columns shared with `site_day_kpis` are equal to its. The others (all O) are upgrades (plan sales that are not new
    memberships; null, with a reason in `unknown`, if no row of the day has `isRecurringPlanSale`), recharges
    (`isRecurringPayment`, neither a plan sale nor a redemption) and the members' share of cars. Arguments and site
    days as for `site_day_kpis`.
    """
    days = DaysWanted(business_dates, landed, sites, timezone)
    return count_days(transactions, days, MartQuery(_MEMBERSHIPS, _MEMBERSHIP_DAILY, MEMBERSHIP_DAILY))
