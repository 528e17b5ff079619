"""Days of `membership_movement`, made by hand."""

from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.incremental.inputs import metadata_of
from sonnys_pipeline.marts.members.columns import MEMBERSHIP_MOVEMENT
from sonnys_pipeline.marts.members.landed import MOVEMENT


def movement(site: str, plan: str | None = "Basic", **changed: Any) -> dict[str, Any]:
    """100 active members of 20 dollars each; two joined, one left, one payment failed, one came back."""
    return {
        "site": site, "plan": plan, "joined": 2, "left_voluntary": 1, "left_involuntary": 1, "came_back": 1, "net": 1,
        "switched_in": 0, "switched_out": 0, "active": 100, "on_trial": 0, "mrr": Decimal("2000.00"),
        "trial_mrr": Decimal("0.00"), "active_at_month_start": 80, "left_in_month": 4, "monthly_churn": 0.05,
        "unknown": None, **changed,
    }  # fmt: skip


def land_movement(lake: Lake, day: date, *rows: dict[str, Any]) -> None:
    """A day's file, as the asset lands it."""
    table = pa.Table.from_pylist([{"business_date": day, **row} for row in rows], MEMBERSHIP_MOVEMENT)
    lake.land(MOVEMENT, table, partition=day.isoformat(), metadata=metadata_of(str(rows), {}, rows=table))
