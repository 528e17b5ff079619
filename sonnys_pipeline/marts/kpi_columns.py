"""The columns of the KPI tables: meaning, source, status (KPIS) and the input columns of each.

Status, by those who run a public client of this API: B is one site day compared with BackOffice's own report; R is 31
days of one site compared with a CRM's daily figures, under an older rule than today's; F is a formula in use in the
trade, not reconciled in public; O is ours. Nobody has reconciled a month with BackOffice in public.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sonnys_pipeline.lake.money import MONEY
from sonnys_pipeline.marts.columns import Column, Status, lineage_of, schema_of

# What a row does not say of itself, its state says (`lake/sql.py`).
_PLAN_FLAG = ("is_recurring_plan_sale", "transaction_states.is_recurring_plan_sale")
_REDEMPTION = (
    "is_recurring_plan_redemption", "transaction_states.is_recurring_plan_redemption", "is_recurring_redemption",
)  # fmt: skip
_PLAN_SALE = (*_PLAN_FLAG, "is_recurring_sale")
_RETAIL_WASH = ("items", *_REDEMPTION, *_PLAN_SALE)
_CAR = ("items", *_REDEMPTION)
_SALES = ("total", *_REDEMPTION)
_ELIGIBLE = (*_RETAIL_WASH, "total")
_STATUS = ("transaction_status", "transaction_states.transaction_status")
_LANE = ("sales_device_name",)


def _count(
    name: str, status: Status, description: str, sources: tuple[str, ...], *, nullable: bool = False
) -> Column:  # fmt: skip
    return Column(name, pa.int64(), description, sources, status, nullable)


def _money(
    name: str, status: Status, description: str, sources: tuple[str, ...], *, nullable: bool = False
) -> Column:  # fmt: skip
    return Column(name, MONEY, description, sources, status, nullable)


def _rate(
    name: str, status: Status, description: str, sources: tuple[str, ...], *, nullable: bool = False
) -> Column:  # fmt: skip
    return Column(name, pa.float64(), description, sources, status, nullable)


def _unknown(*fields: str) -> Column:
    return Column(
        "unknown",
        pa.string(),
        "Which figures of the day are null, or made of a part of its rows, and which field is missing for them; null "
        "where everything is known.",
        fields,
        "O",
        nullable=True,
    )


SITE = Column("site", pa.string(), "Code of the site; empty for the e-commerce site.", ("location_code", "sites.code"))
BUSINESS_DATE = Column(
    "business_date",
    pa.date32(),
    "Business day, local to the site; the pipeline's own day where the site has no zone.",
    ("complete_date", "sites.timezone"),
)
TOTAL_CARS = _count(
    "total_cars",
    "B",
    "Member washes and every other ticket with a wash; a prepaid sale, a gift card or a recharge beside a wash changes "
    "nothing, and is no car without one. Returns and voided tickets count as they come, see `net_cars` (one day: 15; "
    "R: 22 of 31 days equal, the others within +11 of 12,097).",
    _CAR,
)
MEMBER_WASHES = _count(
    "member_washes", "R", "Redemptions of recurring plans (31 of 31 days equal, 8,506).", _REDEMPTION
)
ELIGIBLE_WASHES = _count(
    "eligible_washes", "R", "Total cars less member and free washes (22 of 31 days equal).", _ELIGIBLE
)
NEW_MEMBERSHIPS = _count(
    "new_memberships", "R", "Plan sales that are not upgrades of a plan (31 of 31 days equal, 438).", _PLAN_SALE
)
CONVERSION_RATE = _rate(
    "conversion_rate",
    "F",
    "New memberships ÷ eligible washes, as a fraction; 0 where there are none.",
    tuple(dict.fromkeys((*_PLAN_SALE, *_ELIGIBLE))),
)
PLAN_SALES = _money(
    "plan_sales",
    "O",
    "The part of sales that are sales of recurring plans, upgrades included, in dollars; recharges are not in it.",
    tuple(dict.fromkeys((*_SALES, *_PLAN_SALE))),
)

SITE_DAY_COLUMNS: Sequence[Column] = (
    SITE,
    BUSINESS_DATE,
    TOTAL_CARS,
    MEMBER_WASHES,
    _count("retail_washes", "F", "Washes that are neither plan sales nor redemptions.", _RETAIL_WASH),
    _count("free_washes", "R", "Retail washes with a total of 0 (31 of 31 days equal, 319).", (*_RETAIL_WASH, "total")),
    ELIGIBLE_WASHES,
    NEW_MEMBERSHIPS,
    CONVERSION_RATE,
    _money(
        "sales",
        "B",
        "Totals of all transactions that are not redemptions, in dollars, see `net_sales` (one day: 7,875.20 against "
        "7,830.20, since BackOffice books overpayments apart).",
        _SALES,
    ),
    PLAN_SALES,
    _money(
        "retail_sales",
        "O",
        "The part of sales that are not plan sales, in dollars: washes, goods, prepaid, and recharges of plans, which "
        "`membership_daily` has by themselves.",
        PLAN_SALES.sources,
    ),
    _money(
        "average_ticket",
        "F",
        "Sales ÷ total cars, in dollars, rounded to the cent; 0 where there are no cars.",
        tuple(dict.fromkeys((*_SALES, *_CAR))),
    ),
    _money(
        "average_retail_ticket",
        "F",
        "Average wash price: totals of the tickets that are retail washes ÷ retail washes, in dollars, rounded to the "
        "cent; 0 where there are no retail washes.",
        ("total", *_RETAIL_WASH),
    ),
    _money("discounts", "O", "Amounts of all discounts given, in dollars.", ("discounts",)),
    _count("voided_transactions", "O", "Transactions whose status is Voided.", _STATUS, nullable=True),
    _count("voided_items", "O", "Items taken off a ticket.", ("items",)),
    _count("void_tenders", "O", "Tenders of type Void, which take back another tender.", ("tenders",)),
    _count(
        "unsettled_transactions",
        "O",
        "Transactions that are Incomplete, In-Progress or Suspended: figures of the day may still move by them.",
        _STATUS,
        nullable=True,
    ),
    _count("transactions", "O", "All transactions, whatever their status.", ("id",)),
    _count(
        "new_memberships_in_lane",
        "F",
        "New memberships that no online terminal sold: those whose `sales_device_name` has no E-Comm in it.",
        (*_PLAN_SALE, *_LANE),
        nullable=True,
    ),
    _rate(
        "conversion_rate_in_lane",
        "F",
        "New memberships in lane ÷ eligible washes, as a fraction; 0 where there are none.",
        tuple(dict.fromkeys((*CONVERSION_RATE.sources, *_LANE))),
        nullable=True,
    ),
    _count(
        "net_cars",
        "O",
        "Total cars, where the return of a wash counts -1 and a voided ticket 0.",
        (*_CAR, "type", *_STATUS),
        nullable=True,
    ),
    _money("net_sales", "O", "Sales without voided tickets, in dollars.", (*_SALES, *_STATUS), nullable=True),
    _money(
        "overpayments",
        "O",
        "The part of sales that customers paid beyond what items, tax and fees of their tickets come to, in dollars; "
        "BackOffice books it apart.",
        (*_SALES, "items", "tenders", "type", *_STATUS),
    ),
    _unknown(*_STATUS, *_PLAN_FLAG, *_LANE),
)

SITE_HOUR_COLUMNS: Sequence[Column] = (
    SITE,
    BUSINESS_DATE,
    Column("hour", pa.int32(), "Hour of the day on the site's clocks, 0 to 23.", ("complete_date", "sites.timezone")),
    Column(
        "minutes",
        pa.int32(),
        "How long this hour lasted: 60; 0 where clocks skip it, 120 where they go through it twice.",
        ("sites.timezone",),
        "O",
    ),
    _count("cars", "O", "Total cars whose transaction was completed in this hour.", (*_CAR, "complete_date")),
    _money("sales", "O", "Sales in this hour, in dollars.", (*_SALES, "complete_date")),
)

MEMBERSHIP_COLUMNS: Sequence[Column] = (
    SITE,
    BUSINESS_DATE,
    NEW_MEMBERSHIPS,
    _count("plan_upgrades", "O", "Plan sales that are no new membership.", _PLAN_SALE, nullable=True),
    PLAN_SALES,
    _count(
        "recharges",
        "O",
        "Recurring payments charged for plans that were sold before.",
        ("is_recurring_payment", *_PLAN_SALE, *_REDEMPTION),
    ),
    _money(
        "recharge_sales",
        "O",
        "Totals of recharges, in dollars; in `site_day_kpis` they are a part of `retail_sales`.",
        ("total", "is_recurring_payment", *_PLAN_SALE, *_REDEMPTION),
    ),
    MEMBER_WASHES,
    TOTAL_CARS,
    _rate("member_share", "O", "Member washes ÷ total cars, as a fraction; 0 where there are no cars.", _CAR),
    ELIGIBLE_WASHES,
    CONVERSION_RATE,
    _unknown(*_PLAN_FLAG),
)

TENDER_MIX_COLUMNS: Sequence[Column] = (
    SITE,
    BUSINESS_DATE,
    Column("tender", pa.string(), "How it was paid.", ("tenders",)),
    Column("tender_sub_type", pa.string(), "Kind of card, account or code.", ("tenders",), nullable=True),
    _count("tenders", "O", "How many payments.", ("tenders",)),
    _money("total", "O", "What was paid in this way, in dollars, redemptions included.", ("tenders",)),
)

DISCOUNT_MIX_COLUMNS: Sequence[Column] = (
    SITE,
    BUSINESS_DATE,
    Column("discount_name", pa.string(), "What the discount is called.", ("discounts",)),
    _count("discounts", "O", "How often it was given.", ("discounts",)),
    _money("amount", "O", "What was given, in dollars.", ("discounts",)),
    _rate(
        "share_of_gross",
        "O",
        "Amount ÷ gross of all items of the site's day that are not voided, as a fraction; 0 where gross is 0. The "
        "shares of a day's discounts add up to that of all of them.",
        ("discounts", "items"),
    ),
)

SITE_DAY_KPIS = schema_of(SITE_DAY_COLUMNS)
SITE_HOUR_KPIS = schema_of(SITE_HOUR_COLUMNS)
MEMBERSHIP_DAILY = schema_of(MEMBERSHIP_COLUMNS)
TENDER_MIX = schema_of(TENDER_MIX_COLUMNS)
DISCOUNT_MIX = schema_of(DISCOUNT_MIX_COLUMNS)

#: Column → the columns of `transactions` and `sites` that it comes from, for each table.
SITE_DAY_KPIS_LINEAGE = lineage_of(SITE_DAY_COLUMNS)
SITE_HOUR_KPIS_LINEAGE = lineage_of(SITE_HOUR_COLUMNS)
MEMBERSHIP_DAILY_LINEAGE = lineage_of(MEMBERSHIP_COLUMNS)
