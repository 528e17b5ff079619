"""RS-03: 40 days of two sites in two zones, with a DST day, counted again in plain Python from what really happened."""

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from sonnys_pipeline.marts.members.movement import membership_movement
from sonnys_pipeline_tests.support.members import Club, account, change, days

ZONES = {"MAIN": "America/Chicago", "West": "America/Los_Angeles"}
FIRST, LAST = date(2026, 2, 16), date(2026, 3, 27)
DAYS = days(FIRST, LAST)
#: Clocks go forward in it.
DST_DAY = date(2026, 3, 8)
#: The first list was read on this day, and then each morning but these.
READ_FROM, NOT_READ = date(2026, 2, 20), {date(2026, 3, 3), date(2026, 3, 4), date(2026, 3, 15)}
VOLUNTARY = {"Cancelled", "Expired", "Suspended"}
FAILURES = ("Payment Failed", "Payment CC Expired", "Declined", "Payment Retries Exceeded")
PLANS = {"Basic Monthly": 19.99, "Gold Monthly": 34.95, "Gold Annual": 250.0}


@dataclass
class Truth:
    """One account as it really was: its statuses and plans from when on, in UTC."""

    id: str
    site: str
    signed: datetime
    statuses: list[tuple[datetime, str]] = field(default_factory=list)
    plans: list[tuple[datetime, str]] = field(default_factory=list)

    def status(self, at: datetime) -> str | None:
        return next((status for since, status in reversed(self.statuses) if since < at), None)

    def listed(self, at: datetime) -> dict[str, Any]:
        plan = next(name for since, name in reversed(self.plans) if since <= at)
        yearly = plan == "Gold Annual"
        return account(
            self.id,
            billing_site_code=self.site.upper() if int(self.id) % 3 else self.site,
            sign_up_date=self.signed,
            plan_name=plan,
            billing_amount=PLANS[plan],
            status=self.status(at),
            is_on_trial=int(self.id) % 7 == 0,
            last_bill_date=at.date(),
            next_bill_date=at.date() + timedelta(days=365 if yearly else 30),
        )

    def day(self, at: datetime) -> date:
        return at.astimezone(ZoneInfo(ZONES[self.site])).date()

    def end(self, day: date) -> datetime:
        after = day + timedelta(days=1)
        return datetime(after.year, after.month, after.day, tzinfo=ZoneInfo(ZONES[self.site])).astimezone(UTC)


def world(seed: int) -> list[Truth]:
    """90 accounts: failures that are retried, suspensions, returns, cancellations, plans that change."""
    chance = random.Random(seed)
    begin = datetime(2026, 2, 1, tzinfo=UTC)
    found = []
    for number in range(90):
        at = begin + timedelta(minutes=chance.randrange(0, 60 * 24 * 50))
        one = Truth(str(number), chance.choice(sorted(ZONES)), at)
        one.statuses.append((at, "Active"))
        one.plans.append((at, chance.choice(sorted(PLANS))))
        if chance.random() < 0.3:
            one.plans.append((at + timedelta(hours=chance.randrange(30, 700)), chance.choice(sorted(PLANS))))
        while chance.random() < 0.8:
            at += timedelta(minutes=chance.choice((90, 600, 4000, 12000)) + chance.randrange(900))
            status = one.statuses[-1][1]
            if status == "Active":
                new = chance.choice((*FAILURES, *sorted(VOLUNTARY)))
            else:
                new = "Active" if chance.random() < 0.7 else "Cancelled"
            if new != status:
                one.statuses.append((at, new))
        found.append(one)
    # On the day that is 23 hours long at both sites.
    found[0].site, found[0].signed = "MAIN", datetime(2026, 3, 8, 6, 1, tzinfo=UTC)
    found[0].statuses = [(found[0].signed, "Active"), (datetime(2026, 3, 9, 4, 59, tzinfo=UTC), "Cancelled")]
    found[0].plans = [(found[0].signed, "Basic Monthly")]
    return found


def readings(truths: list[Truth], timezone: str) -> list[tuple[date, list[dict[str, Any]]]]:
    """The list as it was at seven each morning."""
    found = []
    for day in days(READ_FROM, LAST + timedelta(days=1)):
        if day not in NOT_READ:
            at = datetime(day.year, day.month, day.day, 7, tzinfo=ZoneInfo(timezone)).astimezone(UTC)
            found.append((day, [one.listed(at) for one in truths if one.signed < at]))
    return found


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


@pytest.mark.parametrize("timezone", ["America/Chicago", "UTC"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_forty_days_recounted(seed: int, timezone: str) -> None:
    """Every figure of every site, plan and day equals the recount; what was landed late or wrong is corrected."""
    truths = world(seed)
    read = readings(truths, timezone)
    changed = [
        change(one.id, at.isoformat(), old, new, one.site)
        for one in truths
        for (_, old), (at, new) in zip(one.statuses, one.statuses[1:], strict=False)
    ]
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
    changed = [
        change(one.id, at.isoformat(), old, new, one.site)
        for one in truths
        for (_, old), (at, new) in zip(one.statuses, one.statuses[1:], strict=False)
    ]
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
