"""RS-02: customers, employees, memberships, prepaid accounts and gift cards as histories, day after day."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sonnys_pipeline.client import SonnysClient
from sonnys_pipeline.client.lists.spans import SIX_MONTHS
from sonnys_pipeline.client.rate_limit.limiter import RequestBudget, RequestRate
from sonnys_pipeline.client.transport import HttpTransport
from sonnys_pipeline.extract.lists.kept import READINGS
from sonnys_pipeline.extract.lists.policy import ListPolicy
from sonnys_pipeline.extract.pages.pii import Policy, Privacy
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import OtherSourceError, UnwritableLakeError
from sonnys_pipeline.landing.dimensions import read as reading
from sonnys_pipeline.landing.dimensions.history import as_of
from sonnys_pipeline.landing.dimensions.read import ListRead, ListSource, read_and_land
from sonnys_pipeline.landing.dimensions.tables import (
    ACCOUNTS,
    CUSTOMERS,
    EMPLOYEES,
    GIFT_CARDS,
    WASHBOOKS,
    Dimension,
)
from sonnys_pipeline.landing.forgotten import add_forgotten, read_forgotten
from sonnys_pipeline.landing.transactions import Source
from sonnys_pipeline.simulator import Simulator

KEY = b"0123456789abcdef0123456789abcdef"
LISTS = (CUSTOMERS, EMPLOYEES, ACCOUNTS, WASHBOOKS, GIFT_CARDS)
#: Several pages of each list, not hundreds: with 1500 members and customers, they are most of these tests' time.
CHAIN = {"sites": 1, "rate_limit": 100_000, "accounts_per_site": 250, "customers_per_site": 500}


@dataclass
class Chain:
    """A simulated operator whose lists are read into a lake."""

    simulator: Simulator
    client: SonnysClient
    lake: Lake
    policy: ListPolicy = field(default_factory=lambda: ListPolicy(Privacy()))

    @property
    def now(self) -> datetime:
        return self.simulator.state.clock.now()

    def read(self, dimension: Dimension, **options: Any) -> ListRead:
        sites = [site.code for site in self.simulator.world.sites if site.code]
        of = ListSource(self.client, lambda: sites, Source("digest"), "UTC", self.policy)
        return read_and_land(self.lake, dimension, of, self.now, **options)

    def listed(self, dimension: Dimension) -> dict[str, dict[str, Any]]:
        """What the API lists now, by key, with fewer columns than are landed."""
        span = {"start": self.now - SIX_MONTHS, "end": self.now}
        if dimension is CUSTOMERS:
            return {one.customer_id: one.model_dump() for one in self.client.customers.list()}
        if dimension is EMPLOYEES:
            return {one.employee_id: one.model_dump() for one in self.client.employees.list()}
        if dimension is WASHBOOKS:
            return {one.id: one.model_dump() for one in self.client.washbooks.list(**span)}
        if dimension is GIFT_CARDS:
            return {one.giftcard_id: one.model_dump() for one in self.client.giftcards.list(**span)}
        accounts = self.client.recurring_accounts
        return {
            one.id: {
                "status": one.current_recurring_status_name,
                "plan_name": one.plan_name,
                "billing_amount": one.billing_amount,
                "tags": [tag.model_dump() for tag in one.tags],
                "is_suspended": one.is_suspended,
            }
            for one in accounts.details(**span)
        }

    def next_day(self, days: int = 1) -> None:
        self.simulator.advance(86_400 * days)

    @property
    def unfinished(self) -> list[str]:
        return self.lake.storage.below(self.lake.root / READINGS)


@pytest.fixture
def chain(start_simulator: Callable[..., Simulator], tmp_path: Path) -> Iterator[Chain]:
    yield from _chain(start_simulator(**CHAIN), tmp_path)


def _chain(simulator: Simulator, folder: Path) -> Iterator[Chain]:
    config = simulator.config
    budget = RequestBudget(f"lists {folder}", RequestRate(100_000, 15.0))
    with SonnysClient(config.api_id, config.api_key, base_url=simulator.base_url, budget=budget) as client:
        yield Chain(simulator, client, Lake(str(folder / "data")))


def by_key(rows: list[dict[str, Any]], dimension: Dimension) -> dict[str, dict[str, Any]]:
    return {row[dimension.key[0]]: row for row in rows}


@pytest.mark.parametrize("dimension", LISTS, ids=lambda one: one.asset)
def test_each_past_day_is_what_the_api_listed_then(chain: Chain, dimension: Dimension) -> None:
    """As of a day of a reading: that reading; a row begins only where something changed."""
    truth: dict[date, dict[str, dict[str, Any]]] = {}
    for days in (1, 1, 3, 7):
        landed = chain.read(dimension).landed
        truth[chain.now.date()] = chain.listed(dimension)
        assert landed.table.schema.names == dimension.schema.names
        chain.next_day(days)
    history = chain.lake.read(dimension.asset)
    for day, listed in truth.items():
        rows = by_key(as_of(history, day).to_pylist(), dimension)
        assert listed.keys() <= rows.keys()
        for key, row in listed.items():
            seen = {name: rows[key][name] for name in row if name not in dimension.as_last_read}
            assert seen == {name: value for name, value in row.items() if name in seen}, (day, key)
        # Nothing that a list has ever had is lost: what is no longer listed is carried.
        assert not {key for earlier in truth for key in truth[earlier] if earlier < day} - rows.keys()
    keys = history.select([*dimension.key, "valid_from"]).to_pylist()
    assert len({tuple(row.values()) for row in keys}) == len(keys)
    columns = [name for name in dimension.listed.names if name not in dimension.as_last_read]
    for key, versions in _versions(history.to_pylist(), dimension).items():
        for one, next_one in pairwise(versions):
            is_same = {name: one[name] for name in columns} == {name: next_one[name] for name in columns}
            assert not (is_same and one["valid_to"] == next_one["valid_from"]), key


def _versions(rows: list[dict[str, Any]], dimension: Dimension) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        found.setdefault(row[dimension.key[0]], []).append(row)
    return found


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("dimension", LISTS, ids=lambda one: one.asset)
def test_a_killed_reading_asks_no_page_again(
    chain: Chain, dimension: Dimension, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after each few requests: nothing twice, nothing missing, each page asked once (RS-02)."""
    monkeypatch.setattr(reading, "MOST_DETAILS", 12)
    send = HttpTransport.send
    asked: list[str] = []
    left, lock = [0], threading.Lock()

    def send_or_die(self: HttpTransport, method: str, path: str, params: Any) -> Any:
        with lock:
            if left[0] == 0:
                raise Killed
            left[0] -= 1
            asked.append(f"{path} {sorted((params or {}).items())}")
        return send(self, method, path, params)

    monkeypatch.setattr(HttpTransport, "send", send_or_die)
    lives, begun, done = 0, chain.now, None
    while done is None:
        lives, left[0] = lives + 1, 6 if dimension is ACCOUNTS else 2
        try:
            done = chain.read(dimension)
        except Killed:
            assert not chain.lake.has(dimension.asset)
            chain.simulator.advance(60)
    assert lives > 1
    refused = [one for one in asked if asked.count(one) > 1]
    # A refusal is no answer: whether older spans are listed may be asked once in each life.
    assert all("/list" in one or "liablilty" in one for one in refused)
    assert len(refused) <= 2 * lives
    assert done.read_at - begun < timedelta(seconds=1)
    assert chain.unfinished == []
    monkeypatch.setattr(HttpTransport, "send", send)
    rows = by_key(chain.lake.read(dimension.asset).to_pylist(), dimension)
    assert len(rows) == chain.lake.rows(dimension.asset)
    assert chain.listed(dimension).keys() - rows.keys() <= _of_the_meantime(chain, dimension)


def _of_the_meantime(chain: Chain, dimension: Dimension) -> set[str]:
    """Entities that are newer than the reading's beginning."""
    moment = {CUSTOMERS: "created_date", WASHBOOKS: "sign_up_date", GIFT_CARDS: "complete_date"}.get(dimension)
    listed = chain.listed(dimension)
    if moment is None:
        return set()
    hour = chain.now - timedelta(hours=6)
    return {key for key, row in listed.items() if row[moment] is None or row[moment] >= hour}


def test_older_memberships_are_read_by_number_a_few_at_a_time(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list hides what is older than six months; the status list names those that have not ended."""
    monkeypatch.setattr(reading, "MOST_DETAILS", 10)
    first = chain.read(ACCOUNTS)
    assert first.unread > 0
    chain.next_day()
    second = chain.read(ACCOUNTS)
    assert second.unread < first.unread
    everything = chain.read(ACCOUNTS, every_detail=True)
    assert everything.unread == 0
    rows = by_key(as_of(chain.lake.read("recurring_accounts"), chain.now.date()).to_pylist(), ACCOUNTS)
    six_months = chain.now - SIX_MONTHS
    older = [row for row in rows.values() if row["sign_up_date"] < six_months]
    assert len(older) > 20
    assert all(row["status"] == chain.client.recurring_accounts.get(row["id"]).current_recurring_status_name
               for row in older[:20])  # fmt: skip


def test_where_older_lists_are_answered_all_are_read(start_simulator: Callable[..., Simulator], tmp_path: Path) -> None:
    """Contract, [?]: the product finds out by itself, and then asks for no detail."""
    simulator = start_simulator(**CHAIN, old_accounts_listed=True)
    for chain in _chain(simulator, tmp_path):
        read = chain.read(ACCOUNTS)
        assert read.unread == 0
        rows = chain.lake.read("recurring_accounts").to_pylist()
        assert min(row["sign_up_date"] for row in rows) < chain.now - 4 * SIX_MONTHS
        assert len({row["id"] for row in rows}) == len(rows)


def test_details_of_customers_are_read_of_those_who_changed(chain: Chain) -> None:
    """The first reading of many customers does not ask for each; a later one asks for the new ones."""
    first = chain.read(CUSTOMERS)
    assert first.requests == -(-first.landed.current // 100)
    assert set(chain.lake.read("customers")["detail_read_at"].to_pylist()) == {None}
    chain.next_day(12)
    second = chain.read(CUSTOMERS)
    assert second.landed.begun > 0
    rows = as_of(chain.lake.read("customers"), chain.now.date()).to_pylist()
    told = {row["customer_id"] for row in rows if row["detail_read_at"] is not None}
    assert second.requests == -(-second.landed.current // 100) + len(told)
    assert 0 < len(told) <= second.landed.begun
    one = next(row for row in rows if row["customer_id"] in told)
    detail = chain.client.customers.get(one["customer_id"])
    assert (one["email"], one["birth_date"]) == (detail.email, detail.birth_date)
    assert one["city"] == (detail.address.city if detail.address else None)


def test_a_history_is_brought_under_a_stricter_policy_and_never_back(chain: Chain) -> None:
    """Old versions, too; the number of a customer is the same hash as in transactions."""
    chain.read(CUSTOMERS)
    names = {row["last_name"] for row in chain.lake.read("customers").to_pylist() if row["last_name"]}
    hashed = Privacy(Policy.HASH, KEY)
    chain.policy = ListPolicy(hashed)
    numbers = set(chain.lake.read("customers")["customer_id"].to_pylist())
    chain.next_day()
    landed = chain.read(CUSTOMERS).landed
    assert not names & set(landed.table["last_name"].to_pylist())
    assert {hashed.apply_to_text(number) for number in numbers} <= set(landed.table["customer_id"].to_pylist())
    assert landed.begun < 5  # the same customers
    chain.policy = ListPolicy(Privacy())
    with pytest.raises(OtherSourceError, match="cannot be reversed"):
        chain.read(CUSTOMERS)
    chain.policy = ListPolicy(Privacy(Policy.DROP))
    read = chain.read(CUSTOMERS)
    assert (read.requests, read.landed.table.num_rows) == (0, 0)


def test_a_forgotten_customer_is_not_landed_again(chain: Chain) -> None:
    """RS-04: a reading that had begun before lands nothing, and the next one leaves the customer out."""
    chain.read(CUSTOMERS)
    forgotten = add_forgotten(chain.lake, "7:1")
    with pytest.raises(UnwritableLakeError, match="forgotten after this process had begun"):
        chain.read(CUSTOMERS)
    assert read_forgotten(chain.lake) == forgotten
    chain.policy = ListPolicy(Privacy(forgotten=forgotten))
    chain.read(CUSTOMERS)
    current = as_of(chain.lake.read("customers"), chain.now.date())
    assert "7:1" not in current["customer_id"].to_pylist()
    assert "8:1" in current["customer_id"].to_pylist()
