"""Tenders, discounts and items by site and day (KPIS "Tender mix", "Discounts", "Item mix")."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import pyarrow as pa

from sonnys_pipeline.lake.engines.sessions import CountedRows
from sonnys_pipeline.marts.kpi_columns import DISCOUNT_MIX, ITEM_MIX, TENDER_MIX
from sonnys_pipeline.marts.site_days import DaysWanted, Mart, MartQuery, count_days
from sonnys_pipeline.marts.unknown import unknown_sql

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

# A ticket's status and type change nothing, as in the sums of `site_day_kpis`; only a line's own void counts.
_ITEMS = """
    SELECT
        site,
        business_date,
        part.department AS department,
        part.name AS item,
        nullif(part.sku, '') AS sku,
        coalesce(sum(part.quantity) FILTER (WHERE NOT part.is_voided), 0) AS quantity,
        coalesce(sum(dollars_of(part.gross)) FILTER (WHERE NOT part.is_voided), 0) AS gross,
        coalesce(sum(dollars_of(part.discount)) FILTER (WHERE NOT part.is_voided), 0) AS discount,
        coalesce(sum(dollars_of(part.net)) FILTER (WHERE NOT part.is_voided), 0) AS net,
        coalesce(sum(part.quantity) FILTER (WHERE part.is_voided), 0) AS voided_quantity,
        coalesce(sum(dollars_of(part.gross)) FILTER (WHERE part.is_voided), 0) AS voided_gross,
        coalesce(sum(dollars_of(part.discount)) FILTER (WHERE part.is_voided), 0) AS voided_discount,
        coalesce(sum(dollars_of(part.net)) FILTER (WHERE part.is_voided), 0) AS voided_net
    FROM (SELECT site, business_date, unnest(items) AS part FROM placed)
    GROUP BY ALL
"""
_NO_NET = "CASE WHEN day_net = 0 THEN 'share_of_net: the items of this day have a net of 0.00 together' END"
_ITEM_MIX = f"""
    WITH days AS (SELECT site, business_date, sum(net) AS day_net FROM counted GROUP BY ALL)
    SELECT
        counted.*,
        CASE WHEN day_net <> 0 THEN CAST(net AS DOUBLE) / CAST(day_net AS DOUBLE) END AS share_of_net,
        {unknown_sql([], _NO_NET)}
    FROM counted
    JOIN days USING (site, business_date)
    SEMI JOIN shown USING (site, business_date)
    LEFT JOIN left_out USING (site, business_date)
    ORDER BY site, business_date, department, item, sku NULLS FIRST
"""  # noqa: S608 - made of names in this house

#: What `tender_mix` and `discount_mix` count, for `count_together`.
TENDERS = MartQuery(_TENDERS, _TENDER_MIX, TENDER_MIX)
DISCOUNTS = MartQuery(_DISCOUNTS, _DISCOUNT_MIX, DISCOUNT_MIX)


def tender_mix(
    transactions: CountedRows,
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
    return count_days(transactions, days, TENDERS)


def discount_mix(
    transactions: CountedRows,
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
    return count_days(transactions, days, DISCOUNTS)


def item_mix(
    transactions: CountedRows,
    sites: pa.Table,
    business_dates: Collection[date],
    *,
    landed: Collection[date],
    timezone: str = "UTC",
) -> Mart:
    """What was sold, by department and item (KPIS "Item mix", O); voided lines stand in columns of their own.

    Returns `ITEM_MIX` by site, date, department, item and number; a day without items has no row. Arguments as for
    `site_day_kpis`.
    """
    days = DaysWanted(business_dates, landed, sites, timezone)
    return count_days(transactions, days, MartQuery(_ITEMS, _ITEM_MIX, ITEM_MIX))
