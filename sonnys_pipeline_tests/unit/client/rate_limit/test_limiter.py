"""BM-07, LJ-11: the request budget: never more than the rate in any span, shared, private, cooled by a 429.

Time is the store's own: tests set the clock that departures are written down with, and look at what was written down.
All stores are asked the same, the servers' ones against real servers.
"""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonnys_pipeline.client import RequestBudget, RequestRate
from sonnys_pipeline.client.rate_limit import local as budget_local
from sonnys_pipeline.client.rate_limit import postgres as budget_postgres
from sonnys_pipeline.client.rate_limit import redis as budget_redis
from sonnys_pipeline.client.rate_limit import store as budget_stores

STORES = [
    "memory",
    "sqlite",
    pytest.param("postgres", marks=pytest.mark.postgres),
    pytest.param("redis", marks=pytest.mark.redis),
]


class Timeline:
    """A clock in milliseconds that moves when somebody sleeps; and the departures that were written down on it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.departures: list[int] = []
        self.lock = threading.RLock()
        self._monkeypatch = monkeypatch
        self._elapsed = self._now = 1_790_000_000_000
        self.now = self._now

    @property
    def now(self) -> int:
        return self._now

    @now.setter
    def now(self, value: int) -> None:
        self._elapsed += value - self._now
        self._now = value
        for module in (budget_stores, budget_local):
            self._monkeypatch.setattr(module, "elapsed_ms", lambda: self._elapsed)
        self._monkeypatch.setattr(budget_postgres, "CLOCK", f"{value}::bigint")
        self._monkeypatch.setattr(budget_redis, "CLOCK", f"local now = {value}")

    def step(self, milliseconds: int) -> None:
        """Set the servers' clocks forward; no time passes, neither there nor here."""
        self._elapsed -= milliseconds
        self.now += milliseconds

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.now += max(round(seconds * 1000), 1)

    def most_in_any(self, milliseconds: int) -> int:
        """The most departures in any half-open span of that length."""
        times = sorted(self.departures)
        return max(
            sum(first <= other < first + milliseconds for other in times[place:]) for place, first in enumerate(times)
        )


@pytest.fixture
def timeline(monkeypatch: pytest.MonkeyPatch) -> Timeline:
    timeline = Timeline(monkeypatch)
    for kind in (budget_local.LogStore, budget_postgres.PostgresStore, budget_redis.RedisStore):
        monkeypatch.setattr(kind, "acquire", written_down(timeline, kind.acquire))
    return timeline


def written_down(timeline: Timeline, acquire: Callable[[Any], int]) -> Callable[[Any], int]:
    """`acquire`, with its departure on the timeline; the clock stands still meanwhile."""

    def acquired(store: Any) -> int:
        with timeline.lock:
            wait = acquire(store)
            if wait == 0:
                timeline.departures.append(timeline.now)
            return wait

    return acquired


@pytest.fixture
def open_budget(
    tmp_path: Path, timeline: Timeline, request: pytest.FixtureRequest
) -> Iterator[Callable[..., RequestBudget]]:
    """Opens budgets on one store; each opening is another sharer."""
    opened: list[RequestBudget] = []

    def open_one(store: str, rate: str = "20/15", api_id: str = "id-1") -> RequestBudget:
        if store in {"postgres", "redis"}:
            url = request.getfixturevalue(f"{store}_url")
        else:
            url = "memory://" if store == "memory" else f"sqlite:///{tmp_path / 'state' / 'budget.sqlite'}"
        # A clock that stands: no answer is late here, however loaded the machine is.
        budget = RequestBudget(api_id, RequestRate.parse(rate), url, sleep=timeline.sleep, clock=lambda: 0.0)
        opened.append(budget)
        return budget

    budget_local._memory.clear()
    yield open_one
    budget_local._memory.clear()
    for budget in opened:
        budget.close()


@pytest.mark.parametrize("store", STORES)
def test_a_block_of_requests_goes_at_once(open_budget: Callable[..., RequestBudget], store: str) -> None:
    """No idle budget: the first 20 wait for nothing, the 21st waits for a whole block and its margin."""
    budget = open_budget(store)
    assert [budget.try_acquire() for _ in range(20)] == [0.0] * 20
    assert 15.0 < budget.try_acquire() <= 15.36


@pytest.mark.parametrize("store", STORES)
def test_waiting_is_told(open_budget: Callable[..., RequestBudget], timeline: Timeline, store: str) -> None:
    """`acquire` returns the seconds waited, and waits no longer than it must."""
    budget = open_budget(store, "2/1")
    started = timeline.now
    assert [budget.acquire(), budget.acquire()] == [0.0, 0.0]
    waited = budget.acquire()
    assert waited == pytest.approx((timeline.now - started) / 1000)
    assert 1.0 < waited <= 1.08


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    requests=st.integers(1, 25),
    seconds=st.floats(0.05, 20),
    gaps=st.lists(st.integers(0, 4000), min_size=1, max_size=60),
)
def test_never_more_than_the_rate_in_any_span(
    open_budget: Callable[..., RequestBudget], timeline: Timeline, requests: int, seconds: float, gaps: list[int]
) -> None:
    """However requests bunch up or spread out: no span of `seconds` has more than `requests` departures."""
    timeline.departures.clear()
    budget_local._memory.clear()
    budget = open_budget("memory", f"{requests}/{seconds}")
    for gap in gaps:
        timeline.now += gap
        budget.acquire()
    assert len(timeline.departures) == len(gaps)
    assert timeline.most_in_any(round(seconds * 1000)) <= requests


@pytest.mark.parametrize("store", STORES)
def test_threads_and_sharers_keep_one_rate(
    open_budget: Callable[..., RequestBudget], timeline: Timeline, store: str
) -> None:
    """Three threads on each of two budget objects: together they keep the rate that one of them may have."""
    sharers = [open_budget(store, "7/1.5"), open_budget(store, "7/1.5")]
    threads = [
        threading.Thread(target=lambda sharer=sharer: [sharer.acquire() for _ in range(10)])
        for sharer in sharers
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(timeline.departures) == 60
    assert timeline.most_in_any(1500) <= 7


@pytest.mark.parametrize("store", STORES)
def test_api_ids_have_budgets_of_their_own(open_budget: Callable[..., RequestBudget], store: str) -> None:
    """An operator's databases do not slow each other down, on one store either (contract, "Reaching it")."""
    one, other = open_budget(store, "1/15", "id-1"), open_budget(store, "1/15", "id-2")
    assert one.try_acquire() == 0.0
    assert one.try_acquire() > 0
    assert other.try_acquire() == 0.0


@pytest.mark.parametrize("store", STORES)
def test_one_429_holds_everybody(open_budget: Callable[..., RequestBudget], timeline: Timeline, store: str) -> None:
    """A 429 seen by one sharer: none gets a permit for a block from then on, although the log has room; then all do."""
    seen_by, other = open_budget(store), open_budget(store)
    assert other.try_acquire() == 0.0
    seen_by.cool_down()
    timeline.now += 5_000
    for sharer in (seen_by, other):
        assert sharer.try_acquire() == pytest.approx(10.35)
    timeline.now += 10_349
    assert other.try_acquire() == pytest.approx(0.001)
    timeline.now += 1
    assert [seen_by.try_acquire(), other.try_acquire()] == [0.0, 0.0]


@pytest.mark.parametrize("store", STORES)
def test_each_429_counts_from_itself(open_budget: Callable[..., RequestBudget], timeline: Timeline, store: str) -> None:
    """A second 429 lengthens the pause: it is counted from the last one."""
    budget = open_budget(store)
    budget.cool_down()
    timeline.now += 10_000
    budget.cool_down()
    timeline.now += 10_000
    assert budget.try_acquire() == pytest.approx(5.35)


@pytest.mark.parametrize("store", STORES)
def test_another_api_ids_429_is_its_own(open_budget: Callable[..., RequestBudget], store: str) -> None:
    """Budgets of different ids cool down apart, in one store too."""
    open_budget(store, api_id="id-1").cool_down()
    assert open_budget(store, api_id="id-2").try_acquire() == 0.0


@pytest.mark.parametrize("store", STORES)
def test_places_taken_are_counted(open_budget: Callable[..., RequestBudget], timeline: Timeline, store: str) -> None:
    """By all sharers, in the block that ends now; a 429 is no permit."""
    sharers = [open_budget(store, "5/15"), open_budget(store, "5/15")]
    assert sharers[0].permits_in_use() == 0
    for sharer in sharers:
        sharer.acquire()
        timeline.now += 5_000
    sharers[0].cool_down()
    assert [sharer.permits_in_use() for sharer in sharers] == [2, 2]
    timeline.now += 5_351
    assert [sharer.permits_in_use() for sharer in sharers] == [1, 1]


@pytest.mark.parametrize("store", STORES[1:])
def test_the_store_outlives_its_users(open_budget: Callable[..., RequestBudget], store: str) -> None:
    """What a process spent counts for the next one, also after the first has ended."""
    with open_budget(store, "2/15") as first:
        assert [first.try_acquire(), first.try_acquire()] == [0.0, 0.0]
    assert open_budget(store, "2/15").try_acquire() > 14


def entries(budget: RequestBudget) -> int:
    """All that a store holds of an account, however old."""
    store: Any = budget._store
    if isinstance(store, budget_local.LogStore):
        return int(store.departures.bucket.count())
    if isinstance(store, budget_redis.RedisStore):
        return int(store._client.zcard(store._keys[0]))
    return int(store._ask("SELECT count(*) FROM sonnys_request_budget")[0])


@pytest.mark.parametrize("store", STORES)
def test_the_log_does_not_grow(open_budget: Callable[..., RequestBudget], store: str) -> None:
    """Departures older than a block are forgotten as new ones are written."""
    budget = open_budget(store, "5/1")
    for _ in range(60):
        budget.acquire()
    assert 5 <= entries(budget) <= 10


def test_the_api_id_is_not_in_the_file(open_budget: Callable[..., RequestBudget], tmp_path: Path) -> None:
    """Only a digest of it names the tables."""
    budget = open_budget("sqlite", api_id="verysecretid")
    budget.acquire()
    budget.cool_down()
    files = [path for path in (tmp_path / "state").iterdir() if path.is_file()]
    assert any(b"departures_" in path.read_bytes() for path in files)
    assert not any(b"verysecretid" in path.read_bytes() for path in files)


def test_the_margin_is_for_the_way(open_budget: Callable[..., RequestBudget]) -> None:
    """The server counts arrivals, we count departures: 20/15 is kept over 15.35 s."""
    assert RequestRate().arrival_margin == pytest.approx(0.35)
    store: Any = open_budget("memory")._store
    assert store._terms.block_ms == 15_350


@pytest.mark.parametrize(
    "url", ["mysql://user:hunter2@host/db", "memcached://host", "budget.sqlite", "", "sqlite://", "sqlite:///",
            "sqlite://host/path", "file:///tmp/x", "no_scheme://user:hunter2@host"]
)  # fmt: skip
def test_other_stores_are_refused(url: str) -> None:
    """Refused by name, with the forms that are known, and without quoting a password."""
    with pytest.raises(ValueError, match=r"SONNYS_BUDGET_URL: .* is not a budget store") as caught:
        RequestBudget("id", RequestRate(), url)
    assert "memory://" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "requests", "seconds"), [("20/15", 20, 15.0), ("5/0.25", 5, 0.25), (" 8 / 15 ", 8, 15.0), ("1/1e1", 1, 10)]
)
def test_a_rate_is_read(text: str, requests: int, seconds: float) -> None:
    """`requests/seconds`; what is written out reads back the same."""
    rate = RequestRate.parse(text)
    assert (rate.requests, rate.seconds) == (requests, seconds)
    assert RequestRate.parse(str(rate)) == rate


@pytest.mark.parametrize("text", ["", "20", "20/", "/15", "0/15", "-1/15", "20/0", "20/-1", "20/nan", "20/inf", "a/b",
                                  "2.5/15", "20/15/3"])  # fmt: skip
def test_a_bad_rate_is_refused(text: str) -> None:
    """The message shows the text and the form."""
    with pytest.raises(ValueError, match="write requests/seconds, such as 20/15") as caught:
        RequestRate.parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("last", ["departure", "429"])
@pytest.mark.parametrize("back", [1_000, 14_000, 3_600_000])
def test_a_clock_set_back_stalls_nobody(
    open_budget: Callable[..., RequestBudget], timeline: Timeline, store: str, last: str, back: int
) -> None:
    """However far it was set back: every sharer waits for one block from then on, together, and then all go on."""
    sharers = [open_budget(store, "2/15"), open_budget(store, "2/15")]
    for sharer in sharers:
        assert sharer.try_acquire() == 0.0
    if last == "429":
        sharers[0].cool_down()
    timeline.now -= back
    for sharer in sharers:
        assert sharer.try_acquire() == pytest.approx(15.35)
    timeline.now += 5_350
    assert [sharer.try_acquire() for sharer in sharers] == [pytest.approx(10.0)] * 2
    timeline.now += 10_000
    assert [sharer.try_acquire() for sharer in sharers] == [0.0, 0.0]


@pytest.mark.parametrize("store", STORES)
def test_a_small_step_back_costs_no_block(
    open_budget: Callable[..., RequestBudget], timeline: Timeline, store: str
) -> None:
    """A clock that is trimmed by less than the margin: what there is room for goes at once."""
    budget = open_budget(store, "2/15")
    assert budget.try_acquire() == 0.0
    timeline.now -= 300
    assert budget.try_acquire() == 0.0
    assert 15.0 < budget.try_acquire() <= 15.7


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("forward", [16_000, 3_600_000])
def test_a_clock_set_forward_gives_no_second_block(
    open_budget: Callable[..., RequestBudget], timeline: Timeline, store: str, forward: int
) -> None:
    """The API's block is not over because a clock says so: nobody sends until it is."""
    sharers = [open_budget(store, "2/15"), open_budget(store, "2/15")]
    for sharer in sharers:
        assert sharer.try_acquire() == 0.0
    timeline.step(forward)
    assert all(sharer.try_acquire() > 15 for sharer in sharers)
    timeline.now += 15_000
    assert all(0 < sharer.try_acquire() < 0.36 for sharer in sharers)
    timeline.now += 360
    assert [sharer.try_acquire() for sharer in sharers] == [0.0, 0.0]


@pytest.mark.parametrize("store", STORES)
def test_a_clock_that_runs_a_little_fast_was_not_set(
    open_budget: Callable[..., RequestBudget], timeline: Timeline, store: str
) -> None:
    """A second in half an hour: what there is room for goes at once."""
    budget = open_budget(store, "2/15")
    assert budget.try_acquire() == 0.0
    timeline.now += 1_800_000
    timeline.step(1_000)
    assert budget.try_acquire() == 0.0


@pytest.mark.parametrize("store", ["memory", "sqlite"])
def test_no_wall_clock_is_asked_on_one_machine(
    open_budget: Callable[..., RequestBudget], monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    """An hour forward on this machine's clock changes nothing: a permit that is in use stays so for its block."""
    budget = open_budget(store, "1/15")
    assert budget.try_acquire() == 0.0
    real = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: real() + 3_600_000_000_000)
    monkeypatch.setattr("pyrate_limiter.buckets.sqlite_bucket.time_ns", lambda: real() + 3_600_000_000_000)
    assert budget.try_acquire() > 14
