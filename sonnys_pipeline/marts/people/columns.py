"""Columns of `labor_daily`, `giftcard_liability`, and of labor in `site_hour_kpis`, with status (KPIS) and inputs."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from sonnys_pipeline.lake.money import MONEY
from sonnys_pipeline.marts.columns import Column, lineage_of, schema_of

#: Hours of work, exact to 1/10,000 hour (0.36 seconds).
HOURS = pa.decimal128(18, 4)

_ENTRIES = "clock_entries"
_TIMES = (f"{_ENTRIES}.clock_in", f"{_ENTRIES}.clock_out", f"{_ENTRIES}.read_at")
_OVERTIME = f"{_ENTRIES}.overtime_hours"
_WORKED = (f"{_ENTRIES}.regular_hours", _OVERTIME, *_TIMES)
_COST = (*_WORKED, f"{_ENTRIES}.regular_rate", f"{_ENTRIES}.overtime_rate")
_CARS, _SALES = "site_day_kpis.total_cars", "site_day_kpis.sales"

LABOR_DAILY_COLUMNS: Sequence[Column] = (
    Column(
        "site",
        pa.string(),
        "Code of the site; empty for shifts that name none.",
        (f"{_ENTRIES}.site_code", "sites.code"),
    ),
    Column(
        "business_date",
        pa.date32(),
        "Business day of the clock-in in the site's local time; a shift over midnight is counted on it as a whole.",
        (f"{_ENTRIES}.clock_in", "sites.timezone"),
    ),
    Column("shifts", pa.int64(), "Clock entries.", (f"{_ENTRIES}.clock_in",), "O", nullable=True),
    Column("employees", pa.int64(), "Employees who clocked in.", (f"{_ENTRIES}.employee_id",), "O", nullable=True),
    Column(
        "open_shifts",
        pa.int64(),
        "Shifts without a clock-out when they were read.",
        (f"{_ENTRIES}.clock_out",),
        "O",
        nullable=True,
    ),
    Column(
        "open_hours",
        HOURS,
        "Hours of open shifts up to the reading, at the regular rate; a part of `labor_hours`. They change when the "
        "day is read again.",
        _WORKED,
        "O",
        nullable=True,
    ),
    Column(
        "labor_hours",
        HOURS,
        "Regular and overtime hours as the API gives them; from clock-in to clock-out where it gives none, and up to "
        "the reading for an open shift.",
        _WORKED,
        "O",
        nullable=True,
    ),
    Column("overtime_hours", HOURS, "Overtime hours; a part of `labor_hours`.", (_OVERTIME,), "O", nullable=True),
    Column(
        "labor_cost",
        MONEY,
        "Regular hours times regular rate plus overtime hours times overtime rate, in dollars, rounded to the cent "
        "once for the site's day. Without taxes, benefits and salaries that are not clocked.",
        _COST,
        "F",
        nullable=True,
    ),
    Column("total_cars", pa.int64(), "Total cars of `site_day_kpis`.", (_CARS,), "B", nullable=True),
    Column("sales", MONEY, "Sales of `site_day_kpis`, in dollars.", (_SALES,), "B", nullable=True),
    Column(
        "cars_per_labor_hour",
        pa.float64(),
        "Total cars ÷ labor hours; null if there are no hours.",
        (_CARS, *_WORKED),
        "F",
        nullable=True,
    ),
    Column(
        "labor_cost_per_car",
        MONEY,
        "Labor cost ÷ total cars, in dollars, rounded to the cent; null if there are no cars.",
        (_CARS, *_COST),
        "F",
        nullable=True,
    ),
    Column(
        "labor_share",
        pa.float64(),
        "Labor cost ÷ sales, as a fraction; null if there are no sales.",
        (_SALES, *_COST),
        "F",
        nullable=True,
    ),
    Column(
        "unknown",
        pa.string(),
        "Which figures of the day are null or cover only some of its shifts, and why; null if everything is known.",
        (*_COST, _CARS),
        "O",
        nullable=True,
    ),
)

LABOR_HOUR_COLUMNS: Sequence[Column] = (
    Column(
        "labor_hours",
        HOURS,
        "Hours worked in this hour by the clock: a shift's labor hours are spread evenly over the time from clock-in "
        "to clock-out. Shifts that began on this day or the day before.",
        (*_WORKED, "sites.timezone"),
        "O",
        nullable=True,
    ),
    Column(
        "labor_cost",
        MONEY,
        "The same part of each shift's labor cost, in dollars, rounded to the cent once for the hour.",
        (*_COST, "sites.timezone"),
        "O",
        nullable=True,
    ),
    Column(
        "cars_per_labor_hour",
        pa.float64(),
        "Cars in this hour ÷ labor hours in it; null if nobody worked.",
        ("items", "complete_date", *_WORKED),
        "O",
        nullable=True,
    ),
    Column(
        "labor_unknown",
        pa.string(),
        "Why figures of labor are null or cover only some of the shifts; null if they are known.",
        _COST,
        "O",
        nullable=True,
    ),
)

_CARD_SITE = ("giftcards.site_code", "washbooks.billing_site_id", "sites.code", "sites.site_id")

GIFTCARD_LIABILITY_COLUMNS: Sequence[Column] = (
    Column(
        "site",
        pa.string(),
        "Code of the site that sold the card or bills the washbook; empty where it is not known.",
        _CARD_SITE,
    ),
    Column(
        "business_date",
        pa.date32(),
        "Day, as the lists were read on it or, if they were not, before it.",
        ("giftcards.valid_from", "giftcards.valid_to", "washbooks.valid_from", "washbooks.valid_to"),
    ),
    Column("cards", pa.int64(), "Gift cards.", ("giftcards.giftcard_id",), "O", nullable=True),
    Column(
        "undated_cards",
        pa.int64(),
        "Gift cards without a date of sale; a part of `cards`.",
        ("giftcards.complete_date",),
        "O",
        nullable=True,
    ),
    Column("sold_value", MONEY, "Value of all cards, in dollars.", ("giftcards.value",), "F", nullable=True),
    Column(
        "used_value", MONEY, "What was used of all cards, in dollars.", ("giftcards.amount_used",), "F", nullable=True
    ),
    Column(
        "liability",
        MONEY,
        "Sold value minus used value, in dollars. Cards that the API no longer lists "
        "are as they were read last; those that it never listed are not in it.",
        ("giftcards.value", "giftcards.amount_used"),
        "F",
        nullable=True,
    ),
    Column("washbooks", pa.int64(), "Washbooks, whatever their status.", ("washbooks.id",), "O", nullable=True),
    Column(
        "washes_outstanding",
        pa.float64(),
        "Prepaid washes outstanding: balances of all washbooks, in washes.",
        ("washbooks.balance",),
        "F",
        nullable=True,
    ),
    Column(
        "unknown",
        pa.string(),
        "Which figures of the day are null or cover only some of its cards or washbooks, and why; null if everything "
        "is known.",
        ("giftcards.value", "giftcards.amount_used", "washbooks.balance"),
        "O",
        nullable=True,
    ),
)

LABOR_DAILY = schema_of(LABOR_DAILY_COLUMNS)
LABOR_DAILY_LINEAGE = lineage_of(LABOR_DAILY_COLUMNS)

GIFTCARD_LIABILITY = schema_of(GIFTCARD_LIABILITY_COLUMNS)
GIFTCARD_LIABILITY_LINEAGE = lineage_of(GIFTCARD_LIABILITY_COLUMNS)
