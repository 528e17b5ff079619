"""The columns of the KPI tables: meaning, status (KPIS) and input columns.

Status: B was compared with BackOffice's own report (one site day); R with a CRM's daily figures (31 days of one site,
under an older rule than today's); F is a formula used in the trade; O is our own. Nobody has reconciled a month with
BackOffice in public.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sonnys_pipeline.lake.money import MONEY
from sonnys_pipeline.marts.columns import Column, Status, lineage_of, schema_of
from sonnys_pipeline.marts.people.columns import LABOR_HOUR_COLUMNS

# Fields that a row lacks come from its state (`lake/sql.py`).
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
        "Which figures of the day are null or cover only some of its rows, and which field is missing; null if "
        "everything is known.",
        fields,
        "O",
        nullable=True,
    )


SITE = Column("site", pa.string(), "Code of the site; empty for the e-commerce site.", ("location_code", "sites.code"))
BUSINESS_DATE = Column(
    "business_date",
    pa.date32(),
    "Business day in the site's local time; the pipeline's day if the site has no time zone.",
    ("complete_date", "sites.timezone"),
)
TOTAL_CARS = _count(
    "total_cars",
    "B",
    "Member washes and every other ticket with a wash, whatever else is on it. Returns and voided tickets count, too: "
    "see `net_cars` (one day: 15; R: 22 of 31 days equal, the others within +11 of 12,097).",
    _CAR,
)
MEMBER_WASHES = _count(
    "member_washes", "R", "Redemptions of recurring plans (31 of 31 days equal, 8,506).", _REDEMPTION
)
ELIGIBLE_WASHES = _count(
    "eligible_washes", "R", "Total cars minus member and free washes (22 of 31 days equal).", _ELIGIBLE
)
NEW_MEMBERSHIPS = _count(
    "new_memberships", "R", "Plan sales that are not upgrades of a plan (31 of 31 days equal, 438).", _PLAN_SALE
)
CONVERSION_RATE = _rate(
    "conversion_rate",
    "F",
    "New memberships ÷ eligible washes, as a fraction; 0 if there are none.",
    tuple(dict.fromkeys((*_PLAN_SALE, *_ELIGIBLE))),
)
PLAN_SALES = _money(
    "plan_sales",
    "O",
    "Sales of recurring plans, including upgrades but not recharges, in dollars; a part of sales.",
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
        "Totals of all transactions that are not redemptions, in dollars; see `net_sales` (one day: 7,875.20, "
        "BackOffice 7,830.20, because it books overpayments separately).",
        _SALES,
    ),
    PLAN_SALES,
    _money(
        "retail_sales",
        "O",
        "Sales minus plan sales, in dollars: washes, goods, prepaid, and recharges of plans (see `membership_daily`).",
        PLAN_SALES.sources,
    ),
    _money(
        "average_ticket",
        "F",
        "Sales ÷ total cars, in dollars, rounded to the cent; 0 if there are no cars.",
        tuple(dict.fromkeys((*_SALES, *_CAR))),
    ),
    _money(
        "average_retail_ticket",
        "F",
        "Average wash price: totals of the tickets that are retail washes ÷ retail washes, in dollars, rounded to the "
        "cent; 0 if there are no retail washes.",
        ("total", *_RETAIL_WASH),
    ),
    _money("discounts", "O", "Amounts of all discounts given, in dollars.", ("discounts",)),
    _count("voided_transactions", "O", "Transactions whose status is Voided.", _STATUS, nullable=True),
    _count("voided_items", "O", "Items that were voided.", ("items",)),
    _count("void_tenders", "O", "Tenders of type Void, which reverse another tender.", ("tenders",)),
    _count(
        "unsettled_transactions",
        "O",
        "Transactions that are Incomplete, In-Progress or Suspended; the day's figures may still change.",
        _STATUS,
        nullable=True,
    ),
    _count("transactions", "O", "All transactions, whatever their status.", ("id",)),
    _count(
        "new_memberships_in_lane",
        "F",
        "New memberships not sold by an online terminal: their `sales_device_name` does not contain E-Comm.",
        (*_PLAN_SALE, *_LANE),
        nullable=True,
    ),
    _rate(
        "conversion_rate_in_lane",
        "F",
        "New memberships in lane ÷ eligible washes, as a fraction; 0 if there are none.",
        tuple(dict.fromkeys((*CONVERSION_RATE.sources, *_LANE))),
        nullable=True,
    ),
    _count(
        "net_cars",
        "O",
        "Total cars, but the return of a wash counts -1 and a voided ticket 0.",
        (*_CAR, "type", *_STATUS),
        nullable=True,
    ),
    _money("net_sales", "O", "Sales without voided tickets, in dollars.", (*_SALES, *_STATUS), nullable=True),
    _money(
        "overpayments",
        "O",
        "The part of sales that customers paid beyond the items, tax and fees of their tickets, in dollars; BackOffice "
        "books it separately.",
        (*_SALES, "items", "tenders", "type", *_STATUS),
    ),
    _unknown(*_STATUS, *_PLAN_FLAG, *_LANE),
)

SITE_HOUR_COLUMNS: Sequence[Column] = (
    SITE,
    BUSINESS_DATE,
    Column(
        "hour", pa.int32(), "Hour of the day in the site's local time, 0 to 23.", ("complete_date", "sites.timezone")
    ),
    Column(
        "minutes",
        pa.int32(),
        "Length of this hour: 60; 0 if clocks skip it, 120 if they repeat it.",
        ("sites.timezone",),
        "O",
    ),
    _count("cars", "O", "Total cars whose transaction was completed in this hour.", (*_CAR, "complete_date")),
    _money("sales", "O", "Sales in this hour, in dollars.", (*_SALES, "complete_date")),
    *LABOR_HOUR_COLUMNS,
)

MEMBERSHIP_COLUMNS: Sequence[Column] = (
    SITE,
    BUSINESS_DATE,
    NEW_MEMBERSHIPS,
    _count("plan_upgrades", "O", "Plan sales that are not new memberships.", _PLAN_SALE, nullable=True),
    PLAN_SALES,
    _count(
        "recharges",
        "O",
        "Recurring payments for plans that were sold earlier.",
        ("is_recurring_payment", *_PLAN_SALE, *_REDEMPTION),
    ),
    _money(
        "recharge_sales",
        "O",
        "Totals of recharges, in dollars; a part of `retail_sales` in `site_day_kpis`.",
        ("total", "is_recurring_payment", *_PLAN_SALE, *_REDEMPTION),
    ),
    MEMBER_WASHES,
    TOTAL_CARS,
    _rate("member_share", "O", "Member washes ÷ total cars, as a fraction; 0 if there are no cars.", _CAR),
    ELIGIBLE_WASHES,
    CONVERSION_RATE,
    _unknown(*_PLAN_FLAG),
)

TENDER_MIX_COLUMNS: Sequence[Column] = (
    SITE,
    BUSINESS_DATE,
    Column("tender", pa.string(), "Tender type.", ("tenders",)),
    Column("tender_sub_type", pa.string(), "Kind of card, account or code.", ("tenders",), nullable=True),
    _count("tenders", "O", "Number of payments.", ("tenders",)),
    _money("total", "O", "Amount paid with this tender, in dollars, including redemptions.", ("tenders",)),
)

DISCOUNT_MIX_COLUMNS: Sequence[Column] = (
    SITE,
    BUSINESS_DATE,
    Column("discount_name", pa.string(), "Name of the discount.", ("discounts",)),
    _count("discounts", "O", "Number of times it was given.", ("discounts",)),
    _money("amount", "O", "Total of this discount, in dollars.", ("discounts",)),
    _rate(
        "share_of_gross",
        "O",
        "Amount ÷ gross of all items of the site's day that are not voided, as a fraction; 0 if gross is 0. The "
        "shares of a day's discounts add up to the share of all of them.",
        ("discounts", "items"),
    ),
)

ITEM_MIX_COLUMNS: Sequence[Column] = (
    SITE,
    BUSINESS_DATE,
    Column("department", pa.string(), "Department of the item.", ("items",)),
    Column("item", pa.string(), "Name of the item on the ticket.", ("items",)),
    Column("sku", pa.string(), "Number of the item; null if the ticket has none.", ("items",), nullable=True),
    _count("quantity", "O", "Pieces that are not voided, as the tickets have them.", ("items",)),
    _money("gross", "O", "Gross of the pieces that are not voided, in dollars.", ("items",)),
    _money("discount", "O", "Discount on the pieces that are not voided, in dollars.", ("items",)),
    _money("net", "O", "Net of the pieces that are not voided, in dollars.", ("items",)),
    _rate(
        "share_of_net",
        "O",
        "Net ÷ net of all items of the site's day that are not voided, as a fraction; null if that is 0.",
        ("items",),
        nullable=True,
    ),
    _count("voided_quantity", "O", "Pieces whose line was voided; in no other figure.", ("items",)),
    _money("voided_gross", "O", "Gross of the voided pieces, in dollars; in no other figure.", ("items",)),
    _money("voided_discount", "O", "Discount on the voided pieces, in dollars; in no other figure.", ("items",)),
    _money("voided_net", "O", "Net of the voided pieces, in dollars; in no other figure.", ("items",)),
    _unknown("items"),
)

SITE_DAY_KPIS = schema_of(SITE_DAY_COLUMNS)
SITE_HOUR_KPIS = schema_of(SITE_HOUR_COLUMNS)
MEMBERSHIP_DAILY = schema_of(MEMBERSHIP_COLUMNS)
TENDER_MIX = schema_of(TENDER_MIX_COLUMNS)
DISCOUNT_MIX = schema_of(DISCOUNT_MIX_COLUMNS)
ITEM_MIX = schema_of(ITEM_MIX_COLUMNS)

SITE_DAY_KPIS_LINEAGE = lineage_of(SITE_DAY_COLUMNS)
SITE_HOUR_KPIS_LINEAGE = lineage_of(SITE_HOUR_COLUMNS)
MEMBERSHIP_DAILY_LINEAGE = lineage_of(MEMBERSHIP_COLUMNS)
ITEM_MIX_LINEAGE = lineage_of(ITEM_MIX_COLUMNS)
