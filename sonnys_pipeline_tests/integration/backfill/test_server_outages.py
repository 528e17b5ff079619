"""BM-04, BM-05, BM-07: PostgreSQL or Redis killed in mid-run: the run waits, or stops with a checkpoint.

The servers are real, and so are the twenty seconds.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from sonnys_pipeline.client import SonnysClient
from sonnys_pipeline.ledger.models import JobStatus, LedgerUnavailableError
from sonnys_pipeline.simulator import Simulator
from sonnys_pipeline_tests.support.pipelines.executors import Bench, bench_in, keys, running, wait_until
from sonnys_pipeline_tests.support.servers import PASSWORD, PostgresServer, RedisServer

pytestmark = pytest.mark.outage
STORES = [pytest.param("postgres", marks=pytest.mark.postgres), pytest.param("redis", marks=pytest.mark.redis)]
DAYS = 12
OUTAGE = 20.0


@pytest.fixture
def server(request: pytest.FixtureRequest, store: str) -> Iterator[PostgresServer | RedisServer]:
    """The store's server; running again after the test."""
    with request.getfixturevalue(f"{store}_server").to_be_killed() as server:
        yield server


@pytest.fixture
def bench(
    request: pytest.FixtureRequest,
    store: str,
    start_simulator: Callable[..., Simulator],
    connect: Callable[..., SonnysClient],
    tmp_path: Path,
) -> Iterator[Bench]:
    """Twenty requests a block of 0.9 s, kept over 1.4; on PostgreSQL the ledger lies beside the budget."""
    url = request.getfixturevalue(f"{store}_url")
    with ExitStack() as opened:
        yield opened.enter_context(
            bench_in(
                tmp_path,
                start_simulator,
                connect,
                ledger_url=url if store == "postgres" else "",
                budget_url=url,
                block=1.4,
                rate_limit=20,
                block_seconds=45,
                midnight_row=True,
            )
        )


def assert_all_landed_once(bench: Bench, job_id: str) -> None:
    """Every row once, every page submitted once, and no 429 on the way."""
    assert bench.states(job_id) == "c" * DAYS
    assert bench.landed_ids(keys(DAYS)) == bench.expected_ids(keys(DAYS))
    assert set(bench.submissions().values()) == {1}
    assert bench.simulator.stats().rate_limited == 0


@pytest.mark.parametrize("store", STORES)
def test_a_run_waits_for_a_server_that_comes_back(
    bench: Bench, server: PostgresServer, store: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Twenty seconds: nothing is sent meanwhile, then it goes on; the lease outlives it, no page is asked for twice."""
    job_id = bench.job(DAYS)
    with running(bench.executor(), job_id) as outcome:
        wait_until(lambda: bench.simulator.stats().requests >= 30)
        server.kill()
        time.sleep(OUTAGE - 5)
        sent = bench.simulator.stats().requests
        time.sleep(5)
        assert bench.simulator.stats().requests == sent < 2 * DAYS * 3
        server.start()
    assert outcome.error is None
    assert outcome.result is not None
    assert outcome.result.success, outcome.result
    assert_all_landed_once(bench, job_id)
    assert bench.log(job_id) == ["running", "completed"]
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("store", STORES)
def test_a_run_stops_when_its_budget_stays_away(bench: Bench, server: PostgresServer, store: str) -> None:
    """After the budget's deadline, here a second: paused with the reason, and a resume lands the rest."""
    bench.client.budget._deadline.seconds = 1.0
    job_id = bench.job(DAYS)
    with running(bench.executor(), job_id) as outcome:
        wait_until(lambda: bench.simulator.stats().requests >= 30)
        server.kill()
        if store == "postgres":  # the ledger lies there, too, and has the later deadline
            threading.Timer(4.0, server.start).start()
    assert outcome.error is None
    assert outcome.result is not None
    if store == "redis":
        assert "the request budget redis://127.0.0.1" in outcome.result.stopped
        assert bench.jobs.get_job(job_id).status is JobStatus.PAUSED
        server.start()
    if not outcome.result.success:
        assert outcome.result.pending > 0
        assert bench.executor().execute(job_id).success
    assert_all_landed_once(bench, job_id)


@pytest.mark.parametrize("store", STORES)
def test_a_run_that_is_told_to_stop_does_not_wait(bench: Bench, server: PostgresServer, store: str) -> None:
    """Within five seconds, whatever is away (BM-04); the next run goes on, whether the ledger could be told or not."""
    job_id = bench.job(DAYS)
    executor = bench.executor(lease_seconds=6.0)
    with running(executor, job_id) as outcome:
        wait_until(lambda: bench.simulator.stats().requests >= 30)
        server.kill()
        time.sleep(1.5)
        told = time.monotonic()
        executor.stop("SIGTERM")
    assert time.monotonic() - told < 5
    if store == "postgres":
        assert isinstance(outcome.error, LedgerUnavailableError)
        server.start()
        time.sleep(6.5)  # until the lease has run out: the ledger could not be told that the run has ended
    else:
        assert outcome.result is not None
        assert outcome.result.stopped == "SIGTERM"
        server.start()
    bench.jobs._store.deadline.seconds = 60.0
    assert bench.executor().execute(job_id).success
    if store == "redis":
        assert_all_landed_once(bench, job_id)
    else:  # hashes that came after the ledger had gone were lost with the run
        assert bench.landed_ids(keys(DAYS)) == bench.expected_ids(keys(DAYS))
        assert bench.simulator.stats().rate_limited == 0
