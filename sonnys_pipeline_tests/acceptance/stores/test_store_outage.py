"""BM-04, BM-05, decision 5: the lake's S3 server is away for twenty seconds in mid-run, and comes back.

Real processes, a real server, real seconds: refused connections, and a server that takes requests and answers none.
"""

import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from sonnys_pipeline_tests.acceptance.conftest import BIN, Process, Site
from sonnys_pipeline_tests.support.forwarder import Forwarder
from sonnys_pipeline_tests.support.processes.run_records import submissions
from sonnys_pipeline_tests.support.servers import PASSWORD, S3Server, s3_settings

pytestmark = [pytest.mark.acceptance, pytest.mark.s3, pytest.mark.outage]
DAYS = [f"2026-11-{day:02d}" for day in range(1, 11)]
OUTAGE = 20.0


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Site:
    """Ten days of 250 rows (three pages), landed in a bucket."""
    return open_site(lake="s3", rows_per_day=249, midnight_row=True, speed=10, now="2026-11-20T12:00:00Z")


@pytest.fixture
def way(s3_server: S3Server) -> Iterator[Forwarder]:
    """The way to the server that the run under test takes; the test itself takes the direct one."""
    with Forwarder(s3_server.port) as way:
        yield way


def begin(start: Callable[..., Process], site: Site, way: Forwarder) -> Process:
    """A process that lands the days."""
    command = [BIN / "python", "-m", "sonnys_pipeline_tests.support.processes.job_process", "outage", *DAYS]
    return start(command, {**site.environment, **s3_settings(way.port)}, forked=True)


def wait_until_some_landed(site: Site, running: Process) -> None:
    """Until two days are there and others are not."""
    deadline = time.monotonic() + 60
    while len(site.lake.partitions("transactions")) < 2:
        assert time.monotonic() < deadline, running.output
        time.sleep(0.02)


def assert_all_landed_once(site: Site) -> None:
    """Every row once, and no page asked for twice."""
    for day in DAYS:
        assert site.landed_ids(day) == site.expected_ids(day)
    assert max(Counter(submissions(site.simulator.log)).values()) == 1


@pytest.mark.parametrize("kind", ["refuses", "hangs"])
def test_a_run_waits_for_a_store_that_comes_back(
    site: Site, way: Forwarder, s3_server: S3Server, start: Callable[..., Process], kind: str
) -> None:
    """Nothing lands meanwhile, then it goes on: one process, every row once, nothing lost."""
    running = begin(start, site, way)
    wait_until_some_landed(site, running)
    away, back = (way.refuse, way.accept) if kind == "refuses" else (s3_server.hang, s3_server.go_on)
    away()
    try:
        time.sleep(OUTAGE)
        assert running.popen.poll() is None, running.output
    finally:
        back()
    assert running.wait() == 0, running.output
    assert "does not answer" in running.output
    assert PASSWORD not in running.output
    assert_all_landed_once(site)


def test_a_run_that_is_told_to_stop_meanwhile_stops(site: Site, way: Forwarder, start: Callable[..., Process]) -> None:
    """Within some seconds, whatever is away (BM-04); the next process goes on, and no landed day is read again."""
    running = begin(start, site, way)
    wait_until_some_landed(site, running)
    way.refuse()
    time.sleep(3)
    landed = site.lake.partitions("transactions")
    told = time.monotonic()
    running.send(signal.SIGTERM)
    assert running.wait() == 128 + signal.SIGTERM, running.output
    assert time.monotonic() - told < 10
    way.accept()
    seen = len(site.simulator.log)
    assert begin(start, site, way).wait() == 0
    for day in DAYS:
        assert site.landed_ids(day) == site.expected_ids(day)
    again = {time.strftime("%Y-%m-%d", time.gmtime(at)) for at, _ in submissions(site.simulator.log[seen:])}
    assert not again & set(landed)
