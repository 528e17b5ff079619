"""RS-03, KPIS "Members": cohorts by month of sign-up, counted again in plain Python from what really happened."""

import random
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from sonnys_pipeline.marts.members.cohorts import Charges, membership_cohorts
from sonnys_pipeline.marts.members.columns import MEMBERSHIP_COHORTS
from sonnys_pipeline_tests.support.member_world import LAST, PLANS, ZONES, Truth, changes_of, readings, world
from sonnys_pipeline_tests.support.members import Club, account, all_read_after, change, days

LANDED = days(date(2026, 1, 31), LAST)


def charges(rows: list[tuple[date, str | None, float]], landed: list[date]) -> Charges:
    """Charges by the day of their file."""
    names = {"date": pa.date32(), "account_id": pa.string(), "amount_charged": pa.float64()}
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    return Charges(
        pa.table({name: pa.array(column, kind) for (name, kind), column in zip(names.items(), columns, strict=True)}),
        all_read_after(landed),
    )


def charged(truths: list[Truth], seed: int) -> list[tuple[date, str | None, float]]:
    """Each account every 30 days while it is active; one in ten charges is paid back."""
    chance = random.Random(seed)
    found: list[tuple[date, str | None, float]] = []
    for one in truths:
        at = one.signed
        while one.day(at) <= LAST:
            if one.status(at + timedelta(seconds=1)) == "Active":
                amount = PLANS[one.plans[0][1]]
                found.append((one.day(at), one.id, amount))
                if chance.random() < 0.1 and one.day(at) < LAST:
                    found.append((one.day(at) + timedelta(days=1), one.id, -amount))
            at += timedelta(days=30)
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_cohorts_recounted(seed: int) -> None:
    """Signed up, still active and charged, of each month, site and plan, in each month since."""
    truths = world(seed)
    read = readings(truths, "America/Chicago")
    paid = charged(truths, seed)
    read_at = datetime(2026, 3, 28, 7, tzinfo=ZoneInfo("America/Chicago")).astimezone(UTC)
    club = Club(read, LANDED, changes_of(truths), read_at, ZONES, "America/Chicago")
    made = membership_cohorts(club.members(), charges([*paid, (LAST, "unheard of", 9.0)], LANDED), LAST)

    first_plan: dict[str, str] = {}
    for _, listed in read:
        for row in listed:
            first_plan.setdefault(row["id"], row["plan_name"])
    groups: dict[tuple[Any, ...], list[Truth]] = defaultdict(list)
    for one in truths:
        if one.id in first_plan:
            groups[one.site, one.day(one.signed).replace(day=1), first_plan[one.id]].append(one)
    expected = {}
    ends = [date(2026, 1, 31), date(2026, 2, 28), LAST]
    for (site, cohort, plan), group in groups.items():
        for end in ends:
            there = [one for one in group if one.day(one.signed) <= end]
            if there:
                active = sum(one.status(one.end(end)) == "Active" for one in there)
                ids = {one.id for one in there}
                revenue = sum(
                    (
                        Decimal(str(amount))
                        for day, id_, amount in paid
                        if id_ in ids and end.replace(day=1) <= day <= end
                    ),
                    Decimal(0),
                )
                since = end.month - cohort.month
                expected[site, cohort, plan, since, end] = (len(there), active, active / len(there), revenue)
    found = {
        (row["site"], row["cohort"], row["plan"], row["months_since"], row["as_of"]): (
            row["signed_up"], row["still_active"], row["share"], row["revenue"],
        )
        for row in made.table.to_pylist()
    }  # fmt: skip
    january = {key for key in expected if key[4].month == 1}  # of its charges one day is landed only
    assert {key: row for key, row in found.items() if key not in january} == {
        key: row for key, row in expected.items() if key not in january
    }
    assert {key: row[:3] for key, row in found.items() if key in january} == {key: expected[key][:3] for key in january}
    assert made.charges_without_cohort == 1
    assert made.table.schema == MEMBERSHIP_COHORTS
    assert {row["months_since"] for row in made.table.to_pylist()} >= {0, 1}


def test_what_is_not_landed_is_unknown() -> None:
    """A month whose charges lack a day, and one whose end cannot be walked to: null, with the day that is missing."""
    march = days(date(2026, 3, 1), date(2026, 3, 20))
    lacking = [day for day in march if day.day != 19]
    one, undated = account(1, sign_up_date=datetime(2026, 2, 10, tzinfo=UTC)), account(2, sign_up_date=None)
    club = Club([(date(2026, 3, 20), [one, undated])], lacking, read_at=datetime(2026, 3, 21, 12, tzinfo=UTC))
    made = membership_cohorts(club.members(), charges([(date(2026, 3, 2), "1", 20.0)], lacking), date(2026, 3, 18))
    [row] = made.table.to_pylist()
    assert (row["cohort"], row["months_since"], row["as_of"]) == (date(2026, 2, 1), 1, date(2026, 3, 18))
    assert (row["signed_up"], row["still_active"], row["share"], row["revenue"]) == (1, None, None, Decimal("20.00"))
    assert row["unknown"] == "recurring_status_changes: not landed in full: 2026-03-19 (still_active, share)"
    assert made.undated_accounts == 1
    [row] = membership_cohorts(club.members(), charges([], lacking), date(2026, 3, 20)).table.to_pylist()
    assert (row["still_active"], row["revenue"]) == (1, None)
    assert row["unknown"] == "recurring_billings: not landed in full: 2026-03-19 (revenue)"


def test_an_account_stays_in_its_cohort() -> None:
    """Another plan later, or no account any more: counted where it signed up."""
    signed = datetime(2026, 2, 10, 18, tzinfo=UTC)
    club = Club(
        [
            (date(2026, 2, 11), [account(1, sign_up_date=signed), account(2, sign_up_date=signed)]),
            (date(2026, 3, 11), [account(1, sign_up_date=signed, plan_name="Gold Monthly")]),
        ],
        days(date(2026, 2, 1), date(2026, 3, 11)),
        [
            change(1, "2026-02-20T18:00:00Z", "Active", "Declined"),
            change(1, "2026-03-02T18:00:00Z", "Declined", "Active"),
        ],
        read_at=datetime(2026, 3, 12, 12, tzinfo=UTC),
    )
    rows = membership_cohorts(club.members(), charges([], []), date(2026, 3, 11)).table.to_pylist()
    assert [(row["plan"], row["months_since"], row["signed_up"], row["still_active"]) for row in rows] == [
        ("Basic Monthly", 0, 2, 1), ("Basic Monthly", 1, 2, 1),
    ]  # fmt: skip


def test_nothing_landed_is_no_cohort() -> None:
    """Without a landed day, or without accounts, there are no rows."""
    club = Club([(date(2026, 3, 10), [account(1)])], [])
    assert membership_cohorts(club.members(), charges([], []), LAST).table.num_rows == 0
    assert membership_cohorts(Club([], LANDED).members(), charges([], []), LAST).table.num_rows == 0
