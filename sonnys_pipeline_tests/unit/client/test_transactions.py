"""LJ-01 … LJ-06 word by word: `load_job` with `client._request` and the module's `time` patched, as callers patch them.

Each test runs against three kinds of answer: our own `Response`, one of the HTTP library, and anything with `.json()`.
"""

import json
from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest
import requests

from sonnys_pipeline.client import (
    APIError,
    APITimeoutError,
    IncompleteResultError,
    JobFailedError,
    SonnysClient,
    TransactionJobItem,
    UnknownJobStatusError,
    ValidationError,
)
from sonnys_pipeline.client.transport import Response

SUBMIT = ("POST", "/transaction/load-job")
POLL = ("GET", "/transaction/get-job-data")


def _ours(body: object) -> Response:
    return Response(200, json.dumps(body).encode())


def _of_the_library(body: object) -> requests.Response:
    answer = requests.Response()
    answer.status_code, answer._content = 200, json.dumps(body).encode()
    return answer


def _anything(body: object) -> Mock:
    return Mock(spec=["json"], json=Mock(return_value=body))


class Api:
    """What `client._request` is patched with: answers from a script, and remembers what it was asked."""

    def __init__(self, wrap: Callable[[object], object]) -> None:
        self.wrap = wrap
        self.script: list[object] = []
        self.calls: list[tuple[str, str, dict[str, Any]]] = []

    def __call__(self, method: str, path: str, *, params: dict[str, Any] | None = None) -> object:
        self.calls.append((method, path, dict(params or {})))
        said = self.script.pop(0)
        if isinstance(said, Exception):
            raise said
        return self.wrap(said)

    def submitted(self, job_hash: str = "abc") -> None:
        self.script.append({"data": {"hash": job_hash}})

    def status(self, status: str, **more: object) -> None:
        self.script.append({"data": {"hash": "abc", "status": status, **more}})

    def passed(self, rows: list[dict[str, Any]], total: int, **more: object) -> None:
        self.status("pass", data=rows, total=total, limit=100, **more)

    def asked(self, what: tuple[str, str]) -> list[dict[str, Any]]:
        return [params for method, path, params in self.calls if (method, path) == what]


@pytest.fixture(params=[_ours, _of_the_library, _anything], ids=["ours", "requests", "mock"])
def api(request: pytest.FixtureRequest, wired_client: SonnysClient, monkeypatch: pytest.MonkeyPatch) -> Api:
    api = Api(request.param)
    monkeypatch.setattr(wired_client, "_request", api)
    return api


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Mock:
    """The module's `time`: sleeping moves it on, looking at it does not."""
    now = [1000.0]
    time = Mock(spec=["sleep", "monotonic"])
    time.monotonic.side_effect = lambda: now[0]
    time.sleep.side_effect = lambda seconds: now.__setitem__(0, now[0] + seconds)
    monkeypatch.setattr("sonnys_pipeline.client.transactions.time", time)
    return time


MakeRow = Callable[..., dict[str, Any]]


def test_one_call_submits_polls_and_returns_models(
    api: Api, clock: Mock, wired_client: SonnysClient, make_row: MakeRow
) -> None:
    """LJ-01, LJ-02: POST with the criteria, GET with the hash, every item a `TransactionJobItem`, as a list."""
    api.submitted("h1")
    api.passed([make_row(1), make_row(2)], 2)
    rows = wired_client.transactions.load_job(startDate=1762732800, endDate=1762819200, site="MAIN")
    assert api.calls == [
        (*SUBMIT, {"startDate": 1762732800, "endDate": 1762819200, "site": "MAIN", "limit": 100, "offset": 1}),
        (*POLL, {"hash": "h1"}),
    ]
    assert type(rows) is list
    assert {type(row) for row in rows} == {TransactionJobItem}
    assert [row.id for row in rows] == ["1:1", "2:1"]
    clock.sleep.assert_not_called()


def test_polls_until_it_passes(api: Api, clock: Mock, wired_client: SonnysClient, make_row: MakeRow) -> None:
    """LJ-03: `working` sleeps `poll_interval` and asks again with the same hash; nothing is submitted twice."""
    api.submitted()
    api.status("working")
    api.status("working")
    api.passed([make_row(1)], 1)
    assert len(wired_client.transactions.load_job(poll_interval=0.7, timeout=60)) == 1
    assert [call.args for call in clock.sleep.call_args_list] == [(0.7,), (0.7,)]
    assert api.asked(POLL) == [{"hash": "abc"}] * 3
    assert len(api.asked(SUBMIT)) == 1


def test_defaults_are_two_seconds_and_five_minutes(api: Api, clock: Mock, wired_client: SonnysClient) -> None:
    """LJ-01: left alone, it polls every 2 s for 300 s: at 0, 2, … 300, and gives up at the deadline."""
    api.submitted()
    for _ in range(151):
        api.status("working")
    with pytest.raises(APITimeoutError, match="300 s"):
        wired_client.transactions.load_job(startDate=1, endDate=2)
    assert len(api.asked(POLL)) == 151
    assert {call.args for call in clock.sleep.call_args_list} == {(2.0,)}


def test_timeout_of_zero_still_polls_once(api: Api, clock: Mock, wired_client: SonnysClient, make_row: MakeRow) -> None:
    """LJ-03: the deadline is checked after the poll: a job that is ready is returned even with `timeout=0`."""
    api.submitted()
    api.passed([make_row(1)], 1)
    assert len(wired_client.transactions.load_job(timeout=0)) == 1


def test_timeout_of_zero_gives_up_after_one_poll(api: Api, clock: Mock, wired_client: SonnysClient) -> None:
    """LJ-03, LJ-04: a job that is not ready is an error after that one poll, without a sleep."""
    api.submitted()
    api.status("working")
    with pytest.raises(APITimeoutError):
        wired_client.transactions.load_job(timeout=0)
    assert len(api.asked(POLL)) == 1
    clock.sleep.assert_not_called()


def test_a_job_ready_at_the_last_poll_is_not_late(
    api: Api, clock: Mock, wired_client: SonnysClient, make_row: MakeRow
) -> None:
    """LJ-03: a poll that answers `pass` beyond the deadline counts: it is looked at only after `working`."""
    api.submitted()
    api.status("working")
    api.passed([make_row(1)], 1)
    assert len(wired_client.transactions.load_job(poll_interval=50, timeout=10)) == 1


@pytest.mark.parametrize(("timeout", "named"), [(12.5, "12.5 s"), (7, "7 s")])
def test_timeout_is_named(api: Api, clock: Mock, wired_client: SonnysClient, timeout: float, named: str) -> None:
    """LJ-04: the message names the timeout that was asked for, and the job."""
    api.submitted("h9")
    for _ in range(20):
        api.status("working")
    with pytest.raises(APITimeoutError) as caught:
        wired_client.transactions.load_job(poll_interval=1, timeout=timeout)
    assert named in str(caught.value)
    assert "h9" in str(caught.value)


def test_fail_raises_at_once(api: Api, clock: Mock, wired_client: SonnysClient) -> None:
    """LJ-04: `fail` is an `APIError("Batch job failed")` that carries hash, criteria and the whole body."""
    api.submitted("h3")
    api.status("working")
    api.status("fail", reason="the database is busy")
    with pytest.raises(APIError, match="Batch job failed") as caught:
        wired_client.transactions.load_job(startDate=5, endDate=6)
    error = caught.value
    assert isinstance(error, JobFailedError)
    assert error.args == ("Batch job failed",)
    assert error.job_hash == "h3"
    assert error.params == {"startDate": 5, "endDate": 6, "limit": 100, "offset": 1}
    assert error.body == {"hash": "abc", "status": "fail", "reason": "the database is busy"}
    assert "h3" in str(error)


def test_pages_are_submitted_until_total_is_reached(
    api: Api, clock: Mock, wired_client: SonnysClient, make_row: MakeRow
) -> None:
    """LJ-05: 250 rows are three load jobs, `limit=100`, `offset` 1, 2, 3, each polled under its own hash, in order."""
    for page, count in ((1, 100), (2, 100), (3, 50)):
        api.submitted(f"page-{page}")
        api.passed([make_row(100 * page + place) for place in range(count)], 250)
    rows = wired_client.transactions.load_job(startDate=1, endDate=2)
    assert len({row.id for row in rows}) == len(rows) == 250
    assert [(params["limit"], params["offset"]) for params in api.asked(SUBMIT)] == [(100, 1), (100, 2), (100, 3)]
    assert {(params["startDate"], params["endDate"]) for params in api.asked(SUBMIT)} == {(1, 2)}
    assert api.asked(POLL) == [{"hash": "page-1"}, {"hash": "page-2"}, {"hash": "page-3"}]


def test_a_full_page_is_not_followed_by_an_empty_one(
    api: Api, clock: Mock, wired_client: SonnysClient, make_row: MakeRow
) -> None:
    """LJ-05: exactly 100 rows cost one job: no page is submitted to see that there is none."""
    api.submitted()
    api.passed([make_row(place) for place in range(100)], 100)
    assert len(wired_client.transactions.load_job()) == 100
    assert len(api.asked(SUBMIT)) == 1


def test_fewer_rows_than_promised_is_an_error(
    api: Api, clock: Mock, wired_client: SonnysClient, make_row: MakeRow
) -> None:
    """LJ-05: never a short list: the error says how many were promised, how many came, and the difference."""
    api.submitted()
    api.passed([make_row(place) for place in range(100)], 150)
    api.submitted()
    api.passed([make_row(200 + place) for place in range(47)], 150)
    with pytest.raises(IncompleteResultError, match=r"promised 150 rows and 147 distinct rows came \(-3\)") as caught:
        wired_client.transactions.load_job(startDate=1, endDate=2)
    assert (caught.value.promised, caught.value.received) == (150, 147)


def test_the_same_rows_again_do_not_count_twice(
    api: Api, clock: Mock, wired_client: SonnysClient, make_row: MakeRow
) -> None:
    """LJ-05: a second page that repeats the first is no progress, although the number of rows would add up."""
    for _ in range(2):
        api.submitted()
        api.passed([make_row(place) for place in range(100)], 200)
    with pytest.raises(IncompleteResultError, match=r"promised 200 .* 100 distinct"):
        wired_client.transactions.load_job()


def test_a_row_that_is_listed_twice_is_one_row(
    api: Api, clock: Mock, wired_client: SonnysClient, make_row: MakeRow
) -> None:
    """Equal copies that `total` counts collapse; nothing is missing."""
    api.submitted()
    api.passed([make_row(place) for place in (*range(99), 98)], 102)
    api.submitted()
    api.passed([make_row(200), make_row(200)], 102)
    assert [row.id for row in wired_client.transactions.load_job()] == [f"{n}:1" for n in (*range(99), 200)]


def test_a_row_on_two_pages_is_no_copy(
    api: Api, clock: Mock, wired_client: SonnysClient, make_row: MakeRow
) -> None:  # fmt: skip
    """LJ-05: it may have been pushed over by a row that nobody has read, while `total` grew by it."""
    api.submitted()
    api.passed([make_row(place) for place in range(100)], 102)
    api.submitted()
    api.passed([make_row(99), make_row(100)], 102)
    with pytest.raises(IncompleteResultError, match=r"promised 102 .* 101 distinct"):
        wired_client.transactions.load_job()


def test_two_rows_of_one_id_are_named(api: Api, clock: Mock, wired_client: SonnysClient, make_row: MakeRow) -> None:
    """Different contents under one id: which of them is right is not known."""
    api.submitted()
    api.passed([make_row(1), make_row(2), make_row(2, total=1.0)], 3)
    with pytest.raises(IncompleteResultError, match=r"two different rows have the id 2:1: .*promised 3 rows and 2"):
        wired_client.transactions.load_job()


def test_a_page_that_is_not_full_ends_the_paging(
    api: Api, clock: Mock, wired_client: SonnysClient, make_row: MakeRow
) -> None:
    """A `total` that pages do not bring is not asked for half a million times."""
    api.submitted()
    api.passed([make_row(1), make_row(2)], 10**6)
    with pytest.raises(IncompleteResultError, match="promised 1000000 rows and 2"):
        wired_client.transactions.load_job()
    assert len(api.asked(SUBMIT)) == 1


def test_an_empty_page_ends_the_paging(api: Api, clock: Mock, wired_client: SonnysClient, make_row: MakeRow) -> None:
    """LJ-05: an empty page before `total` is reached is an error at once, not a walk through all other pages."""
    api.submitted()
    api.passed([make_row(place) for place in range(100)], 1000)
    api.submitted()
    api.passed([], 1000)
    with pytest.raises(IncompleteResultError):
        wired_client.transactions.load_job()
    assert len(api.asked(SUBMIT)) == 2


def test_an_empty_window_is_an_empty_list(api: Api, clock: Mock, wired_client: SonnysClient) -> None:
    """LJ-05: `pass` with `total` 0 is a complete answer."""
    api.submitted()
    api.passed([], 0)
    assert wired_client.transactions.load_job() == []


def test_an_explicit_offset_asks_for_that_page_alone(
    api: Api, clock: Mock, wired_client: SonnysClient, make_row: MakeRow
) -> None:
    """LJ-05: who names a page gets that page, complete as far as it goes, and no other is submitted."""
    api.submitted()
    api.passed([make_row(place) for place in range(50)], 250)
    assert len(wired_client.transactions.load_job(offset=3)) == 50
    assert [params["offset"] for params in api.asked(SUBMIT)] == [3]


def test_a_short_page_alone_is_an_error_too(
    api: Api, clock: Mock, wired_client: SonnysClient, make_row: MakeRow
) -> None:
    """LJ-05: page 2 of 250 rows has 100 rows; 99 are an error."""
    api.submitted()
    api.passed([make_row(place) for place in range(99)], 250)
    with pytest.raises(IncompleteResultError, match=r"promised 100 rows and 99"):
        wired_client.transactions.load_job(offset=2)


def test_a_limit_of_ones_own_is_paged_by(api: Api, clock: Mock, wired_client: SonnysClient, make_row: MakeRow) -> None:
    """LJ-05: pages are as long as `limit` says."""
    for page in (1, 2, 3):
        api.submitted()
        api.passed([make_row(10 * page + place) for place in range(2)], 6)
    assert len(wired_client.transactions.load_job(limit=2)) == 6
    assert [(params["limit"], params["offset"]) for params in api.asked(SUBMIT)] == [(2, 1), (2, 2), (2, 3)]


@pytest.mark.parametrize("wrong", [{"offset": "two"}, {"limit": 1.5}, {"limit": None}, {"offset": True}])
def test_paging_needs_whole_numbers(api: Api, wired_client: SonnysClient, wrong: dict[str, object]) -> None:
    """LJ-05: a page number or size that cannot be counted with is refused before anything is sent."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        wired_client.transactions.load_job(**wrong)
    assert api.calls == []


@pytest.mark.parametrize("status", ["queued", "PASS", "", None, ["pass"]])
def test_an_unknown_status_is_refused(api: Api, clock: Mock, wired_client: SonnysClient, status: object) -> None:
    """LJ-03: exactly working, pass and fail; anything else raises instead of being waited for."""
    api.submitted("h5")
    api.script.append({"data": {"hash": "h5", "status": status, "data": [], "total": 0}})
    with pytest.raises(UnknownJobStatusError, match="h5"):
        wired_client.transactions.load_job()


def test_the_apis_refusal_comes_through(api: Api, clock: Mock, wired_client: SonnysClient) -> None:
    """LJ-06: no validation and no splitting here: the span is sent as given, and the API's own error comes back."""
    refused = ValidationError(422, "PayloadValidationError", ("the period must not be longer than 24 hours",))
    api.script.append(refused)
    with pytest.raises(ValidationError) as caught:
        wired_client.transactions.load_job(startDate=0, endDate=10**9)
    assert caught.value is refused
    assert api.asked(SUBMIT) == [{"startDate": 0, "endDate": 10**9, "limit": 100, "offset": 1}]
