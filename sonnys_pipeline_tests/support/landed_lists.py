"""The lists of a simulated chain, landed: clock entries, gift cards, washbooks, accounts, their changes and charges.

What makes them hard to count is in them: shifts that are open, over midnight, or without a rate or hours; days that are
not landed; accounts without an amount, a plan or billing dates; a status that nobody knows.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.dimensions.history import VALIDITY, with_reading
from sonnys_pipeline.marts.people.liability import CARD_INPUT, WASHBOOK_INPUT
from sonnys_pipeline.simulator.world.accounts.life import Membership
from sonnys_pipeline.simulator.world.accounts.prepaid import PrepaidItem
from sonnys_pipeline.simulator.world.chain import World
from sonnys_pipeline.simulator.world.memberships import Memberships
from sonnys_pipeline.simulator.world.prepaid import Prepaid
from sonnys_pipeline.simulator.world.staff import Staff
from sonnys_pipeline_tests.support.clock_entries import file_of
from sonnys_pipeline_tests.support.members import Club, account, change

#: How long before the first day accounts and prepaid items are from.
_BEFORE = timedelta(days=45)
_DAY = timedelta(days=1)


def land_lists(lake: Lake, world: World, days: Sequence[date]) -> None:
    """All lists of these days; `sites` has nothing but codes and zones afterwards."""
    _club(world, days).land(lake)
    _land_clock_entries(lake, world, days)
    _land_prepaid(lake, world, days)


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


def _zones(world: World) -> dict[str, str]:
    return {site.code: site.timezone for site in world.sites if site.code and site.timezone}


def _land_clock_entries(lake: Lake, world: World, days: Sequence[date]) -> None:
    staff = Staff(world.seed, [site for site in world.sites if site.code and site.timezone], live=False)
    for number, day in enumerate(days):
        read_at = _noon(day + _DAY) - timedelta(hours=0 if number % 5 else 8)
        entries = [
            {**one, "employeeId": str(worker.employee_id)}
            for worker in staff.employees
            for week in staff.weeks(worker, day, day, read_at)
            for one in week["clockEntries"]
        ]
        for position, one in enumerate(entries):
            if (number + position) % 4 == 0:
                one |= {"regularHours": None, "overtimeHours": None}  # by the clock
            if (number + position) % 13 == 0 or number == 8:
                one["regularRate"] = None
            one["siteCode"] = {17: f" {one['siteCode'].lower()}", 18: None}.get(
                (number + position) % 19, one["siteCode"]
            )
        if number != 12:
            metadata = {"read_at": read_at.isoformat()}
            lake.land("clock_entries", file_of(entries, read_at), partition=day.isoformat(), metadata=metadata)


def _land_prepaid(lake: Lake, world: World, days: Sequence[date]) -> None:
    prepaid = Prepaid(world.prepaid_books, live=True)
    codes, since = frozenset(_zones(world)), _noon(days[0]) - _BEFORE

    def card(item: PrepaidItem, at: datetime) -> dict[str, Any]:
        row = prepaid.giftcard(item, at)
        value = None if item.chance % 50 == 3 else row["value"]
        sold = row["completeDate"] and item.at
        return {"id": item.reference, "site_code": row["siteCode"], "complete_date": sold, "value": value,
                "amount_used": row["amountUsed"]}  # fmt: skip

    def book(item: PrepaidItem, at: datetime) -> dict[str, Any]:
        row = prepaid.listed_washbook(item, at)
        balance = None if item.chance % 50 == 3 else float(row["balance"]) + 0.00005 * (item.chance % 2)
        site = "none" if item.chance % 40 == 7 else str(row["billingSiteId"])
        return {"id": item.reference, "billing_site_id": site, "balance": balance}

    for asset, listed, row, columns in (
        ("giftcards", prepaid.giftcards, card, CARD_INPUT),
        ("washbooks", prepaid.washbooks, book, WASHBOOK_INPUT),
    ):
        schema = pa.schema([("id", pa.string()), *(field for field in columns if not field.name.startswith("valid_"))])
        history = pa.schema([*schema, *VALIDITY]).empty_table()
        read = days[3 : -3 if asset == "washbooks" else None : 6]
        for day in read:
            rows = [row(item, _noon(day)) for item in listed(codes, since, _noon(day))]
            table = pa.Table.from_pylist(rows, schema)
            history = with_reading(history, table, ("id",), day, accept_shorter=True)
        lake.land(asset, history, metadata={"read_at": _noon(read[-1]).isoformat()})


def _club(world: World, days: Sequence[date]) -> Club:
    memberships = Memberships(world.seed, world.books, live=False)
    zones, since, until = _zones(world), _noon(days[0]) - _BEFORE, _noon(days[-1] + 2 * _DAY)
    codes = frozenset(zones)
    landed = [days[0] - _BEFORE + shift * _DAY for shift in range((days[-1] - days[0]).days + _BEFORE.days + 1)]

    def day_of(one: Membership, at: datetime) -> date:
        return at.astimezone(ZoneInfo(zones[one.site.code])).date()

    def listed(one: Membership, at: datetime) -> dict[str, Any]:
        row = memberships.detail(one, at)
        fields = {
            "billing_site_code": one.site.code.lower() if one.sequence % 3 == 0 else one.site.code,
            "sign_up_date": None if one.sequence % 41 == 0 else one.signed_up,
            "plan_name": {0: None, 1: "Gold 12-Month", 2: "Gold"}.get(one.sequence % 17, row["planName"]),
            "billing_amount": None if one.sequence % 23 == 0 else row["billingAmount"],
            "status": one.status(at),
            "is_on_trial": one.sequence % 7 == 0,
            "last_bill_date": None if one.sequence % 17 < 3 else date.fromisoformat(row["lastBillDate"]),
            "next_bill_date": date.fromisoformat(row["nextBillDate"])
            + timedelta(days=335 if one.sequence % 5 == 0 else 0),
        }
        return account(one.id, **fields)

    members = memberships.signed_up(codes, since, until)
    # Those of every 29th sequence are listed late.
    readings = [
        (
            day,
            [
                listed(one, _noon(day))
                for one in members
                if one.signed_up <= _noon(day) - timedelta(days=20 if one.sequence % 29 == 0 else 0)
            ],
        )
        for day in (*days[2::7], days[-1] + 2 * _DAY)
    ]
    known = {one.id for one in members}
    changes = [found for found in memberships.changed(codes, since, until) if found[0].id in known]
    return Club(
        readings,
        [day for day in landed if day != days[25]],
        [
            change(one.id, found.at.isoformat(), found.old, "Frozen" if number % 31 == 5 else found.new, one.site.code)
            for number, (one, found) in enumerate(changes)
        ],
        _noon(days[-1] + 2 * _DAY),
        zones,
        "America/Chicago",
        [(day_of(one, at), one.id, one.charged / 100) for one in members for at in one.bills(until)],
    )
