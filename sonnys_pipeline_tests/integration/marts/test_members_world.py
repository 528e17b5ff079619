"""RS-03: members of the simulated API: read each morning, counted from what is landed, compared at each midnight."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sonnys_pipeline.client import NotFoundError, SonnysClient
from sonnys_pipeline.client.lists.spans import SIX_MONTHS
from sonnys_pipeline.client.rate_limit.limiter import RequestBudget, RequestRate
from sonnys_pipeline.extract.lists.policy import ListPolicy
from sonnys_pipeline.extract.pages.pii import Privacy
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.dimensions.read import ListSource, read_and_land
from sonnys_pipeline.landing.dimensions.tables import ACCOUNTS
from sonnys_pipeline.landing.facts.billings import land_billings
from sonnys_pipeline.landing.facts.land import DaySource
from sonnys_pipeline.landing.facts.read import read_and_land_days
from sonnys_pipeline.landing.facts.tables import STATUS_CHANGES
from sonnys_pipeline.landing.sites.history import land_sites
from sonnys_pipeline.landing.transactions import Source
from sonnys_pipeline.marts.members.cohorts import membership_cohorts
from sonnys_pipeline.marts.members.landed import LandedMembers
from sonnys_pipeline.marts.members.movement import membership_movement
from sonnys_pipeline.simulator import Simulator

CHICAGO = "America/Chicago"
ZONE = ZoneInfo(CHICAGO)
DAY = timedelta(days=1)
DAYS = 5
#: Hundreds of accounts: each day the API is asked for every one of them.
CLUB: dict[str, Any] = {"sites": 1, "accounts_per_site": 600, "rate_limit": 100_000}


class Club:
    """One site, its lists read into a lake by a clock that a test moves."""

    def __init__(self, simulator: Simulator, client: SonnysClient, lake: Lake) -> None:
        self.simulator, self.client, self.lake = simulator, client, lake
        codes = [site.code for site in simulator.world.sites if site.code]
        self.source = ListSource(client, lambda: codes, Source("digest"), CHICAGO, ListPolicy(Privacy()))

    @property
    def now(self) -> datetime:
        return self.simulator.state.clock.now().astimezone(ZONE)

    def wait_until(self, day: date, at: time) -> None:
        self.simulator.advance((datetime.combine(day, at, ZONE) - self.now).total_seconds())

    def active(self, later: set[str]) -> Counter[str]:
        """Active members by plan, account by account, as the API has them now; also of those that are found later."""
        accounts = self.client.recurring_accounts
        known = set(self.lake.read("recurring_accounts")["id"].to_pylist())
        listed = {one.id for one in accounts.list(start=self.now - SIX_MONTHS, end=self.now)}
        found: Counter[str] = Counter()
        for one in known | listed | later:
            with suppress(NotFoundError):  # not signed up yet
                account = accounts.get(one)
                found[account.plan_name or ""] += account.current_recurring_status_name == "Active"
        return +found


@contextmanager
def client_of(simulator: Simulator, name: str) -> Iterator[SonnysClient]:
    config, budget = simulator.config, RequestBudget(name, RequestRate(100_000, 15.0))
    with SonnysClient(config.api_id, config.api_key, base_url=simulator.base_url, budget=budget) as client:
        yield client


def changing(simulator: Simulator, name: str) -> set[str]:
    """Accounts that change on the days of the test, from a twin of the simulator that is ahead."""
    with client_of(simulator, name) as client:
        now = simulator.state.clock.now()
        simulator.advance(8 * 86_400)
        end = datetime.combine(now.astimezone(ZONE).date() + (DAYS + 1) * DAY, time(0), ZONE)
        found = client.recurring_accounts.status_changes(start=now, end=end)
    return {one.washbook_account_id for one in found}


def test_active_members_of_each_day_are_those_of_the_api(
    start_simulator: Callable[..., Simulator], tmp_path: Path
) -> None:
    """Five days: the end of each, also of those before the first reading that are landed; the sums add up."""
    later = changing(start_simulator(**CLUB), f"twin {tmp_path}")
    simulator = start_simulator(**CLUB)
    with client_of(simulator, f"members {tmp_path}") as client:
        club = Club(simulator, client, Lake(str(tmp_path / "data")))
        land_sites(club.lake, client.sites.list(), club.now, narrowed=False)
        first = club.now.date() + DAY
        days = [first + shift * DAY for shift in range(DAYS)]
        truth: dict[date, Counter[str]] = {}
        for day in days:
            club.wait_until(day, time(7))
            read_and_land(club.lake, ACCOUNTS, club.source, club.now)
            club.wait_until(day + DAY, time(0))
            truth[day] = club.active(later)
        club.wait_until(days[-1] + DAY, time(7))
        read_and_land(club.lake, ACCOUNTS, club.source, club.now)
        before = [first - back * DAY for back in range(40, 0, -1)]
        read_and_land_days(club.lake, STATUS_CHANGES, club.source, [*before, *days], club.now)
        of = DaySource(club.source.source, CHICAGO, club.source.policy)
        land_billings(club.lake, of, [*before, *days])

        landed = LandedMembers(club.lake, CHICAGO)
        keys = [day.isoformat() for day in (before[-1], *days)]
        assert landed.due(keys) == keys
        rows = membership_movement(landed.members(keys), [date.fromisoformat(key) for key in keys]).table.to_pylist()
        active = {key: Counter[str | None]() for key in keys}
        for row in rows:
            active[row["business_date"].isoformat()][row["plan"]] = row["active"]
        assert sum(truth[first].values()) > 20
        for day in days:
            counted = active[day.isoformat()]
            # Old accounts that are first seen when they leave have no plan.
            without_plan = counted.pop(None, 0)
            assert sum((truth[day] - counted).values()) == without_plan, day
            assert not counted - truth[day], day
            counted[None] = without_plan
        for earlier, later in pairwise(keys):
            moved = sum(row["net"] for row in rows if row["business_date"].isoformat() == later)
            assert sum(active[later].values()) == sum(active[earlier].values()) + moved
        assert sum(row["joined"] + row["left_voluntary"] + row["left_involuntary"] for row in rows) > 0
        assert all("not landed" not in (row["unknown"] or "") for row in rows)

        cohorts = membership_cohorts(landed.all_members(), landed.charges(), days[-1]).table.to_pylist()
        last = [row for row in cohorts if row["as_of"] == days[-1]]
        assert sum(row["still_active"] for row in last) == sum(truth[days[-1]].values()) - active[keys[-1]][None]
        month = [key for key in landed.charges().landed if key >= days[-1].replace(day=1)]
        charged = club.lake.read("recurring_billings", sorted(key.isoformat() for key in month))["amount_charged"]
        assert sum((row["revenue"] for row in last), Decimal(0)) == sum(
            (Decimal(str(amount)) for amount in charged.to_pylist()), Decimal(0)
        )
