"""BX-03, BX-04, BX-07, BM-04, JS-06: `sonnys backfill` in processes: signals, and two commands on one job at once."""

import json
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from sonnys_pipeline.ledger.models import JobMode, JobStatus
from sonnys_pipeline_tests.acceptance.conftest import Process, Site
from sonnys_pipeline_tests.support.processes.backfill_process import (
    DAYS,
    ROWS,
    approved,
    begin,
    sonnys,
    wait_for_days,
    wait_for_submissions,
)
from sonnys_pipeline_tests.support.processes.run_records import ledger, submissions

pytestmark = pytest.mark.acceptance

Start = Callable[..., Process]


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Site:
    """Days of 120 rows (two pages), the API thirty times faster than life; no Dagster."""
    return open_site(rows_per_day=ROWS, speed=30)


def assert_all_landed_once(site: Site) -> None:
    """Every row of every day, once, each page from one load job, and nothing unfinished beside the files."""
    for day in DAYS:
        assert site.landed_ids(day) == site.expected_ids(day)
    assert set(Counter(submissions(site.simulator.log)).values()) == {1}
    assert not list((site.folder / "data").rglob("*.tmp"))


def test_the_walk_in_processes(site: Site, start: Start) -> None:
    """Previewed and run, as a shell starts them: exit code 0 and one document on stdout; progress on stderr."""
    previewed = begin(start, site, "preview", "--start", DAYS[0], "--end", DAYS[-1], "--json", forked=False)
    assert previewed.wait() == 0, previewed.output
    assert previewed.stderr.read_text() == ""
    job = json.loads(previewed.stdout.read_text())["job_id"]
    assert sonnys(site, "approve", job).exit_code == 0

    ended = begin(start, site, "run", job, "--json", forked=False)

    assert ended.wait() == 0, ended.output
    assert json.loads(ended.stdout.read_text())["success"]
    assert f"{len(DAYS)} of {len(DAYS)} days" in ended.stderr.read_text()
    assert_all_landed_once(site)
    with ledger(site) as jobs:
        assert (
            jobs.get_job(job).original_command == f"sonnys backfill preview --start {DAYS[0]} --end {DAYS[-1]} --json"
        )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_with_a_checkpoint(site: Site, start: Start, tmp_path: Path, number: signal.Signals) -> None:
    """Within five seconds: exit code 143 or 130, a checkpoint, a way on; which, taken, lands every row once.

    The CSV that the days come from says at each of the two ends what is completed, and what is pending.
    """
    csv = tmp_path / "days.csv"
    csv.write_text("date,mine\n" + "".join(f"{day},x\n" for day in DAYS))
    previewed = sonnys(site, "preview", "--from-csv", str(csv), "--json")
    job = json.loads(previewed.stdout)["job_id"]
    running = begin(start, site, "run", job, "--mode", "auto", "--json")
    wait_for_days(site, 3)

    asked = time.monotonic()
    running.send(number)
    assert running.wait() == 128 + number, running.output
    assert time.monotonic() - asked < 5

    document = json.loads(running.stdout.read_text())
    assert (document["status"], document["success"], document["failed"]) == ("paused", False, 0)
    assert 3 <= document["successful"] == len(DAYS) - document["pending"] < len(DAYS)
    assert number.name in document["stopped"]
    assert f"Continue with: sonnys backfill resume {job}" in running.stderr.read_text()
    with ledger(site) as jobs:
        kept = jobs.get_job(job)
    assert (kept.status, kept.lease_owner, kept.successful_days) == (JobStatus.PAUSED, None, document["successful"])
    assert csv.read_text().count(",x,completed,") == document["successful"]
    assert csv.read_text().count(",x,pending,") == document["pending"]

    resumed = sonnys(site, "resume", job, "--json")
    assert resumed.exit_code == 0, resumed.output
    assert json.loads(resumed.stdout)["successful"] == document["pending"]
    assert_all_landed_once(site)
    assert csv.read_text().count(",x,completed,") == len(DAYS)
    assert not list(tmp_path.glob(".sonnys-manifest*"))


def test_a_second_run_is_refused_and_the_mode_stays(site: Site, start: Start) -> None:
    """While one process runs the job: another `run`, and one that would switch its mode, leave with 1 and the reason.

    The first one is unharmed.
    """
    job = approved(site)
    first = begin(start, site, "run", job, "--json", SONNYS_RATE_LIMIT="10/0.5")
    wait_for_days(site, 1)

    second = sonnys(site, "run", job)
    switching = sonnys(site, "run", job, "--mode", "auto")
    resuming = sonnys(site, "resume", job)

    assert first.popen.poll() is None, "the first one has ended too soon to be disturbed"
    for refused, said in (
        (second, "is executed by"),
        (switching, "is executed by"),
        (resuming, "is executed by"),
    ):
        assert refused.exit_code == 1, refused.output
        assert refused.stdout == ""
        line = refused.stderr.splitlines()[-1]
        assert line.startswith("Error: ")
        assert said in line
    assert first.wait() == 0, first.output
    assert json.loads(first.stdout.read_text())["successful"] == len(DAYS)
    with ledger(site) as jobs:
        assert jobs.get_job(job).mode is JobMode.CONFIRM
    assert_all_landed_once(site)


def test_a_running_job_that_is_cancelled_stops(site: Site, start: Start) -> None:
    """From a second process: `cancel` says that it takes seconds; within ten the first one ends with 1, cancelled."""
    job = approved(site)
    # Eighty requests take ten seconds and more: the run cannot be over by itself.
    first = begin(start, site, "run", job, SONNYS_RATE_LIMIT="10/1.5")
    wait_for_submissions(site, 1)

    asked = time.monotonic()
    cancelled = sonnys(site, "cancel", job)
    assert cancelled.exit_code == 0, cancelled.output
    assert "its process stops within seconds" in cancelled.stderr
    assert first.wait() == 1, first.output

    assert time.monotonic() - asked < 10
    with ledger(site) as jobs:
        kept = jobs.get_job(job)
    assert (kept.status, kept.lease_owner) == (JobStatus.CANCELLED, None)
    landed = site.lake.partitions("transactions")
    assert len(landed) < len(DAYS)
    for day in landed:
        assert site.landed_ids(day) == site.expected_ids(day)
    assert "resume" not in first.output
