"""Members as they really were: 90 accounts at two sites in two zones, over 40 days with a DST day."""

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sonnys_pipeline_tests.support.members import account, change, days

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


def changes_of(truths: list[Truth]) -> list[dict[str, Any]]:
    """Every change of status, as the API lists it."""
    return [
        change(one.id, at.isoformat(), old, new, one.site)
        for one in truths
        for (_, old), (at, new) in zip(one.statuses, one.statuses[1:], strict=False)
    ]
