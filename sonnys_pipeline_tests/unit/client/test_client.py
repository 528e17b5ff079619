"""LJ-09, BM-02, BM-07: the one HTTP pipeline: budget, repetition, backoff, what leaves and what comes back."""

import itertools
from typing import Any

import pytest
import requests

from sonnys_pipeline.client import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthError,
    IncompleteResultError,
    JobFailedError,
    NotFoundError,
    RateLimitError,
    RedirectedError,
    RequestBudget,
    RequestRate,
    ResponseFormatError,
    ServerError,
    SonnysClient,
    ValidationError,
)
from sonnys_pipeline.client.client import BACKOFF_CEILING, is_retryable

SITES = {"data": {"sites": []}}
LOAD_JOB = ("POST", "/transaction/load-job")

HEALING: dict[APIError, bool] = {
    # error: whether a GET heals by itself
    RateLimitError(429, "RequestRateExceedError", ()): True,
    ServerError(500, "ServerUnexpectedFailure", ()): True,
    ServerError(503, None, ()): True,
    APIConnectionError("dropped"): True,
    APITimeoutError("slow"): True,
    RedirectedError("elsewhere"): False,
    AuthError(403, "BadClientCredentialsError", ()): False,
    NotFoundError(404, "EntityNotFoundError", ()): False,
    ValidationError(422, "PayloadValidationError", ()): False,
    ValidationError(400, "InvalidPayloadRequestTimestampError", ()): False,
    ResponseFormatError("not JSON"): False,
    JobFailedError("h"): False,
    IncompleteResultError(2, 1, "w"): False,
}


@pytest.mark.parametrize(("error", "heals"), HEALING.items(), ids=lambda case: getattr(case, "type", None))
@pytest.mark.parametrize(
    "operation", [("GET", "/transaction"), ("GET", "/site/list"), ("GET", "/transaction/get-job-data"), LOAD_JOB]
)
def test_what_may_heal_is_repeated(operation: tuple[str, str], error: APIError, heals: bool) -> None:
    """BM-02: 429, 5xx, time-outs and dropped connections of reads and of the submission; nothing else ever."""
    assert is_retryable(error, *operation) is heals


@pytest.mark.parametrize("error", HEALING, ids=lambda error: type(error).__name__)
def test_a_post_that_may_have_arrived_is_not_sent_twice(error: APIError) -> None:
    """BM-02: of any other POST only a 429 is repeated, since that one was refused unseen."""
    assert is_retryable(error, "POST", "/something/else") is isinstance(error, RateLimitError)


def test_headers_go_with_every_request(wired_client: SonnysClient, wire: Any) -> None:
    """LJ-09: id and key as headers, JSON wanted; no site header unless there is a site."""
    wire.answer(body=SITES)
    wired_client.sites.list()
    headers = wire.sent[0].headers
    assert headers["X-Sonnys-API-ID"] == "test-id-0815"
    assert headers["X-Sonnys-API-Key"] == "test-key-4711"
    assert headers["Accept"] == "application/json"
    assert "X-Sonnys-Site-Code" not in headers


def test_a_site_narrows_by_header(wire: Any) -> None:
    """LJ-09: a site code goes with every request."""
    wire.answer(body=SITES)
    with SonnysClient("test-id", "key", "MAIN", base_url="https://api.test/v1") as client:
        client._transport._session.mount("https://", wire)
        client.sites.list()
    assert wire.sent[0].headers["X-Sonnys-Site-Code"] == "MAIN"


def test_parameters_are_a_query(wired_client: SonnysClient, wire: Any) -> None:
    """LJ-01, LJ-09: query parameters also for POST; those that are `None` are left out."""
    wire.answer(body={"data": {"hash": "h"}})
    wired_client.transactions.submit_job(startDate=1, endDate=2, site=None)
    assert (wire.sent[0].method, wire.sent[0].url) == (
        "POST",
        "https://api.test/v1/transaction/load-job?startDate=1&endDate=2",
    )


def test_timeouts_are_explicit(wire: Any) -> None:
    """LJ-09: connect and read time-outs go with every request; there is no waiting for ever."""
    wire.answer(body=SITES)
    with SonnysClient("test-id", "key", base_url="https://api.test/v1", connect_timeout=3, read_timeout=7) as client:
        client._transport._session.mount("https://", wire)
        client.sites.list()
    with SonnysClient("test-id", "key") as client:
        assert client._transport._timeouts == (10.0, 60.0)
    assert wire.sent[0].timeout == (3, 7)


def test_backoff_doubles_up_to_its_ceiling(wired_client: SonnysClient) -> None:
    """BM-02: pauses double from `backoff` on and stay at 32 times that."""
    wired_client._jitter = lambda: 1.0
    assert [wired_client.backoff_pause(attempt) for attempt in range(8)] == [1, 2, 4, 8, 16, 32, 32, 32]
    assert wired_client.backoff_pause(5000) == BACKOFF_CEILING


def test_jitter_takes_up_to_half_away(wired_client: SonnysClient) -> None:
    """BM-07: a pause lies between half and all of its ceiling, as chance has it."""
    wired_client.backoff = 3.0
    for drawn, pause in ((0.0, 6.0), (0.5, 9.0), (1.0, 12.0)):
        wired_client._jitter = lambda drawn=drawn: drawn
        assert wired_client.backoff_pause(2) == pause


def test_clients_do_not_jitter_in_step() -> None:
    """BM-07: left alone, the jitter is random."""
    with SonnysClient("test-id", "key") as client:
        assert len({client.backoff_pause(3) for _ in range(50)}) > 10


@pytest.mark.parametrize(
    "trouble", [requests.ConnectionError("dropped"), requests.ReadTimeout("slow"), requests.ConnectTimeout("slow")]
)
def test_a_dropped_exchange_is_repeated(
    wired_client: SonnysClient, wire: Any, pauses: list[float], trouble: Exception
) -> None:
    """BM-02: the same request again after a growing pause; then the answer, as if nothing had been."""
    wire.break_with(trouble)
    wire.break_with(trouble)
    wire.answer(body={"data": {"hash": "h"}})
    assert wired_client.transactions.submit_job(startDate=1) == "h"
    assert len({sent.url for sent in wire.sent}) == 1
    assert pauses == [0.75, 1.5]


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_a_passing_status_is_repeated(wired_client: SonnysClient, wire: Any, status: int) -> None:
    """BM-02: 5xx and 429 heal by repetition."""
    wired_client.budget.cool_down = lambda: None
    wire.answer(status, b"<html>")
    wire.answer(body=SITES)
    assert wired_client.sites.list() == []
    assert len(wire.sent) == 2


@pytest.mark.parametrize("status", [400, 403, 404, 422, 401, 418])
def test_a_refusal_is_not_repeated(wired_client: SonnysClient, wire: Any, pauses: list[float], status: int) -> None:
    """BM-02: asking again would spend the budget for the same answer."""
    wire.answer(status, {"type": "X", "message": "no"})
    with pytest.raises(APIError):
        wired_client.sites.list()
    assert len(wire.sent) == 1
    assert pauses == []


@pytest.mark.parametrize("max_retries", [0, 1, 4])
def test_repetition_is_bounded(wired_client: SonnysClient, wire: Any, pauses: list[float], max_retries: int) -> None:
    """BM-02: `max_retries` repetitions, then the last error itself; no pause after the last attempt."""
    wired_client.max_retries = max_retries
    wire.answer(500, {"type": "ServerUnexpectedFailure", "message": "no", "code": "SCEC0001"})
    with pytest.raises(ServerError, match="support code SCEC0001"):
        wired_client.sites.list()
    assert len(wire.sent) == max_retries + 1
    assert len(pauses) == max_retries


def test_every_attempt_takes_a_place_in_the_budget(wire: Any) -> None:
    """BM-07: repetitions are requests too: each acquires a permit, and waits for it."""
    waits: list[float] = []

    class Places(RequestBudget):
        def acquire(self) -> float:
            waits.append(0.25)
            return waits[-1]

    wire.answer(503, b"")
    wire.answer(503, b"")
    wire.answer(body=SITES)
    with (
        Places("places") as budget,
        SonnysClient("id", "key", base_url="https://api.test", budget=budget, sleep=lambda _: None) as client,
    ):
        client._transport._session.mount("https://", wire)
        client.sites.list()
        assert len(waits) == client.requests_sent == 3
        assert client.budget_wait == 0.75


def test_429_cools_the_budget_before_anything_else(wire: Any) -> None:
    """BM-07: every 429 is told to all sharers at once, before the pause and even when no repetition is left."""
    told: list[str] = []

    class Cooled(RequestBudget):
        def cool_down(self) -> None:
            told.append("429")

    wire.answer(429, {"type": "RequestRateExceedError", "message": "blocked"})
    with (
        Cooled("cooled") as budget,
        SonnysClient(
            "id",
            "key",
            base_url="https://api.test",
            budget=budget,
            max_retries=1,
            sleep=lambda _: told.append("pause"),
        ) as client,
    ):
        client._transport._session.mount("https://", wire)
        with pytest.raises(RateLimitError):
            client.sites.list()
    assert told == ["429", "pause", "429"]


def test_a_cooled_budget_holds_the_repetition(wire: Any) -> None:
    """BM-07: after a 429 the next permit is given a whole block later, however short the backoff is."""

    class WaitsFor(Exception):  # noqa: N818 - ends the test at the wait, whose length is all there is to know
        pass

    def wait(seconds: float) -> None:
        raise WaitsFor(seconds)

    wire.answer(429, b"")
    budget = RequestBudget("held", RequestRate(20, 15), sleep=wait)
    with (
        budget,
        SonnysClient("held", "key", base_url="https://api.test", budget=budget, sleep=lambda _: None) as client,
    ):
        client._transport._session.mount("https://", wire)
        with pytest.raises(WaitsFor) as caught:
            client.sites.list()
    assert len(wire.sent) == 1
    assert 10 < caught.value.args[0] <= 15.35


def test_a_budget_of_ones_own_is_closed_and_a_shared_one_is_not() -> None:
    """LJ-09: closing a client releases what is its own: also a budget that was handed over to it."""
    closed: list[str] = []

    class Closing(RequestBudget):
        def close(self) -> None:
            closed.append("closed")
            super().close()

    with Closing("shared") as shared:
        SonnysClient("id", "key", budget=shared).close()
        assert closed == []
        SonnysClient("id", "key", budget=shared, owns_budget=True).close()
        assert closed == ["closed"]


@pytest.mark.parametrize(("api_id", "api_key"), [("", "key"), ("id", ""), ("", "")])
def test_credentials_are_needed(api_id: str, api_key: str) -> None:
    """LJ-09: refused before a request, naming the variables to set."""
    with pytest.raises(ValueError, match="SONNYS_API_ID and SONNYS_API_KEY"):
        SonnysClient(api_id, api_key)


def test_without_retries_pauses_are_never_drawn(wired_client: SonnysClient, wire: Any) -> None:
    """BM-02: a request that succeeds at once neither sleeps nor draws jitter."""
    drawn = itertools.count()
    wired_client._jitter = lambda: float(next(drawn))
    wire.answer(body=SITES)
    wired_client.sites.list()
    assert next(drawn) == 0
