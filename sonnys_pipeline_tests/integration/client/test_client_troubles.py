"""LJ-09, LJ-10, BM-02, BM-03, BM-07 over real HTTP: what goes wrong, what is repeated, what comes through."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from sonnys_pipeline.client import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthError,
    NotFoundError,
    RateLimitError,
    RedirectedError,
    ResponseFormatError,
    ServerError,
    SonnysClient,
    UnknownJobStatusError,
    ValidationError,
)
from sonnys_pipeline.simulator import Account, Faults, Operation, Simulator

Start = Callable[..., Simulator]
Connect = Callable[..., SonnysClient]
DAY = datetime(2026, 3, 10, tzinfo=UTC)
SPAN = {"startDate": int(DAY.timestamp()), "endDate": int((DAY + timedelta(days=1)).timestamp())}
FAST = {"poll_interval": 0.01, "timeout": 20.0}


def truth(simulator: Simulator) -> list[str]:
    """Ids of the simulated chain, straight from its world."""
    return [row["id"] for row in simulator.world.rows(DAY, DAY + timedelta(days=1))]


@pytest.mark.parametrize(
    ("options", "error_type"),
    [
        ({"account": ("nobody", "demo-key")}, "BadClientCredentialsError"),
        ({"account": ("demo-id", "wrong-key")}, "BadClientCredentialsError"),
        ({"account": ("production", "p")}, "MismatchCredentialsError"),
        ({"account": ("unlicensed", "u")}, "NotAuthorizedError"),
        ({"account": ("demo-id", "demo-key", "NOWHERE")}, "BadSiteCredentialsError"),
        ({"account": ("main-only", "m", "HARBOR")}, "NotAuthorizedSiteCredentialsError"),
        ({"account": ("main-only", "m"), "site": "HARBOR"}, "NotAuthorizedSiteArgsError"),
    ],
)
def test_refused_credentials(start_simulator: Start, options: dict[str, Any], error_type: str) -> None:
    """LJ-09, BM-02: each reason of a 403 keeps its type, costs one request, and is never tried again."""
    accounts = (
        Account(api_id="production", api_key="p", environment="production"),
        Account(api_id="unlicensed", api_key="u", licensed=False),
        Account(api_id="main-only", api_key="m", sites=frozenset({"MAIN"})),
    )
    simulator = start_simulator(accounts=accounts, sites=3)
    site = {"site": options["site"]} if "site" in options else {}
    with SonnysClient(*options["account"], base_url=simulator.base_url) as client, pytest.raises(AuthError) as caught:
        client.transactions.load_job(**FAST, **SPAN, **site)
    assert (caught.value.status, caught.value.type) == (403, error_type)
    assert simulator.stats().requests == 1


@pytest.mark.parametrize(
    ("fault", "kind", "status"),
    [
        ("server_errors", ServerError, 500),
        ("bad_gateway", ServerError, 502),
        ("unavailable", ServerError, 503),
        ("clock_errors", ValidationError, 400),
        ("rate_limit_storm", RateLimitError, 429),
        ("html_answers", ResponseFormatError, None),
        ("truncated_json", ResponseFormatError, None),
        ("drop_before", APIConnectionError, None),
        ("drop_after", APIConnectionError, None),
        ("redirects", RedirectedError, None),
    ],
)
def test_each_trouble_has_its_error(
    start_simulator: Start, connect: Connect, fault: str, kind: type[APIError], status: int | None
) -> None:
    """LJ-09: what goes wrong on the way becomes exactly one kind of error."""
    client = connect(start_simulator(faults=Faults(**{fault: -1})), max_retries=0)
    with pytest.raises(APIError) as caught:
        client.sites.list()
    assert type(caught.value) is kind
    if isinstance(caught.value, APIStatusError):
        assert caught.value.status == status


def test_no_cookie_is_kept() -> None:
    """LJ-09: a gateway's cookie does not travel along with the next request."""
    cookies: list[str | None] = []

    class Gateway(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            cookies.append(self.headers["Cookie"])
            body = b'{"data": {"sites": []}}'
            self.send_response(200)
            self.send_header("Set-Cookie", "session=1; Path=/")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Gateway) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        with SonnysClient("id", "key", base_url=f"http://127.0.0.1:{server.server_port}/v1") as client:
            client.sites.list()
            client.sites.list()
        server.shutdown()
    assert cookies == [None, None]


def test_a_slow_answer_is_given_up(start_simulator: Start, connect: Connect) -> None:
    """LJ-09, BM-03: the read time-out is explicit; an answer that does not come in it is an error."""
    simulator = start_simulator(faults=Faults(slow_answers=1, slow_seconds=500))
    with pytest.raises(APITimeoutError, match=r"0\.3 s"):
        connect(simulator, read_timeout=0.3, max_retries=0).sites.list()


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "server_errors", "bad_gateway", "unavailable"])
@pytest.mark.parametrize("operation", [Operation.SUBMIT, Operation.POLL, Operation.LIST])
def test_what_heals_is_repeated(start_simulator: Start, connect: Connect, fault: str, operation: Operation) -> None:
    """BM-02: two failures in a row of any operation: the rows are whole, and no second job was started for them."""
    simulator = start_simulator(rows_per_day=30, faults=Faults(**{fault: 2}, on={fault: operation}))
    transactions = connect(simulator).transactions
    assert [row.id for row in transactions.load_job(**FAST, **SPAN)] == truth(simulator)
    assert transactions.count(**SPAN) == 30
    assert simulator.state.injector.remaining() == {}
    assert simulator.stats().jobs_created == 1


def test_429_is_waited_out(start_simulator: Start, connect: Connect) -> None:
    """LJ-09, BM-07: a 429 holds the next request back for a whole block, although our own log had room."""
    simulator = start_simulator(faults=Faults(rate_limit_storm=1))
    client = connect(simulator)
    assert client.sites.list()
    first, second = simulator.log
    assert (first.status, second.status) == (429, 200)
    assert second.elapsed - first.elapsed > 1.0
    assert client.budget_wait > 0.9


def test_a_lost_hash_is_submitted_again(start_simulator: Start, connect: Connect) -> None:
    """LJ-10: a 404 within the 20 minutes, and the list has rows: the job was lost; the rows come all the same."""
    simulator = start_simulator(rows_per_day=30, faults=Faults(expire_hashes_early=2))
    assert [row.id for row in connect(simulator).transactions.load_job(**FAST, **SPAN)] == truth(simulator)
    assert simulator.stats().submissions == 3


def test_an_expired_hash_is_submitted_again(start_simulator: Start, connect: Connect) -> None:
    """LJ-10: a job that outlives its hash is submitted anew when the hash is gone."""
    simulator = start_simulator(rows_per_day=30, hash_seconds=10, faults=Faults(endless_jobs=1))
    assert [row.id for row in connect(simulator).transactions.load_job(**FAST, **SPAN)] == truth(simulator)
    assert simulator.stats().jobs_created == 2


def test_hashes_that_are_always_lost_end(start_simulator: Start, connect: Connect) -> None:
    """LJ-10: after `max_retries` resubmissions the 404 itself comes through, never an empty list."""
    simulator = start_simulator(rows_per_day=30, faults=Faults(expire_hashes_early=-1))
    with pytest.raises(NotFoundError):
        connect(simulator, max_retries=2).transactions.load_job(**FAST, **SPAN)
    assert simulator.stats().submissions == 3


def test_a_status_nobody_knows(start_simulator: Start, connect: Connect) -> None:
    """LJ-03: "queued" is refused, not waited for."""
    with pytest.raises(UnknownJobStatusError, match="queued"):
        connect(start_simulator(faults=Faults(unknown_status=1))).transactions.load_job(**FAST, **SPAN)
