"""Tenders and discounts by site and day (KPIS "Tender mix", "Discounts")."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import pyarrow as pa

from sonnys_pipeline.lake.sql import Rows
from sonnys_pipeline.marts.kpi_columns import DISCOUNT_MIX, TENDER_MIX
from sonnys_pipeline.marts.site_days import DaysWanted, Mart, count_days

_TENDERS = """
    SELECT
        site,
        business_date,
        part.tender,
        part.tender_sub_type,
        count(*) AS tenders,
        sum(dollars_of(part.total)) AS total
    FROM (SELECT site, business_date, unnest(tenders) AS part FROM placed)
    GROUP BY ALL
"""
_TENDER_MIX = """
    SELECT site, business_date, tender, tender_sub_type, tenders, total
    FROM counted SEMI JOIN shown USING (site, business_date)
    ORDER BY site, business_date, tender, tender_sub_type NULLS FIRST
"""

# Gross is the sum over all rows of the day, discounted or not.
_DISCOUNTS = """
    WITH gross AS (
        SELECT
            site,
            business_date,
            sum(list_sum(list_transform(
                list_filter(items, lambda part: NOT part.is_voided), lambda part: dollars_of(part.gross)
            ))) AS gross
        FROM placed
        GROUP BY ALL
    )
    SELECT
        site,
        business_date,
        part.discount_name AS discount_name,
        count(*) AS discounts,
        sum(dollars_of(part.discount)) AS amount,
        any_value(gross) AS gross
    FROM (SELECT site, business_date, unnest(discounts) AS part FROM placed)
    JOIN gross USING (site, business_date)
    GROUP BY ALL
"""
_DISCOUNT_MIX = """
    SELECT
        site,
        business_date,
        discount_name,
        discounts,
        amount,
        CASE WHEN gross <> 0 THEN CAST(amount AS DOUBLE) / CAST(gross AS DOUBLE) ELSE 0 END AS share_of_gross
    FROM counted SEMI JOIN shown USING (site, business_date)
    ORDER BY site, business_date, discount_name
"""


def tender_mix(
    transactions: Rows,
    sites: pa.Table,
    business_dates: Collection[date],
    *,
    landed: Collection[date],
    timezone: str = "UTC",
) -> Mart:
    """Payments by tender and sub-type (KPIS "Tender mix", O: Σ tender `total`), with void tenders as their own kind.

    Returns `TENDER_MIX` by site, date, tender and sub-type; arguments as for `site_day_kpis`.
    """
    days = DaysWanted(business_dates, landed, sites, timezone)
    return count_days(transactions, days, _TENDERS, _TENDER_MIX, TENDER_MIX)


def discount_mix(
    transactions: Rows,
    sites: pa.Table,
    business_dates: Collection[date],
    *,
    landed: Collection[date],
    timezone: str = "UTC",
) -> Mart:
    """Discounts by name, and their share of the gross of all items that are not voided (KPIS "Discounts", O).

    Returns `DISCOUNT_MIX` by site, date and name; arguments as for `site_day_kpis`.
    """
    days = DaysWanted(business_dates, landed, sites, timezone)
    return count_days(transactions, days, _DISCOUNTS, _DISCOUNT_MIX, DISCOUNT_MIX)
