"""BM-04, BM-05, DG-03: "Terminate" in Dagster's UI and SIGTERM to its command, in mid-run, and how each goes on.

The first test asks a real `dagster dev` what the UI's buttons ask it: to launch a run over a range, to terminate it, to
re-execute it from failure. Every run is a process of its own. Durations pass ten times faster than in life.
"""

import logging
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.ledger.models import Job, JobStatus
from sonnys_pipeline_tests.acceptance.conftest import Process, Site
from sonnys_pipeline_tests.support.processes.dagster_dev import Server, dagster_dev, until
from sonnys_pipeline_tests.support.processes.run_records import fewest_seconds, ledger, remembered, submissions

pytestmark = pytest.mark.acceptance
#: Figures of each test; `pytest --log-cli-level=INFO` shows them.
logger = logging.getLogger(__name__)

DAYS = [(date(2026, 10, 20) + timedelta(days=number)).isoformat() for number in range(12)]
#: Seconds in which a stopped run must have checkpointed (BM-04).
PROMISED = 5
#: What Dagster adds until its run counts as over: it looks at a run that was asked to end about every second.
OVERHEAD = 10
PAGES = 3


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Site:
    """Days of 250 rows (three pages)."""
    return open_site(rows_per_day=249, midnight_row=True, speed=10, now="2026-11-20T12:00:00Z")


@pytest.fixture
def server(site: Site, start: Callable[..., Process]) -> Iterator[Server]:
    """`dagster dev`, answering; ended after the test."""
    with dagster_dev(start, site.environment) as running:
        yield running


def jobs_of(site: Site) -> list[Job]:
    """Every job of the ledger, oldest first."""
    with ledger(site) as jobs:
        return jobs.list_jobs()[::-1]


def paused_at(site: Site, job: Job) -> datetime:
    """When it was last paused."""
    with ledger(site) as jobs:
        return [entry.at for entry in jobs.transitions(job.id) if entry.to_status is JobStatus.PAUSED][-1]


def landed_some(site: Site) -> bool:
    """Whether a quarter of the days has landed."""
    return len(site.lake.partitions("transactions")) >= len(DAYS) // 4


def assert_checkpoint(site: Site) -> set[str]:
    """The one job is paused and free, its landed days are recorded once each, nothing is half-written; those days."""
    (job,) = jobs_of(site)
    landed, _ = remembered(site, job.name)
    assert (job.status, job.lease_owner, job.successful_days) == (JobStatus.PAUSED, None, len(landed))
    assert 0 < len(landed) < len(DAYS)
    assert Counter(day for day, _ in site.materializations()) == dict.fromkeys(landed, 1)
    assert not list((site.folder / "data").rglob("*.tmp"))
    return landed


def assert_all_landed_once(site: Site) -> None:
    """Every row of every day once, each page from one load job, and never more requests than allowed."""
    for day in DAYS:
        assert site.landed_ids(day) == site.expected_ids(day)
    assert not list((site.folder / "data").rglob("*.tmp"))
    assert site.simulator.stats().jobs_created == PAGES * len(DAYS)
    took, allowed = fewest_seconds(site)
    assert took >= allowed


def test_terminate_and_re_execute_from_failure(site: Site, server: Server) -> None:
    """Terminated: cancelled after a checkpoint within five seconds, landed days recorded once.

    From failure: the same job goes on; no landed day is read again, no live hash submitted again, every row once. As
    it succeeds, Dagster records every partition of the run: days that had landed before have two materializations.
    """
    run_id = server.launch_days(DAYS[0], DAYS[-1])
    until(lambda: landed_some(site))

    asked, started = datetime.now(UTC), time.monotonic()
    server.terminate(run_id)
    assert server.ends_as(run_id) == "CANCELED"

    cancelled_after = time.monotonic() - started
    landed = assert_checkpoint(site)
    (job,) = jobs_of(site)
    paused_after = (paused_at(site, job) - asked).total_seconds()
    assert job.name == f"dagster:{run_id}"
    assert paused_after < PROMISED
    assert cancelled_after < PROMISED + OVERHEAD
    _, live = remembered(site, job.name)
    seen = len(site.simulator.log)

    resumed = server.go_on(run_id)
    assert server.ends_as(resumed) == "SUCCESS"

    assert [(job.name, job.status) for job in jobs_of(site)] == [(f"dagster:{run_id}", JobStatus.COMPLETED)]
    assert_all_landed_once(site)
    again = submissions(site.simulator.log[seen:])
    assert live
    assert not {start for start, _ in again} & {int(Day.of(day).start.timestamp()) for day in landed}
    assert not set(again) & live
    assert Counter(day for day, _ in site.materializations()) == {day: 1 + (day in landed) for day in DAYS}
    stats = site.simulator.stats()
    figures = {
        "landed": len(landed), "live": len(live), "submitted_again": len(again), "paused_after": paused_after,
        "cancelled_after": cancelled_after, "submissions": stats.submissions, "requests": stats.requests,
    }  # fmt: skip
    logger.info("%s", figures)


def test_sigterm_to_the_command(site: Site, materialize: Callable[..., Process]) -> None:
    """`dagster asset materialize` leaves within five seconds, with a checkpoint, and says that it did not finish.

    The same command again is a new run, and has a job of its own: it reads all of its days, those that had landed too
    (the server still has the load jobs of the first run, so it makes none twice), and every row is there once.
    """
    stopped = materialize(site, DAYS[0], DAYS[-1])
    until(lambda: landed_some(site))

    started = time.monotonic()
    stopped.send(signal.SIGTERM)
    assert stopped.wait() == 1

    ended_after = time.monotonic() - started
    assert ended_after < PROMISED
    assert "The run was terminated" in stopped.output
    landed = assert_checkpoint(site)
    seen = len(site.simulator.log)

    again = materialize(site, DAYS[0], DAYS[-1])
    assert again.wait() == 0, again.output

    assert [job.status for job in jobs_of(site)] == [JobStatus.PAUSED, JobStatus.COMPLETED]
    assert_all_landed_once(site)
    assert Counter(submissions(site.simulator.log[seen:])) == {
        (int(Day.of(day).start.timestamp()), page): 1 for day in DAYS for page in range(1, PAGES + 1)
    }
    assert Counter(day for day, _ in site.materializations()) == {day: 1 + (day in landed) for day in DAYS}
    figures = {"landed": len(landed), "ended_after": ended_after, "submissions": site.simulator.stats().submissions}
    logger.info("%s", figures)
