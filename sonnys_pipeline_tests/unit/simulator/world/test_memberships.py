"""The simulated chain: who redeems, upgrades or is charged has an active account with that plan."""

from datetime import UTC, date, datetime, timedelta

import pytest

from sonnys_pipeline.simulator.profile import Api
from sonnys_pipeline.simulator.world.catalog import PLANS
from sonnys_pipeline.simulator.world.chain import World
from sonnys_pipeline.simulator.world.memberships import Membership, Memberships


def _active(memberships: Memberships, code: str, at: datetime) -> dict[str, Membership]:
    """Accounts that are active at an instant, by customer, found by the list of sign-ups alone."""
    listed = memberships.signed_up(frozenset({code}), at - timedelta(days=400), at)
    return {one.customer_id: one for one in listed if one.status(at) == "Active"}


@pytest.mark.parametrize("api", ["live", "documented"])
def test_members_who_wash_have_an_active_account(api: Api) -> None:
    """Three days of two sites, one of them with a row of every kind; plan and wash are those of the account."""
    world = World(seed=11, sites=2, api=api)
    memberships = Memberships(11, [one for one in world.sites if one.timezone], live=api == "live")
    washes = {plan.name: plan.wash.name for plan in PLANS}
    seen = 0
    for site in world.sites[:2]:
        for day in (date(2026, 3, 7), date(2026, 3, 8), date(2026, 11, 1)):
            for row in world.day(site.code, day):
                if not (row["isRecurringRedemption"] or row["isRecurringPayment"]) or "customerId" not in row:
                    continue
                at = datetime.fromisoformat(row["completeDate"]).astimezone(UTC)
                account = _active(memberships, site.code, at)[row["customerId"]]
                sold = row["items"][0]["name"]
                assert sold == (washes[account.plan.name] if row["isRecurringRedemption"] else account.plan.name)
                seen += 1
    assert seen > 500


def test_what_a_day_takes_does_not_depend_on_who_is_a_member() -> None:
    """Members are exchanged for others with the same plan, so amounts stay."""
    world = World(seed=11, sites=2)
    rows = world.day("MAIN", date(2026, 3, 7))
    redeemed = [row for row in rows if row["isRecurringRedemption"]]
    assert {row["total"] for row in redeemed} <= {plan.wash.price / 100 for plan in PLANS}
    assert len({row["customerId"] for row in redeemed}) > len(redeemed) * 0.7
