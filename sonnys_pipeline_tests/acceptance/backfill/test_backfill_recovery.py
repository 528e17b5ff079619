"""BX-06, BM-05: `sonnys backfill run` killed in mid-run; the next start names it, and does what the person chooses."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.ledger.models import JobStatus
from sonnys_pipeline_tests.acceptance.conftest import BIN, STUCK, Process, Site
from sonnys_pipeline_tests.support.processes.backfill_process import (
    DAYS,
    ROWS,
    approved,
    begin,
    environment_of,
    sonnys,
    wait_for_days,
)
from sonnys_pipeline_tests.support.processes.run_records import ledger, submissions

pytestmark = pytest.mark.acceptance

Start = Callable[..., Process]


@pytest.fixture
def site(open_site: Callable[..., Site]) -> Site:
    """Days of 120 rows (two pages), the API thirty times faster than life; no Dagster."""
    return open_site(rows_per_day=ROWS, speed=30)


@pytest.fixture
def killed(site: Site, start: Start) -> str:
    """A job whose process was killed with -9 in mid-run; its id."""
    job = approved(site)
    running = begin(start, site, "run", job, SONNYS_RATE_LIMIT="10/0.5")
    wait_for_days(site, 4)
    running.send(signal.SIGKILL)
    running.wait()
    return job


def completed(site: Site, job: str) -> set[str]:
    """Days that the ledger knows to be landed."""
    with ledger(site) as jobs:
        return {row.day for row in jobs.get_rows(job) if row.path is not None}


def read_since(site: Site, seen: int) -> set[str]:
    """Days of which a load job was submitted since so many requests."""
    days = {int(Day.of(day).start.timestamp()): day for day in DAYS}
    return {days[start] for start, _ in submissions(site.simulator.log[seen:])}


def assert_all_landed_once(site: Site) -> None:
    """Every row of every day, once, and nothing unfinished beside the files."""
    for day in DAYS:
        assert site.landed_ids(day) == site.expected_ids(day)
    assert not list((site.folder / "data").rglob("*.tmp"))


def test_it_is_named_and_nothing_is_done_unasked(site: Site, killed: str) -> None:
    """list, status and preview name it; `run` of it, without a terminal, ends with 2 and what to type."""
    landed, seen = completed(site, killed), len(site.simulator.log)
    assert 0 < len(landed) < len(DAYS)
    type_this = f"sonnys backfill run {killed} --recover resume (or restart, or cancel)"

    (listed,) = json.loads(sonnys(site, "list", "--json").stdout)["jobs"]
    assert (listed["job_id"], listed["status"], listed["interrupted"]) == (killed, "running", True)
    assert "interrupted" in sonnys(site, "list").stdout
    status = sonnys(site, "status", killed).stdout
    assert "its process is gone" in status
    assert type_this in status
    refused = sonnys(site, "run", killed)
    assert refused.exit_code == 2
    (line,) = refused.stderr.splitlines()
    assert line.startswith(f"Error: job {killed} was interrupted: its process is gone, {len(landed)} of {len(DAYS)} ")
    assert "--recover resume (or restart, or cancel)" in line

    assert len(site.simulator.log) == seen
    assert completed(site, killed) == landed
    told = sonnys(site, "preview", "--start", DAYS[0], "--end", DAYS[1]).stderr
    assert f"Interrupted: job {killed}" in told
    assert type_this in told


def test_resume_reads_what_is_missing(site: Site, killed: str) -> None:
    """No landed day is read again, by the server's log; in the end every row is there once."""
    landed, seen = completed(site, killed), len(site.simulator.log)

    resumed = sonnys(site, "run", killed, "--recover", "resume", "--json")

    assert resumed.exit_code == 0, resumed.output
    assert json.loads(resumed.stdout)["processed"] == len(DAYS) - len(landed)
    assert not read_since(site, seen) & landed
    assert_all_landed_once(site)


def test_restart_reads_everything_again(site: Site, killed: str) -> None:
    """Landed days, too, are submitted again (the others' load jobs are still alive); every row is there once."""
    landed, seen = completed(site, killed), len(site.simulator.log)

    restarted = sonnys(site, "run", "--recover", "restart", "--json")  # without a job: every interrupted one

    assert restarted.exit_code == 0, restarted.output
    (document,) = json.loads(restarted.stdout)["jobs"]
    assert (document["job_id"], document["processed"], document["success"]) == (killed, len(DAYS), True)
    assert read_since(site, seen) >= landed
    assert_all_landed_once(site)


def test_cancel_gives_it_up(site: Site, killed: str) -> None:
    """The job is cancelled, what was landed stays as it was, nothing is requested; it is interrupted no more."""
    files = {path: path.read_bytes() for path in (site.folder / "data").rglob("*.parquet")}
    seen = len(site.simulator.log)

    cancelled = sonnys(site, "run", killed, "--recover", "cancel", "--json")

    assert cancelled.exit_code == 0, cancelled.output
    assert json.loads(cancelled.stdout)["status"] == "cancelled"
    assert len(site.simulator.log) == seen
    assert {path: path.read_bytes() for path in (site.folder / "data").rglob("*.parquet")} == files
    with ledger(site) as jobs:
        assert jobs.get_job(killed).status is JobStatus.CANCELLED
    assert sonnys(site, "run", "--recover", "resume").stderr.strip() == "No job was interrupted."
    assert sonnys(site, "run", killed).exit_code == 2


class Terminal:
    """A command at a terminal of 80 columns; what it shows is kept as text."""

    def __init__(self, site: Site, *arguments: str) -> None:
        ours, its = pty.openpty()
        environment = {**environment_of(site), "TERM": "xterm", "COLUMNS": "80", "LINES": "40"}
        command = [BIN / "sonnys", "backfill", *arguments]
        self.process = subprocess.Popen(
            command, env=environment, stdin=its, stdout=its, stderr=its, start_new_session=True
        )
        os.close(its)
        self._fd, self.shown = ours, ""

    def read_until(self, text: str | None) -> None:
        """Until it has shown this, or all that it ever will."""
        deadline = time.monotonic() + STUCK
        while text is None or text not in self.shown:
            assert time.monotonic() < deadline, self.shown
            if select.select([self._fd], [], [], 1)[0]:
                try:
                    read = os.read(self._fd, 65536).decode(errors="replace")
                except OSError:  # Linux's way to say that the other end is closed
                    read = ""
                if not read:
                    assert text is None, self.shown
                    return
                self.shown += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", read)

    def type(self, line: str) -> None:
        """A line, and Return."""
        os.write(self._fd, f"{line}\n".encode())

    def end(self) -> int:
        """Its exit code; killed where it does not come."""
        try:
            self.read_until(None)
            return self.process.wait(STUCK)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            os.close(self._fd)


def test_at_a_terminal_it_asks_and_follows_the_answer(site: Site, killed: str) -> None:
    """The three choices are explained; what is none of them is asked again; `resume` resumes, under a progress bar."""
    landed, seen = completed(site, killed), len(site.simulator.log)
    terminal = Terminal(site, "run", killed)

    terminal.read_until("What to do?")
    for choice in ("resume   load the missing days", "restart  load all days again", "cancel   end the job"):
        assert choice in terminal.shown
    assert len(site.simulator.log) == seen
    terminal.type("whatever")
    terminal.read_until("is not one of")
    terminal.type("resume")

    assert terminal.end() == 0, terminal.shown
    assert f"{len(DAYS)} of {len(DAYS)} days landed: the job is completed." in terminal.shown
    assert not read_since(site, seen) & landed
    assert_all_landed_once(site)

    listing = Terminal(site, "list")
    assert listing.end() == 0, listing.shown
    assert f"{killed}  completed  {len(DAYS)} of {len(DAYS)}" in listing.shown  # whole, to be copied
    assert f"{DAYS[0]} … {DAYS[-1]}" in listing.shown
    assert max(map(len, listing.shown.splitlines())) <= 80
