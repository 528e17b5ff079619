"""Items for sale at each site, as in `/item` (vendor's ItemObject; L13 and L17)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sonnys_pipeline.simulator.world.catalog import (
    ADD_ONS,
    FREE_WASH,
    MERCHANDISE,
    PLAN_UPGRADE,
    PLANS,
    PREPAID,
    PROMOTION_DEPARTMENT,
    WASHES,
    Product,
    SiteSpec,
)
from sonnys_pipeline.simulator.world.row_parts import Row, plan_product

DEPARTMENT_NAMES = (
    "Wash", "Detail", "Service", "Merchandise", "Discount", "GiftCard", "WashBook", "Recurring_Plan", "Add_On",
    "Vacuum_sales", "Prepaid_Wash", "Prepaid_vacuum", "food", "beverage", "recipe",
)  # fmt: skip
"""Values of `departmentName`; responses have spaces instead of underscores (L17)."""
_ITEMS = (
    *(Product(wash.name, wash.sku, wash.price, "Wash") for wash in WASHES),
    *map(plan_product, PLANS),
    PLAN_UPGRADE,
    Product("Fleet Unlimited, one year", "200800", 109_950, "Recurring Plan"),
    *ADD_ONS,
    *MERCHANDISE,
    *PREPAID,
    Product(FREE_WASH.name, FREE_WASH.sku, 0, PROMOTION_DEPARTMENT),
)


def items(
    sites: Sequence[SiteSpec],
    codes: Collection[str],
    department_name: str,
    prices: Mapping[tuple[str, str], int | None],
    *,
    live: bool,
) -> list[Row]:
    """Items of some sites, of all departments or one; prices are text, live ones with thousands separators (L13).

    `prices` in cents, by code and item, replace the usual ones; None: it is not listed.
    """
    wanted = department_name.replace("_", " ").casefold()
    form = ",.2f" if live else ".2f"
    return [
        {
            "sku": item.sku,
            "name": item.name,
            "departmentName": item.department,
            "priceAtSite": format(cents / 100, form),
            "costPerItem": format(item.price / 250, form) if item.department == "Merchandise" else None,
            "isPromptForPrice": item.department == "Detail",
            "siteLocation": site.code,
        }
        for site in sites
        if site.code in codes
        for item in _ITEMS
        if not wanted or item.department.casefold() == wanted
        if (cents := prices.get((site.code, item.name), item.price)) is not None
    ]
