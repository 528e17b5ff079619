"""`site_day_kpis` landed without Dagster, as its asset lands it, and small tables of members and people."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.dimensions.tables import ACCOUNTS
from sonnys_pipeline.marts.frequency.columns import WASH_FREQUENCY
from sonnys_pipeline.marts.incremental.inputs import SITE_DAY_RECIPE, MartInputs, metadata_of
from sonnys_pipeline.marts.kpi_columns import ITEM_MIX, SITE_HOUR_KPIS
from sonnys_pipeline.marts.kpis import site_day_kpis
from sonnys_pipeline.marts.members.columns import MEMBERSHIP_MOVEMENT
from sonnys_pipeline.marts.people.columns import GIFTCARD_LIABILITY, LABOR_DAILY


def land_marts(lake: Lake, days: Iterable[date], timezone: str = "UTC") -> None:
    """Count the days from what is landed, and land each day's mart."""
    inputs = MartInputs(lake, timezone)
    keys = [day.isoformat() for day in days]
    read_from = inputs.require(SITE_DAY_RECIPE, keys)
    digests = inputs.digests(SITE_DAY_RECIPE, keys)
    mart = inputs.count(site_day_kpis, keys)
    for key in keys:
        day = date.fromisoformat(key)
        rows = mart.table.filter(pc.equal(mart.table["business_date"], pa.scalar(day)))
        missing = [one for one in mart.missing if one.business_date == day]
        kept = metadata_of(digests[key], inputs.recorded_inputs(SITE_DAY_RECIPE, key, read_from[key]), missing, rows)
        lake.land(SITE_DAY_RECIPE.asset, rows, partition=key, metadata=kept)


def land_people_and_members(lake: Lake) -> None:
    """Two days of MAIN in each table that is made of lists, and one membership; the figures are made up."""
    first, second = date(2026, 3, 10), date(2026, 3, 11)
    moved = {"joined": 2, "came_back": 1, "left_voluntary": 3, "left_involuntary": 0}
    sold = {"department": "Wash", "item": "Deluxe", "quantity": 2, "net": Decimal(15)}
    labor = {"labor_hours": Decimal(4), "labor_cost": Decimal(50), "total_cars": 20, "sales": Decimal(250)}
    hour = {"hour": 9, "minutes": 60}
    tables: list[tuple[str, pa.Schema, dict[str, Any], dict[str, Any]]] = [
        ("membership_movement", MEMBERSHIP_MOVEMENT, {**moved, "active": 20}, {**moved, "active": 21}),
        ("item_mix", ITEM_MIX, sold, sold),
        (
            "site_hour_kpis",
            SITE_HOUR_KPIS,
            {**hour, "cars": 32, "labor_hours": Decimal(4)},
            {**hour, "cars": 3, "labor_unknown": "clock entries of this day are not landed"},
        ),
        ("labor_daily", LABOR_DAILY, labor, labor),
        ("giftcard_liability", GIFTCARD_LIABILITY, {"liability": Decimal(80)}, {"liability": Decimal(70)}),
        (
            "wash_frequency",
            WASH_FREQUENCY,
            {"customer_id": "7:1", "site_most_used": "MAIN", "member_washes": 3},
            {"customer_id": "7:1", "unknown": "a day is not landed"},
        ),
    ]
    for asset, schema, *days in tables:
        for day, values in zip((first, second), days, strict=True):
            lake.land(asset, _row(schema, values | {"business_date": day}), partition=day.isoformat())
    account = {"plan_name": "Gold", "status": "Active", "billing_amount": 30.0, "valid_from": first, "is_current": True}
    lake.land("recurring_accounts", _row(ACCOUNTS.schema, account))


def _row(schema: pa.Schema, values: dict[str, Any]) -> pa.Table:
    """One row of MAIN; a column without a value is null where it may be, else 0 or empty."""
    filled = {one.name: "" if pa.types.is_string(one.type) else 0 for one in schema if not one.nullable}
    named = {"site": "MAIN"} if "site" in schema.names else {}
    return pa.Table.from_pylist([{**dict.fromkeys(schema.names), **filled, **named, **values}], schema)
