"""RS-02: clock entries, changes of status, offers and charges by local day, read again until they are right."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from sonnys_pipeline.client import NotFoundError, SonnysClient
from sonnys_pipeline.client.lists.people import Employees
from sonnys_pipeline.client.rate_limit.limiter import RequestBudget, RequestRate
from sonnys_pipeline.client.transport import HttpTransport
from sonnys_pipeline.extract.lists.kept import READINGS
from sonnys_pipeline.extract.lists.policy import ListPolicy
from sonnys_pipeline.extract.pages.pii import Policy, Privacy
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, NotLandedError, OtherSourceError, RowsWouldVanishError
from sonnys_pipeline.landing.dimensions.read import ListSource, read_and_land
from sonnys_pipeline.landing.dimensions.tables import ACCOUNTS
from sonnys_pipeline.landing.facts.billings import land_billings
from sonnys_pipeline.landing.facts.land import DaySource, DaysRefusedError
from sonnys_pipeline.landing.facts.read import DaysRead, read_and_land_days
from sonnys_pipeline.landing.facts.tables import CLOCK_ENTRIES, READ_FACTS, SALES_OUTCOMES, STATUS_CHANGES, Fact
from sonnys_pipeline.landing.sites.history import land_sites
from sonnys_pipeline.landing.transactions import Source
from sonnys_pipeline.simulator import Simulator

KEY = b"0123456789abcdef0123456789abcdef"
#: Clocks go forward on the second of these days in Chicago.
DAYS = [date(2026, 3, 7), date(2026, 3, 8), date(2026, 3, 9)]


@dataclass
class Chain:
    """A simulated operator in several zones, whose daily lists are read into a lake."""

    simulator: Simulator
    client: SonnysClient
    lake: Lake
    policy: ListPolicy = field(default_factory=lambda: ListPolicy(Privacy()))

    @property
    def now(self) -> datetime:
        return self.simulator.state.clock.now()

    @property
    def source(self) -> ListSource:
        codes = [site.code for site in self.simulator.world.sites if site.code]
        return ListSource(self.client, lambda: codes, Source("digest"), "America/Chicago", self.policy)

    def read(self, fact: Fact, days: list[date] | None = None, **options: Any) -> DaysRead:
        return read_and_land_days(self.lake, fact, self.source, days or DAYS, self.now, **options)

    def rows(self, fact: Fact, days: list[date] | None = None) -> list[dict[str, Any]]:
        return self.lake.read(fact.asset, [day.isoformat() for day in days or DAYS]).to_pylist()


@pytest.fixture
def chain(start_simulator: Callable[..., Simulator], tmp_path: Path) -> Iterator[Chain]:
    simulator = start_simulator(sites=4, rate_limit=100_000, accounts_per_site=400)
    config = simulator.config
    budget = RequestBudget(f"days {tmp_path}", RequestRate(100_000, 15.0))
    with SonnysClient(config.api_id, config.api_key, base_url=simulator.base_url, budget=budget) as client:
        lake = Lake(str(tmp_path / "data"))
        land_sites(lake, client.sites.list(), simulator.state.clock.now(), narrowed=False)
        yield Chain(simulator, client, lake)


def listed(chain: Chain, fact: Fact) -> list[dict[str, Any]]:
    """All rows of more days than are landed, by the client alone."""
    first, last = DAYS[0] - timedelta(days=3), DAYS[-1] + timedelta(days=3)
    if fact is CLOCK_ENTRIES:
        numbers = [one.employee_id for one in chain.client.employees.list()]
        entries = chain.client.employees.clock_entries
        return [one.model_dump() for number in numbers for one in entries(number, start=first, end=last)]
    if fact is SALES_OUTCOMES:
        return [one.model_dump() for one in chain.client.sales_outcomes.list(start=first, end=last)]
    start, end = (datetime(one.year, one.month, one.day, tzinfo=UTC) for one in (first, last))
    changes = chain.client.recurring_accounts.status_changes(start=start, end=end)
    return [one.model_dump() for one in changes]


def _text(day: date, row: dict[str, Any]) -> str:
    """A row without the columns that landing adds; instants in one form."""
    kept = {name: value for name, value in row.items() if name not in {"date", "read_at", "extra"}}
    return str((day, *(value.timestamp() if isinstance(value, datetime) else value for value in kept.values())))


@pytest.mark.parametrize("fact", READ_FACTS, ids=lambda one: one.asset)
def test_each_row_is_in_the_local_day_of_its_site_and_in_no_other(chain: Chain, fact: Fact) -> None:
    """Three zones, and the day on which clocks go forward."""
    read = chain.read(fact)
    assert sorted(read.days) == DAYS
    zones = {site.code.casefold(): site.timezone for site in chain.simulator.world.sites if site.code}
    numbers = {str(site.site_id): site.code for site in chain.simulator.world.sites}
    assert len({zone for zone in zones.values() if zone}) > 1
    expected: Counter[str] = Counter()
    for row in listed(chain, fact):
        code = numbers.get(row[fact.site], row[fact.site]) or ""
        zone = ZoneInfo(zones.get(code.casefold()) or "America/Chicago")
        if (day := row[fact.moment].astimezone(zone).date()) in DAYS:
            expected[_text(day, row)] += 1
    landed = Counter(_text(row["date"], row) for row in chain.rows(fact))
    assert landed == expected
    assert len(expected) > 20
    again = chain.read(fact)
    assert {(one.added, one.changed, one.gone) for one in again.days.values()} == {(0, 0, 0)}


def test_a_fortnight_of_clock_entries_costs_a_request_for_each_employee(chain: Chain) -> None:
    """So the days before are read again at no further cost."""
    employees = len(chain.client.employees.list())
    fortnight = [DAYS[0] - timedelta(days=offset) for offset in range(12)]
    assert chain.read(CLOCK_ENTRIES, fortnight).requests == 1 + employees
    assert chain.read(CLOCK_ENTRIES, DAYS[:1]).requests == 1 + employees


def test_what_a_killed_reading_has_landed_or_heard_is_not_asked_again(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after each few requests; a fortnight that is landed stays."""

    class Killed(BaseException):
        pass

    send, left, asked = HttpTransport.send, [0], list[str]()

    def send_or_die(self: HttpTransport, method: str, path: str, params: Any) -> Any:
        if left[0] == 0:
            raise Killed
        left[0] -= 1
        asked.append(f"{path} {sorted((params or {}).items())}")
        return send(self, method, path, params)

    days = [DAYS[0] - timedelta(days=offset) for offset in range(15)]
    monkeypatch.setattr(HttpTransport, "send", send_or_die)
    lives, done = 0, None
    while done is None:
        lives, left[0] = lives + 1, 5
        try:
            done = chain.read(CLOCK_ENTRIES, days)
        except Killed:
            chain.simulator.advance(60)
    assert lives > 3
    assert len(asked) == len(set(asked))
    assert len(chain.lake.partitions("clock_entries")) == 15
    assert chain.lake.storage.below(chain.lake.root / READINGS) == []


@pytest.mark.parametrize("files", [0, 1, 2])
def test_a_reading_that_is_killed_between_two_days_ends_the_same(
    chain: Chain, files: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many files; the next run lands all of them by the answers that are kept, and asks for nothing."""
    land, left = Lake.land, [files]

    def land_or_die(self: Lake, *arguments: Any, **options: Any) -> Any:
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        return land(self, *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Lake, "land", land_or_die)
        with pytest.raises(KeyboardInterrupt):
            chain.read(SALES_OUTCOMES)
    assert len(chain.lake.partitions("sales_outcomes")) == files
    chain.simulator.advance(60)
    read = chain.read(SALES_OUTCOMES)
    assert read.requests == 0
    assert [one.added > 0 for one in read.days.values()] == [number >= files for number in range(3)]
    rows = chain.rows(SALES_OUTCOMES)
    assert len({row["read_at"] for row in rows}) == 1
    chain.read(SALES_OUTCOMES)
    again = chain.rows(SALES_OUTCOMES)
    assert [_text(row["date"], row) for row in again] == [_text(row["date"], row) for row in rows]


def test_a_correction_replaces_the_day(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock-out that is entered later, an employee whom the API no longer knows, and one without entries now."""
    chain.read(CLOCK_ENTRIES)
    entries = Employees.clock_entries
    before = chain.rows(CLOCK_ENTRIES)
    gone, deleted, *others = sorted({row["employee_id"] for row in before})
    corrected = next(row for row in before if row["employee_id"] in others)

    def changed(self: Employees, employee_id: str, **span: Any) -> Any:
        if employee_id in {gone, deleted}:
            raise NotFoundError(404, "EntityNotFoundError", ())
        found = entries(self, employee_id, **span)
        return [
            one.model_copy(update={"clock_out": one.clock_in + timedelta(hours=3), "was_modified": True})
            if (one.employee_id, one.clock_in) == (corrected["employee_id"], corrected["clock_in"])
            else one
            for one in found
        ]

    listed = chain.client.employees.list()
    monkeypatch.setattr(Employees, "list", lambda _: [one for one in listed if one.employee_id != gone])
    monkeypatch.setattr(Employees, "clock_entries", changed)
    chain.simulator.advance(3600)
    read = chain.read(CLOCK_ENTRIES)
    assert {day: (one.added, one.changed, one.gone) for day, one in read.days.items()} == {
        day: (
            0,
            int(day == corrected["date"]),
            sum(row["employee_id"] == deleted and row["date"] == day for row in before),
        )
        for day in DAYS
    }
    after = chain.rows(CLOCK_ENTRIES)
    assert deleted not in {row["employee_id"] for row in after}
    assert [row["employee_id"] for row in after].count(gone) == [row["employee_id"] for row in before].count(gone)


def test_a_day_that_loses_all_rows_is_refused_until_it_is_accepted(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stays, and holds up no other day."""
    chain.read(CLOCK_ENTRIES, DAYS[:1])
    before, entries = chain.rows(CLOCK_ENTRIES, DAYS[:1]), Employees.clock_entries

    def lost(self: Employees, employee_id: str, **span: Any) -> Any:
        return [one for one in entries(self, employee_id, **span) if one.clock_in.date() > DAYS[0]]

    monkeypatch.setattr(Employees, "clock_entries", lost)
    with pytest.raises(RowsWouldVanishError, match=r"clock_entries 2026-03-07: .* accept_empty") as refused:
        chain.read(CLOCK_ENTRIES)
    assert isinstance(refused.value, DaysRefusedError)
    assert (sorted(refused.value.landed), sorted(refused.value.refused)) == (DAYS[1:], DAYS[:1])
    assert chain.rows(CLOCK_ENTRIES, DAYS[:1]) == before
    assert chain.rows(CLOCK_ENTRIES, DAYS[1:])
    chain.read(CLOCK_ENTRIES, accept_empty=True)
    assert chain.rows(CLOCK_ENTRIES, DAYS[:1]) == []


def test_a_shift_that_is_moved_before_the_days_that_are_read_is_told(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is gone from its day, and the day before is not read again; so the reading names that day."""
    chain.read(CLOCK_ENTRIES)
    moved = next(row for row in chain.rows(CLOCK_ENTRIES) if row["date"] == DAYS[1])
    entries = Employees.clock_entries

    def corrected(self: Employees, employee_id: str, **span: Any) -> Any:
        return [
            one.model_copy(update={"clock_in": one.clock_in - timedelta(days=1)})
            if (one.employee_id, one.clock_in) == (moved["employee_id"], moved["clock_in"])
            else one
            for one in entries(self, employee_id, **span)
        ]

    assert chain.read(CLOCK_ENTRIES, DAYS[1:]).outdated == {}
    monkeypatch.setattr(Employees, "clock_entries", corrected)
    read = chain.read(CLOCK_ENTRIES, DAYS[1:])
    assert (read.days[DAYS[1]].gone, read.outdated) == (1, {DAYS[0]: 1})
    assert chain.read(CLOCK_ENTRIES, DAYS[:1]).days[DAYS[0]].added == 1
    assert chain.read(CLOCK_ENTRIES, DAYS[1:]).outdated == {}


def test_a_day_that_is_not_over_is_refused(chain: Chain) -> None:
    """Not over in the account's zone; nothing is asked."""
    asked = chain.simulator.stats().requests
    today = chain.now.astimezone(ZoneInfo("America/Chicago")).date()
    with pytest.raises(LakeError, match=f"clock_entries {today}: that day is not over yet in America/Chicago"):
        chain.read(CLOCK_ENTRIES, [today - timedelta(days=1), today])
    assert chain.simulator.stats().requests == asked
    assert chain.lake.partitions("clock_entries") == []


@pytest.mark.parametrize("fact", READ_FACTS, ids=lambda one: one.asset)
def test_a_reading_that_was_killed_before_midnight_lacks_no_row_of_the_day(
    chain: Chain, fact: Fact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers of before midnight do not have the rest of the day, so they are asked for again."""
    zone = ZoneInfo("America/Chicago")
    today = chain.now.astimezone(zone).date()
    noon = datetime.combine(today + timedelta(days=1), time(12), zone)
    chain.simulator.advance((noon - chain.now).total_seconds())
    last = noon.date()
    send, left = HttpTransport.send, [3]

    def send_or_die(self: HttpTransport, *arguments: Any) -> Any:
        if left[0] == 0:
            raise KeyboardInterrupt
        left[0] -= 1
        return send(self, *arguments)

    def die(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    earlier = [last - timedelta(days=1)]
    with monkeypatch.context() as patch:
        patch.setattr(HttpTransport, "send", send_or_die)
        patch.setattr(Lake, "land", die)
        with pytest.raises(KeyboardInterrupt):
            chain.read(fact, earlier)
    assert chain.lake.storage.below(chain.lake.root / READINGS)
    midnight = datetime.combine(last + timedelta(days=1), time(0, 5), zone)
    chain.simulator.advance((midnight - chain.now).total_seconds())
    begun = chain.now
    chain.read(fact, [*earlier, last])
    assert min(row["read_at"] for row in chain.rows(fact, [last])) >= begun


def test_pay_and_names_are_dropped_from_landed_days_too(chain: Chain) -> None:
    """A stricter policy reaches the days that were landed before; a looser one brings nothing back."""
    chain.read(CLOCK_ENTRIES)
    chain.read(STATUS_CHANGES)
    names = {row["employee_name"] for row in chain.rows(STATUS_CHANGES)}
    assert {row["regular_rate"] for row in chain.rows(CLOCK_ENTRIES)} != {None}
    chain.policy = ListPolicy(Privacy(Policy.DROP), keeps_pay=False)
    assert chain.read(CLOCK_ENTRIES, DAYS[-1:]).cleaned == 3
    assert chain.read(STATUS_CHANGES, DAYS[-1:]).cleaned == 3
    assert {row["regular_rate"] for row in chain.rows(CLOCK_ENTRIES)} == {None}
    assert min(row["regular_hours"] + row["overtime_hours"] for row in chain.rows(CLOCK_ENTRIES)) > 0
    assert {row["employee_name"] for row in chain.rows(STATUS_CHANGES)} == {None}
    content = b"".join(path.read_bytes() for path in Path(str(chain.lake.root)).rglob("*") if path.is_file())
    assert not [name for name in names if len(name) > 5 and name.encode() in content]
    chain.policy = ListPolicy(Privacy(Policy.HASH, KEY))
    with pytest.raises(OtherSourceError, match="dropped"):
        chain.read(STATUS_CHANGES)


def test_days_of_another_account_stay(chain: Chain) -> None:
    chain.read(SALES_OUTCOMES)
    other = ListSource(chain.client, list, Source("another"), "America/Chicago", chain.policy)
    with pytest.raises(OtherSourceError, match="SONNYS_DATA_URL"):
        read_and_land_days(chain.lake, SALES_OUTCOMES, other, DAYS, chain.now)


def test_rows_without_an_instant_are_counted(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are in no day, and not lost without a word."""
    accounts = type(chain.client.recurring_accounts)
    changes = accounts.status_changes

    def undated(self: Any, **span: Any) -> Any:
        first, *others = changes(self, **span)
        return [first.model_copy(update={"status_date": None}), *others]

    monkeypatch.setattr(accounts, "status_changes", undated)
    assert chain.read(STATUS_CHANGES).undated == 1


def test_charges_are_those_of_the_newest_reading(chain: Chain) -> None:
    """No request; a day that had not ended when the memberships were read is refused."""
    with pytest.raises(NotLandedError, match="recurring_accounts"):
        land_billings(chain.lake, DaySource(Source("digest"), "America/Chicago", chain.policy), DAYS)
    read_and_land(chain.lake, ACCOUNTS, chain.source, chain.now)
    of = DaySource(Source("digest"), "America/Chicago", chain.policy)
    land_billings(chain.lake, of, DAYS)
    zones = {site.code: site.timezone for site in chain.simulator.world.sites}
    current: pa.Table = chain.lake.read("recurring_accounts")
    expected = Counter(
        (row["id"], charge["date"], charge["amount_charged"])
        for row in current.to_pylist()
        for charge in row["recurring_billings"]
        if charge["date"].astimezone(ZoneInfo(zones[row["billing_site_code"]])).date() in DAYS
    )
    rows = chain.lake.read("recurring_billings", [day.isoformat() for day in DAYS]).to_pylist()
    assert Counter((row["account_id"], row["charged_at"], row["amount_charged"]) for row in rows) == expected
    assert len(expected) > 20
    with pytest.raises(NotLandedError, match="before that day had ended"):
        land_billings(chain.lake, of, [chain.now.date()])
