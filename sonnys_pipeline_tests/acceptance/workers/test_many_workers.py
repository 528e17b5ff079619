"""DG-03, BM-04, BM-05, BM-07 for many workers: one API id, every row once, workers that leave and that are lost.

Real Celery workers with real Redis and PostgreSQL, and `dagster dev` for queue, monitoring and retries, on the instance
that `deploy/celery/` describes. Durations of the API pass ten times faster than in life. The margin between departures
and arrivals shrinks with them, so the budget is judged by departures: a busy machine may deliver a request late.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.ledger.models import JobStatus
from sonnys_pipeline_tests.acceptance.conftest import Process, Site
from sonnys_pipeline_tests.support.processes.celery_workers import Worker, can_be_alone, meeting_place, start_worker
from sonnys_pipeline_tests.support.processes.dagster_dev import OVER, dagster_dev, until
from sonnys_pipeline_tests.support.processes.run_records import fewest_seconds, ledger, remembered, submissions
from sonnys_pipeline_tests.support.servers import PASSWORD, RedisServer

pytestmark = [pytest.mark.acceptance, pytest.mark.postgres, pytest.mark.redis]
#: Figures of each test; `pytest --log-cli-level=INFO` shows them.
logger = logging.getLogger(__name__)

DAYS = [(date(2026, 10, 20) + timedelta(days=number)).isoformat() for number in range(20)]
DAYS_PER_RUN = 5
WORKERS = 4
PAGES = 3
#: Seconds in which a stopped run must have checkpointed (BM-04).
PROMISED = 5
#: What web server and broker may take on loaded cores until the worker hears of it.
ON_THE_WAY = 10


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Site:
    """Days of 250 rows (three pages); hashes live for ten minutes of ours, so that none expires on a busy machine."""
    return open_site(
        stores="postgres", rows_per_day=249, midnight_row=True, speed=10, hash_seconds=6000, now="2026-11-20T12:00:00Z"
    )


def landing_runs(site: Site) -> list[dg.DagsterRun]:
    """The runs that read `transactions`, oldest first; not those of marts that follow by themselves."""
    with dg.DagsterInstance.from_config(site.environment["DAGSTER_HOME"]) as instance:
        runs = instance.get_runs()
    return [run for run in reversed(runs) if run.asset_selection and dg.AssetKey("transactions") in run.asset_selection]


def assert_every_row_once(site: Site) -> None:
    """Every row of every day once, each page from one load job, never more requests than allowed."""
    for day in DAYS:
        assert site.landed_ids(day) == site.expected_ids(day)
    # Marts that follow may still be written.
    until(lambda: not list((site.folder / "data").rglob("*.tmp")))
    assert site.simulator.stats().jobs_created == PAGES * len(DAYS)
    assert_budget_kept(site)


def assert_budget_kept(site: Site) -> None:
    """All workers together have sent no more requests than allowed in any block."""
    took, allowed = fewest_seconds(site)
    assert took >= allowed


def landed(site: Site) -> int:
    """How many days."""
    return len(site.lake.partitions("transactions"))


def figures(site: Site, **more: Any) -> None:
    """Log what a test has measured."""
    stats = site.simulator.stats()
    log = site.simulator.log
    logger.info("%s", {"requests": stats.requests, "submissions": len(submissions(log)), **more})


def test_one_backfill_on_four_workers(
    site: Site, start: Callable[..., Process], redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One backfill becomes four runs, and several workers share them: one budget, every row once, one event a day.

    Redis is killed while they work, and forgets everything: no run notices. Each worker keeps its audit in a folder of
    its own. No secret stands in what the processes say.
    """
    redis_server.flush()
    environment = meeting_place(site, redis_server.url, SONNYS_DAYS_PER_RUN=str(DAYS_PER_RUN))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    workers = [start_worker(start, f"worker-{number}", site, environment) for number in range(WORKERS)]
    with dagster_dev(start, environment) as server:
        until(lambda: all(worker.is_ready() for worker in workers))
        began = time.monotonic()
        server.backfill(DAYS)
        until(lambda: len(landing_runs(site)) == len(DAYS) // DAYS_PER_RUN, every=0.5)
        runs = landing_runs(site)
        until(lambda: sum(len(worker.audits) for worker in workers) == len(runs))
        redis_server.kill()
        before = landed(site)
        until(lambda: landed(site) > before or before == len(DAYS))
        redis_server.start()
        ended = Counter(server.ends_as(run.run_id) for run in runs)
        seconds = time.monotonic() - began
        said = server.process.output + "".join(worker.process.output for worker in workers)
    assert ended == {"SUCCESS": len(DAYS) // DAYS_PER_RUN}, said
    assert_every_row_once(site)
    assert Counter(day for day, _ in site.materializations()) == dict.fromkeys(DAYS, 1)
    with ledger(site) as jobs:
        assert Counter(job.status for job in jobs.list_jobs()) == {JobStatus.COMPLETED: len(runs)}
    by_worker = {worker.name: len(worker.audits) for worker in workers}
    assert sum(by_worker.values()) == len(runs)
    assert sum(count > 0 for count in by_worker.values()) >= 2
    assert not list((site.folder / "state").rglob("audit/*"))
    for secret in (PASSWORD, site.environment["SONNYS_API_KEY"]):
        assert secret not in said
    figures(site, runs=by_worker, seconds=round(seconds, 1), machines=can_be_alone())


def busy(workers: list[Worker]) -> tuple[Worker, list[Worker]]:
    """The one worker that has executed anything, and the others."""
    (at_work,) = (worker for worker in workers if worker.audits)
    return at_work, [worker for worker in workers if worker is not at_work]


@pytest.mark.outage
def test_a_lost_worker_is_noticed_and_its_run_goes_on_elsewhere(
    site: Site, start: Callable[..., Process], redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in mid-run: the daemon finds the run lost, and retries it; another worker goes on with the same job.

    No landed day is read again, and no load job is submitted again whose hash was known: nothing lost, nothing doubled.
    """
    environment = meeting_place(site, redis_url)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    workers = [start_worker(start, f"worker-{number}", site, environment) for number in range(2)]
    with dagster_dev(start, environment) as server:
        run_id = server.launch_days(DAYS[0], DAYS[-1])
        until(lambda: landed(site) >= len(DAYS) // 4)
        at_work, (other,) = busy(workers)
        at_work.kill()
        killed = time.monotonic()
        seen = len(site.simulator.log)
        before, live = remembered(site, f"dagster:{run_id}")
        assert 0 < len(before) < len(DAYS)

        assert server.ends_as(run_id) == "FAILURE"
        noticed_after = time.monotonic() - killed
        until(lambda: len(landing_runs(site)) == 2, every=0.5)
        retried = landing_runs(site)[1]
        assert retried.parent_run_id == run_id
        assert server.ends_as(retried.run_id) == "SUCCESS", other.process.output
        done_after = time.monotonic() - killed
    assert other.audits
    for day in DAYS:
        assert site.landed_ids(day) == site.expected_ids(day)
    assert_budget_kept(site)
    with ledger(site) as jobs:
        assert [(job.name, job.status) for job in jobs.list_jobs()] == [(f"dagster:{run_id}", JobStatus.COMPLETED)]
    again = submissions(site.simulator.log[seen:])
    assert not {begin for begin, _ in again} & {int(Day.of(day).start.timestamp()) for day in before}
    assert not set(again) & live
    assert len(again) == len(set(again))
    figures(
        site, landed_before=len(before), live=len(live), again=len(again), noticed_after=round(noticed_after, 1),
        done_after=round(done_after, 1), machines=can_be_alone(),
    )  # fmt: skip


def test_a_run_is_terminated_and_a_worker_leaves(
    site: Site, start: Callable[..., Process], redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """"Terminate" reaches the worker: cancelled with a checkpoint, and nobody retries it. SIGTERM to a worker, too:
    checkpoint, and it leaves. Each time "from failure" goes on with the same job, the last time elsewhere.
    """  # fmt: skip
    environment = meeting_place(site, redis_url)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    first = start_worker(start, "worker-0", site, environment)
    with dagster_dev(start, environment) as server:
        run_id = server.launch_days(DAYS[0], DAYS[-1])
        until(lambda: landed(site) >= len(DAYS) // 5)
        asked = datetime.now(UTC)
        server.terminate(run_id)
        assert server.ends_as(run_id) == "CANCELED", first.process.output
        terminated_after = paused_after(site, asked)

        resumed = server.go_on(run_id)
        until(lambda: landed(site) >= len(DAYS) // 2)
        asked = datetime.now(UTC)
        first.ask_to_leave()
        assert first.process.wait() == 0, first.process.output
        left_after = (datetime.now(UTC) - asked).total_seconds()
        assert server.ends_as(resumed) == "FAILURE"
        stopped_after = paused_after(site, asked)

        second = start_worker(start, "worker-1", site, environment)
        last = server.go_on(resumed)
        assert server.ends_as(last) == "SUCCESS", second.process.output
        assert {server.status(run.run_id) for run in landing_runs(site)} <= OVER
    assert [run.run_id for run in landing_runs(site)] == [run_id, resumed, last]
    assert_every_row_once(site)
    assert terminated_after < PROMISED + ON_THE_WAY
    assert stopped_after < PROMISED
    with ledger(site) as jobs:
        assert [(job.name, job.status) for job in jobs.list_jobs()] == [(f"dagster:{run_id}", JobStatus.COMPLETED)]
    figures(site, terminated_after=terminated_after, stopped_after=stopped_after, left_after=left_after)


def paused_after(site: Site, asked: datetime) -> float:
    """Seconds until the one job was paused, with its lease given back."""
    with ledger(site) as jobs:
        (job,) = jobs.list_jobs()
        assert job.status is JobStatus.PAUSED
        until(lambda: jobs.get_job(job.id).lease_owner is None)
        return (
            [entry.at for entry in jobs.transitions(job.id) if entry.to_status is JobStatus.PAUSED][-1] - asked
        ).total_seconds()
