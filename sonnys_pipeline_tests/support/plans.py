"""Plans of backfills, as previews make them and the ledger keeps them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from sonnys_pipeline.backfill.plan import (
    Plan,
    Scope,
    make_plan,
)
from sonnys_pipeline.client import RequestRate
from sonnys_pipeline.ledger.models import PlanRecord, RowSpec

SCOPE = Scope("0123456789abcdef", "https://api.test/v1", "", "UTC", "/data")
OF_TWO_SITES = replace(SCOPE, load_by="site", sites=("MAIN", "EAST"), proof=True, states="auto")
RATE = RequestRate(20, 15.0)
LONG_AGO = date(2000, 1, 1)
NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)


def planned(requested: list[RowSpec], size: Callable[[RowSpec], int] = lambda _: 250, **more: Any) -> Plan:
    """A plan of days of which none is landed, and none too old, unless told otherwise."""
    given_: dict[str, Any] = {"landed_rows": lambda _: None, "first_kept": LONG_AGO, **more}
    return make_plan(requested, given_.pop("scope", SCOPE), given_.pop("rate", RATE), size=size, **given_)


def record_of(plan: Plan, **more: Any) -> PlanRecord:
    """As the ledger would keep it."""
    return replace(PlanRecord("job-1", plan.fingerprint, plan.content, NOW, None, None, None), **more)


#: A plan with some of everything: a day that is too old, one that is landed, one of a site, and a manifest.
PLAN = planned(
    [RowSpec("2025-01-01"), *(RowSpec(f"2026-01-0{day}") for day in (1, 2, 3)), RowSpec("2026-02-01", "WÄSCHE")],
    first_kept=date(2026, 1, 1),
    landed_rows=lambda spec: 5 if spec.day == "2026-01-02" else None,
    missing_only=True,
    manifest=Path("/plans/days.csv"),
)
