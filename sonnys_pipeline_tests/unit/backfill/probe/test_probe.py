"""BM-10: days and list requests under the search: local days, midnights, failures, and the budget of requests."""

import calendar
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonnys_pipeline.backfill.probe.probe import History, probe_history
from sonnys_pipeline.backfill.probe.search import Outcome
from sonnys_pipeline.calendar.windows import first_kept_day, last_complete_day
from sonnys_pipeline.client import APIError, AuthError, RateLimitError, ServerError, ValidationError

NOW = datetime(2026, 3, 20, 12, tzinfo=UTC)
DAY = timedelta(days=1)
#: Where the clocks went forward twelve days ago and back four months ago.
CHICAGO = "America/Chicago"


def months_before(moment: datetime, months: int) -> datetime:
    """The same instant of an earlier month, or that month's last day."""
    index = moment.year * 12 + moment.month - 1 - months
    year, month = index // 12, index % 12 + 1
    return moment.replace(year=year, month=month, day=min(moment.day, calendar.monthrange(year, month)[1]))


@dataclass
class ListApi:
    """The client's face as far as a probe knows it, over rows at given instants; keeps the contract's limits."""

    instants: list[datetime]
    now: datetime = NOW
    fails: Callable[[int], APIError | None] = lambda _: None
    max_retries: int = 5
    requests: int = 0
    places: int = 0
    cool_downs: int = 0
    budget: SimpleNamespace = field(init=False)

    def __post_init__(self) -> None:
        self.budget = SimpleNamespace(acquire=self._acquire, cool_down=self._cool_down)

    def _acquire(self) -> float:
        self.places += 1
        return 0.0

    def _cool_down(self) -> None:
        self.cool_downs += 1

    def unthrottled(self) -> "ListApi":
        return self

    def backoff_pause(self, attempt: int) -> float:
        return float(2**attempt)

    def _rows(self, start: int, end: int) -> list[datetime]:
        self.requests += 1
        assert self.places == self.requests, "each request takes one place in the budget, before it is sent"
        if error := self.fails(self.requests):
            raise error
        first, last = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
        assert first >= months_before(self.now, 6), "older than the API keeps, counted to the second"
        assert months_before(last, 1) <= first < last <= self.now
        return [instant for instant in self.instants if first <= instant <= last]

    def count(self, *, startDate: int, endDate: int, site: str | None) -> int:  # noqa: N803 - the API's names
        return len(self._rows(startDate, endDate))

    def list(self, *, startDate: int, endDate: int, site: str | None) -> list[SimpleNamespace]:  # noqa: N803
        rows = self._rows(startDate, endDate)
        assert len(rows) <= 100, "a second page would be a second request"
        return [SimpleNamespace(date=instant) for instant in rows]


def at(days: Iterable[date], clock: time = time(15, 30), zone: str = "UTC") -> list[datetime]:
    """A row on each day, at a local time."""
    return [datetime.combine(day, clock, tzinfo=ZoneInfo(zone)).astimezone(UTC) for day in days]


def days(first: date, last: date) -> list[date]:
    """All days from one to another, both included."""
    return [first + number * DAY for number in range((last - first).days + 1)]


def probing(api: ListApi, **options: object) -> History:
    """`probe_history` at noon, waiting for nothing."""
    return probe_history(api, **{"now": api.now, "sleep": lambda _: None, **options})


@pytest.mark.parametrize("zone", ["UTC", CHICAGO, "Asia/Kolkata", "Pacific/Auckland"])
@pytest.mark.parametrize("clock", [time(0, 0), time(12, 0), time(23, 59, 59, 900_000)], ids=["midnight", "noon", "end"])
@given(data=st.data())
def test_any_history_is_found_to_the_day(zone: str, clock: time, data: st.DataObject) -> None:
    """Any set of local days, rows at their first, middle or last instant: first and last day, proven, < 50 requests."""
    oldest, newest = first_kept_day(NOW, zone), last_complete_day(NOW, zone)
    kept = days(oldest, newest)
    opened = data.draw(st.sampled_from(kept))
    closed = data.draw(st.sets(st.sampled_from(kept), max_size=40))
    left = data.draw(st.sampled_from([newest, newest, newest, *kept]))
    with_rows = [day for day in kept if opened <= day <= left and day not in closed]
    # Today's first instant has a row, too: it is no record of yesterday.
    api = ListApi(at([*with_rows, newest + DAY], time(0, 0), zone) + at(with_rows, clock, zone))
    found = probing(api, timezone=zone)
    assert (found.earliest, found.latest) == (min(with_rows, default=None), max(with_rows, default=None))
    assert found.proven
    assert found.reason == ""
    assert len(found.looks) == api.requests < 50


@given(
    opened=st.integers(0, 180),
    closed=st.sets(st.integers(0, 180), max_size=30),
    failing=st.sets(st.integers(1, 60), max_size=30),
    budget=st.integers(1, 25),
)
def test_failures_and_budgets_never_make_a_wrong_proof(
    opened: int, closed: set[int], failing: set[int], budget: int
) -> None:
    """Requests stay within the budget, repeated ones included; what is called proven is right."""
    newest = last_complete_day(NOW, "UTC")
    with_rows = [newest - back * DAY for back in range(opened + 1) if back not in closed]
    api = ListApi(at(with_rows), fails=lambda n: ServerError(500, None, ()) if n in failing else None)
    found = probing(api, budget=budget)
    assert api.requests == len(found.looks) <= budget
    assert found.proven == (found.reason == "")
    if found.proven:
        assert (found.earliest, found.latest) == (min(with_rows, default=None), max(with_rows, default=None))
    elif found.earliest is not None and found.latest is not None:
        assert min(with_rows) <= found.earliest <= found.latest <= max(with_rows)


def test_what_it_costs_in_the_common_case() -> None:
    """A site that opened long ago and had rows yesterday: one request for yesterday, one at the end, few between."""
    api = ListApi(at(days(date(2025, 9, 1), date(2026, 3, 20))))
    found = probing(api)
    assert found.earliest == found.oldest_kept == date(2025, 9, 21)
    assert found.latest == date(2026, 3, 19)
    assert api.requests <= 15
    assert [look.outcome for look in found.looks] == [Outcome.SUCCESS] * api.requests
    assert found.outcomes == {Outcome.SUCCESS: api.requests, Outcome.NO_RECORD: 0, Outcome.FAILED: 0}
    assert (found.looks[0].first, found.looks[0].last, found.looks[0].rows) == (date(2026, 3, 19), date(2026, 3, 19), 1)


def test_without_records_it_says_so_and_is_sure() -> None:
    """Every day that the API keeps was asked for."""
    found = probing(ListApi([]))
    assert (found.earliest, found.latest, found.proven) == (None, None, True)
    asked = {day for look in found.looks for day in days(look.first, look.last)}
    assert asked == set(days(date(2025, 9, 21), date(2026, 3, 19)))


def test_a_crowd_on_a_midnight_costs_no_second_page() -> None:
    """More rows on the closing midnight than one page has: the day before is taken in rather than paid for."""
    crowd = at([date(2026, 3, 1)] * 101, time(0, 0))
    assert probing(ListApi([*crowd, *at(days(date(2026, 3, 1), date(2026, 3, 19)))])).earliest == date(2026, 2, 28)


def test_a_request_is_repeated_twice_at_most_and_a_429_cools_everybody_down() -> None:
    """Growing pauses; then another window is asked for instead, and the answer is still proven."""
    pauses: list[float] = []
    answers = {2: RateLimitError(429, "RequestRateExceedError", ()), 3: ServerError(503, None, ())}
    answers[4] = answers[3]
    api = ListApi(at(days(date(2026, 3, 1), date(2026, 3, 19))), fails=answers.get)
    found = probing(api, sleep=pauses.append)
    assert (found.earliest, found.proven) == (date(2026, 3, 1), True)
    assert (api.cool_downs, pauses) == (1, [1.0, 2.0])
    failed = [look for look in found.looks if look.outcome is Outcome.FAILED]
    assert len(failed) == 3
    assert all(look.rows is None and look.error for look in failed)


def test_an_api_that_is_down_is_left_alone() -> None:
    """Not every window is tried: after ten in a row it stops, knows nothing, and says why."""
    api = ListApi([], fails=lambda _: ServerError(500, None, ()))
    found = probing(api)
    assert (found.earliest, found.latest, found.proven) == (None, None, False)
    assert found.reason == "10 probes in a row failed"
    assert api.requests == 33


@pytest.mark.parametrize(
    "error",
    [
        AuthError(403, "BadClientCredentialsError", ()),
        ValidationError(422, "PayloadValidationError", ("startDate: must be a Unix timestamp.",)),
        ValidationError(400, "InvalidPayloadRequestTimestampError", ()),
    ],
    ids=lambda error: error.type,
)
def test_what_no_other_request_can_heal_ends_it(error: APIError) -> None:
    """The first refusal comes through as it is, after one request."""
    api = ListApi([], fails=lambda _: error)
    with pytest.raises(type(error)) as caught:
        probing(api)
    assert caught.value is error
    assert api.requests == 1


def test_a_400_that_may_heal_is_a_failed_probe() -> None:
    """The API's `UnexpectedFailure` says nothing about the request."""
    trouble = ValidationError(400, "UnexpectedFailure", ())
    api = ListApi(at(days(date(2026, 3, 1), date(2026, 3, 19))), fails=lambda n: trouble if n == 3 else None)
    found = probing(api)
    assert (found.earliest, found.proven, found.outcomes[Outcome.FAILED]) == (date(2026, 3, 1), True, 1)


def test_every_request_is_told_as_it_happens() -> None:
    """In order, and the same as in the result."""
    told = []
    found = probing(ListApi(at(days(date(2026, 1, 1), date(2026, 3, 1)))), on_look=told.append)
    assert told == list(found.looks)
    assert (found.earliest, found.latest) == (date(2026, 1, 1), date(2026, 3, 1))
