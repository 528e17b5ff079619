"""RS-03: 40 days of two sites in two zones, with a DST day, counted again in plain Python from what really happened."""

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sonnys_pipeline.marts.members.movement import membership_movement
from sonnys_pipeline_tests.support.member_world import (
    DAYS,
    DST_DAY,
    FIRST,
    LAST,
    PLANS,
    VOLUNTARY,
    ZONES,
    Truth,
    changes_of,
    readings,
    world,
)
from sonnys_pipeline_tests.support.members import Club, days


def recounted(
    truths: list[Truth], read: list[tuple[date, list[dict[str, Any]]]]
) -> dict[tuple[Any, ...], Counter[str]]:
    """Figures by site, day and plan: statuses as they were, plans as the lists had them."""
    versions: dict[str, dict[date, str]] = {one.id: {} for one in truths}
    for day, listed in read:
        for row in listed:
            versions[row["id"]][day] = row["plan_name"]

    def plan(one: Truth, day: date) -> str:
        seen = [name for at, name in versions[one.id].items() if at <= day]
        return seen[-1] if seen else next(iter(versions[one.id].values()))

    figures: dict[tuple[Any, ...], Counter[str]] = {}
    earliest = FIRST.replace(day=1) - timedelta(days=1)
    for one in truths:
        for day in days(earliest, LAST):
            if one.day(one.signed) > day:
                continue
            cell = figures.setdefault((one.site, day, plan(one, day)), Counter())
            cell["joined"] += one.day(one.signed) == day
            for (_, old), (at, new) in zip(one.statuses, one.statuses[1:], strict=False):
                if one.day(at) == day:
                    cell["left_voluntary"] += old == "Active" and new in VOLUNTARY
                    cell["left_involuntary"] += old == "Active" and new not in VOLUNTARY
                    cell["came_back"] += new == "Active"
            if one.status(one.end(day)) == "Active":
                cell["active"] += 1
                cell["on_trial"] += int(one.id) % 7 == 0
            yesterday = day - timedelta(days=1)
            was_active = one.day(one.signed) <= yesterday and one.status(one.end(yesterday)) == "Active"
            if was_active and plan(one, yesterday) != plan(one, day):
                cell["switched_in"] += 1
                figures.setdefault((one.site, day, plan(one, yesterday)), Counter())["switched_out"] += 1
    return figures


def cents(cell: Counter[str], plan: str) -> Decimal:
    whole = Decimal(str(PLANS[plan])) * cell["active"]
    return (whole / (12 if plan == "Gold Annual" else 1)).quantize(Decimal("0.01"), ROUND_HALF_UP)


@pytest.mark.no_cover
@pytest.mark.parametrize("timezone", ["America/Chicago", "UTC"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_forty_days_recounted(seed: int, timezone: str) -> None:
    """Every figure of every site, plan and day equals the recount; what was landed late or wrong is corrected."""
    truths = world(seed)
    read = readings(truths, timezone)
    changed = changes_of(truths)
    read_at = datetime(2026, 3, 28, 7, tzinfo=ZoneInfo(timezone)).astimezone(UTC)
    landed = days(date(2026, 1, 31), LAST)
    club = Club(read, landed, changed, read_at, ZONES, timezone)
    rows = membership_movement(club.members(), DAYS).table.to_pylist()
    expected = recounted(truths, read)

    seen = {(row["site"], row["business_date"], row["plan"]) for row in rows}
    assert {key for key, cell in expected.items() if key[1] in set(DAYS) and any(cell.values())} <= seen
    for row in rows:
        site, day, plan = key = row["site"], row["business_date"], row["plan"]
        cell = expected.get(key, Counter())
        names = ("joined", "left_voluntary", "left_involuntary", "came_back", "active", "on_trial")
        assert {name: row[name] for name in names} == {name: cell[name] for name in names}, key
        assert (row["switched_in"], row["switched_out"]) == (cell["switched_in"], cell["switched_out"]), key
        assert row["net"] == row["joined"] + row["came_back"] - row["left_voluntary"] - row["left_involuntary"]
        assert row["mrr"] == cents(cell, plan), key
        month = [expected.get((site, one, plan), Counter()) for one in days(day.replace(day=1), day)]
        left = sum(one["left_voluntary"] + one["left_involuntary"] for one in month)
        start = expected.get((site, day.replace(day=1) - timedelta(days=1), plan), Counter())["active"]
        assert (row["left_in_month"], row["active_at_month_start"]) == (left, start), key
        assert row["monthly_churn"] == (pytest.approx(left / start) if start else None)
        assert row["unknown"] is None
        before = expected.get((site, day - timedelta(days=1), plan), Counter())["active"]
        assert row["active"] == before + row["net"] + row["switched_in"] - row["switched_out"]
    assert sum(cell["joined"] for (_, day, _), cell in expected.items() if day == DST_DAY) > 0


def test_a_late_change_corrects_days_before_it() -> None:
    """A cancellation that is landed only when its day is read again: wrong before, equal to the recount afterwards."""
    truths = world(4)
    read = readings(truths, "America/Chicago")
    changed = changes_of(truths)
    read_at = datetime(2026, 3, 28, 12, tzinfo=UTC)
    landed = days(date(2026, 1, 31), LAST)

    def active(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
        club = Club(read, landed, rows, read_at, ZONES, "America/Chicago")
        found = membership_movement(club.members(), DAYS).table.to_pylist()
        return [(row["site"], row["business_date"], row["plan"], row["active"], row["left_voluntary"]) for row in found]

    expected = recounted(truths, read)
    late = [row for row in changed if row["new_status"] == "Cancelled" and row["status_date"].month == 3][:3]
    recount = [(*key, expected[key]["active"], expected[key]["left_voluntary"]) for key in sorted(expected)]
    recount = [row for row in recount if row[1] in set(DAYS)]
    assert [row for row in active([row for row in changed if row not in late]) if any(row[3:])] != [
        row for row in recount if any(row[3:])
    ]
    assert [row for row in active(changed) if any(row[3:])] == [row for row in recount if any(row[3:])]
