"""Killed and stopped at any moment, then resumed, in real processes: BM-04, BM-05, JS-06; decision 4.

`SONNYS_TEST_KILLS` raises the number of kills; fifty take some minutes.
"""

import json
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable

import pytest

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.simulator import Faults
from sonnys_pipeline_tests.acceptance.conftest import Process, Site
from sonnys_pipeline_tests.support.processes.run_records import remembered, submissions

pytestmark = pytest.mark.acceptance

DAYS = [f"2026-11-{day:02d}" for day in range(1, 11)]
KILLS = int(os.environ.get("SONNYS_TEST_KILLS", "6"))
Open = Callable[..., Site]
Start = Callable[..., Process]


@pytest.fixture
def site(open_site: Open) -> Site:
    """Ten days of 250 rows (three pages), the API thirty times faster than life."""
    return open_site(rows_per_day=249, midnight_row=True, speed=30, now="2026-11-20T12:00:00Z")


def begin(start: Start, site: Site, name: str, **settings: str) -> Process:
    command = ["python", "-m", "sonnys_pipeline_tests.support.processes.job_process", name, *DAYS]
    return start(command, {**site.environment, **settings}, forked=True)


def assert_all_landed_once(site: Site) -> None:
    """Every row of every day, once, and nothing unfinished beside the files."""
    for day in DAYS:
        assert site.landed_ids(day) == site.expected_ids(day)
    assert not list((site.folder / "data").rglob("*.tmp"))


def wait_for_requests(site: Site, count: int) -> None:
    """Until the server has seen so many requests."""
    deadline = time.monotonic() + 60
    while site.simulator.stats().requests < count:
        assert time.monotonic() < deadline, "the run sends nothing"
        time.sleep(0.002)


@pytest.mark.parametrize("number", range(KILLS))
def test_kill_nine_at_any_moment(site: Site, start: Start, number: int) -> None:
    """The next process lands what is missing: no landed day is read again, no live hash is submitted again."""
    moment = random.Random(number)
    name = f"killed-{number}"
    killed = begin(start, site, name)
    wait_for_requests(site, moment.randint(1, 58))
    time.sleep(moment.uniform(0.0, 0.05))
    killed.send(signal.SIGKILL)
    killed.wait()
    seen = len(site.simulator.log)
    landed, live = remembered(site, name)

    resumed = begin(start, site, name)
    assert resumed.wait() == 0, resumed.output
    assert_all_landed_once(site)

    after = site.simulator.log[seen:]
    submitted = submissions(after)
    starts_of_landed = {int(Day.of(day).start.timestamp()) for day in landed}
    assert not [job for job in submitted if job[0] in starts_of_landed]
    assert not [job for job in submitted if job in live]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_with_a_checkpoint(site: Site, start: Start, number: signal.Signals) -> None:
    """It leaves within five seconds, says how to go on, and the next process goes on."""
    running = begin(start, site, "stopped")
    wait_for_requests(site, 30)
    asked = time.monotonic()
    running.send(number)
    assert running.wait() == 128 + number
    assert time.monotonic() - asked < 5
    result = json.loads(running.stdout.read_text())
    assert (result["success"], result["failed"]) == (False, 0)
    assert number.name in result["stopped"]
    assert result["pending"] == len(DAYS) - result["successful"] > 0

    resumed = begin(start, site, "stopped")
    assert resumed.wait() == 0, resumed.output
    assert_all_landed_once(site)
    assert max(Counter(submissions(site.simulator.log)).values()) == 1


def test_a_second_executor_is_refused(site: Site, start: Start) -> None:
    """Two processes on one job: the second one leaves with the reason, the first one is unharmed (JS-06).

    The API takes three seconds an answer until the second one has left: a page needs two of them, and a day's later
    pages wait for its first, so that the first one is at work for at least 12 s.
    """
    site.simulator.set_faults(Faults(slow_answers=-1, slow_seconds=3 * site.simulator.config.speed))
    first = begin(start, site, "contested", SONNYS_JOB_TIMEOUT="60")
    wait_for_requests(site, 1)
    second = begin(start, site, "contested", SONNYS_JOB_TIMEOUT="60")
    assert second.wait() == 1
    site.simulator.set_faults()
    assert "JobLeasedError" in second.output
    assert first.wait() == 0, first.output
    assert_all_landed_once(site)


def test_a_crash_leaves_readable_records(site: Site, start: Start) -> None:
    """After a kill the ledger opens, and every line of the audit but perhaps the last one is JSON (BM-08)."""
    running = begin(start, site, "records")
    wait_for_requests(site, 40)
    running.send(signal.SIGKILL)
    running.wait()
    if site.ledger_url.startswith("sqlite:"):
        with sqlite3.connect(site.folder / "state" / "ledger.sqlite") as ledger:
            assert ledger.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert remembered(site, "records") != (set(), set())
    (lines,) = (site.folder / "state" / "audit").glob("*.ndjson")
    whole = lines.read_text().splitlines()[:-1]
    assert len(whole) > 10
    assert {json.loads(line)["operation"] for line in whole} >= {"submit", "poll"}
