"""The simulated chain: plan sales, recurring payments, redemptions and upgrades are those of the listed accounts."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest

from sonnys_pipeline.client.lists.fields import STATUSES
from sonnys_pipeline.simulator.profile import Api
from sonnys_pipeline.simulator.world.accounts.life import Membership
from sonnys_pipeline.simulator.world.catalog import PLANS
from sonnys_pipeline.simulator.world.chain import World
from sonnys_pipeline.simulator.world.memberships import Memberships
from sonnys_pipeline.simulator.world.row_parts import Row

#: With a clock change.
START, DAYS = datetime(2026, 2, 20, tzinfo=UTC), 35
END = START + timedelta(days=DAYS, milliseconds=-1)
SEEDS = pytest.mark.parametrize("seed", [7, 12])


def _listed(memberships: Memberships, world: World, start: datetime, end: datetime) -> Sequence[Membership]:
    return memberships.signed_up(frozenset(book.site.code for book in world.books), start, end)


def _details(memberships: Memberships, world: World) -> list[Row]:
    """All accounts that can have a charge in the days, as the API shows them at their end."""
    return [memberships.detail(one, END) for one in _listed(memberships, world, START - timedelta(days=410), END)]


def _at(row: Row) -> str:
    return row["completeDate"][:19]


@pytest.mark.no_cover
@SEEDS
def test_every_plan_sale_is_a_sign_up_and_every_sign_up_has_its_sale(seed: int) -> None:
    """By customer, site, plan and second, on 35 days of three sites."""
    world = World(seed=seed)
    memberships = Memberships(seed, world.books, live=True)
    sales = Counter(
        (row["customerId"], row["locationCode"], row["items"][0]["name"], _at(row))
        for row in world.rows(START, END)
        if row["isRecurringSale"]
    )
    sign_ups = Counter(
        (row["customerId"], row["billingSiteCode"], row["name"], row["signUpDate"].replace(" ", "T"))
        for row in (memberships.listed(one, END) for one in _listed(memberships, world, START, END))
    )
    assert sales == sign_ups
    assert sales.total() > 300


@pytest.mark.no_cover
@SEEDS
def test_every_charge_is_a_transaction_of_the_same_second_and_amount(seed: int) -> None:
    """The first one of an account is its plan sale, the others are recurring payments; tax is included."""
    world = World(seed=seed)
    paid = Counter(
        (row["customerId"], row["locationCode"], _at(row), row["total"])
        for row in world.rows(START, END)
        if row["isRecurringPayment"] or row["isRecurringSale"]
    )
    charges = Counter(
        (account["customer"]["id"], account["billingSiteCode"], charge["date"][:19], charge["amountCharged"])
        for account in _details(Memberships(seed, world.books, live=True), world)
        for charge in account["recurringBillings"]
        if charge["date"][:19] >= START.isoformat()[:19]
    )
    assert paid == charges
    assert paid.total() > 2000
    for account in _details(Memberships(seed, world.books, live=True), world):
        assert {charge["amountCharged"] for charge in account["recurringBillings"]} == {account["billingAmount"]}


@pytest.mark.parametrize("rows_per_day", [60, 500])
def test_with_fewer_rows_than_accounts_every_row_still_has_its_account(rows_per_day: int) -> None:
    """Of a chain whose number of rows is fixed."""
    world = World(seed=11, rows_per_day=rows_per_day)
    memberships = Memberships(11, world.books, live=True)
    rows = world.rows(START, END)
    sales = {(row["customerId"], _at(row)) for row in rows if row["isRecurringSale"]}
    listed = _listed(memberships, world, START, END)
    assert sales
    assert sales <= {(one.customer_id, one.signed_up.isoformat()[:19]) for one in listed}
    payments = {(row["customerId"], _at(row), row["total"]) for row in rows if row["isRecurringPayment"]}
    charges = {
        (account["customer"]["id"], charge["date"][:19], charge["amountCharged"])
        for account in _details(memberships, world)
        for charge in account["recurringBillings"]
    }
    assert payments
    assert payments <= charges


def test_sign_ups_and_charges_of_closed_days_move_to_the_next_open_one() -> None:
    """A week without rows at one site; the week after has those of both."""
    closed = [date(2026, 3, 2) + timedelta(days=more) for more in range(7)]
    world, without = World(seed=7, closed={"MAIN": closed}), World(seed=7)

    def sold(chain: World, first: int, last: int) -> int:
        days = [date(2026, 3, day) for day in range(first, last + 1)]
        return sum(row["isRecurringSale"] for day in days for row in chain.day("MAIN", day))

    assert sold(world, 2, 8) == 0
    assert sold(world, 9, 9) == sold(without, 2, 9) > sold(without, 9, 9)


@pytest.mark.parametrize("api", ["live", "documented"])
def test_members_who_wash_have_an_active_account(api: Api) -> None:
    """Three days of two sites, one of them with a row of every kind; plan and wash are those of the account."""
    world = World(seed=11, sites=2, api=api)
    memberships = Memberships(11, world.books, live=api == "live")
    washes = {plan.name: plan.wash.name for plan in PLANS}
    seen = 0
    for site in world.sites[:2]:
        for day in (date(2026, 3, 7), date(2026, 3, 8), date(2026, 11, 1)):
            noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
            accounts = defaultdict(list)
            for one in memberships.signed_up(frozenset({site.code}), noon - timedelta(days=400), noon):
                accounts[one.customer_id].append(one)
            for row in world.day(site.code, day):
                # Upgrades are found by their item: rows of the documented profile may lack flags.
                kinds = [row["isRecurringRedemption"], row["items"][0]["name"] == "Plan Upgrade"]
                if not any(kinds) or "customerId" not in row:
                    continue
                at = datetime.fromisoformat(row["completeDate"]).astimezone(UTC)
                (account,) = (one for one in accounts[row["customerId"]] if one.status(at) == "Active")
                if row["isRecurringRedemption"]:
                    assert row["items"][0]["name"] == washes[account.plan.name]
                seen += 1
    assert seen > 500


def test_what_a_day_takes_does_not_depend_on_who_is_a_member() -> None:
    """Members are exchanged for others with the same plan, so amounts stay."""
    world = World(seed=11, sites=2)
    rows = world.day("MAIN", date(2026, 3, 7))
    redeemed = [row for row in rows if row["isRecurringRedemption"]]
    assert {row["total"] for row in redeemed} <= {plan.wash.price / 100 for plan in PLANS}
    assert len({row["customerId"] for row in redeemed}) > len(redeemed) * 0.7


@SEEDS
def test_charges_fail_and_are_retried_and_members_come_back(seed: int) -> None:
    """Statuses as the client spells them; nothing is charged between a failure and the retry that succeeds."""
    world = World(seed=seed, sites=1)
    memberships = Memberships(seed, world.books, live=True)
    changes = memberships.changed(frozenset({"MAIN"}), START - timedelta(days=180), END)
    moves = Counter((change.old, change.new) for _, change in changes)
    assert {status for move in moves for status in move} <= set(STATUSES)
    for failed in ("Payment Failed", "Payment CC Expired"):
        assert moves["Active", failed] > moves[failed, "Active"] > 10
        assert moves[failed, "Payment Retries Exceeded"] > 0
        assert moves[failed, "Declined"] > 0
    assert moves["Active", "Suspended"] > 10
    assert moves["Suspended", "Active"] > 10
    assert moves["Active", "Cancelled"] > moves["Cancelled", "Active"] > 5
    assert moves["Active", "Expired"] > 5

    for account in _listed(memberships, world, START - timedelta(days=400), END):
        charged = set(account.bills(datetime.max.replace(tzinfo=UTC)))
        signed_up, *later = account.changes
        assert account.signed_up < signed_up.at
        for change, following in zip(account.changes, later, strict=False):
            assert change.at < following.at
            assert change.new == following.old
            if change.new != "Active":
                assert not [at for at in charged if change.at <= at < following.at]
            if following.new == "Active":
                assert following.at in charged


def test_the_next_bill_date_of_a_failed_charge_is_that_of_its_retry() -> None:
    world = World(seed=7, sites=1)
    memberships = Memberships(7, world.books, live=True)
    failed = [
        (account, change)
        for account, change in memberships.changed(frozenset({"MAIN"}), START, END)
        if change.new == "Payment Failed"
    ]
    assert failed
    for account, change in failed:
        due = date.fromisoformat(memberships.detail(account, change.at)["nextBillDate"])
        assert timedelta(days=3) <= due - change.at.date() <= timedelta(days=4)
        before = memberships.detail(account, change.at - timedelta(days=1))
        assert before["nextBillDate"] == change.at.date().isoformat()


def test_a_member_who_came_back_has_no_cancel_date() -> None:
    world = World(seed=7, sites=1)
    memberships = Memberships(7, world.books, live=True)
    back = [
        (account, account.changes[place - 1], change)
        for account in _listed(memberships, world, START - timedelta(days=300), START)
        for place, change in enumerate(account.changes)
        if (change.old, change.new) == ("Cancelled", "Active")
    ]
    assert back
    for account, left, change in back:
        between = memberships.listed(account, change.at - timedelta(seconds=1))
        assert between["cancelDate"] == f"{left.at:%Y-%m-%d %H:%M:%S}"
        assert memberships.listed(account, change.at)["cancelDate"] is None


def test_sizes_of_a_chain() -> None:
    """As many accounts as members in each 400 days, whatever else the chain has."""
    world = World(seed=7, sites=2, accounts_per_site=40)
    memberships = Memberships(7, world.books, live=True)
    opened = [
        len(_listed(memberships, world, START - timedelta(days=400 * back), START - timedelta(days=400 * (back - 1))))
        for back in (1, 2)
    ]
    assert opened == pytest.approx([80, 80], abs=3)
    assert {row["customerId"] for row in world.rows(START, END) if row["isRecurringRedemption"]} <= {
        f"{member}:{site}" for member in range(1, 41) for site in (1, 2)
    }
