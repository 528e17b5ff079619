"""BM-05, LV-01: a run that reads each day site by site, killed with kill -9 again and again, resumed until it is done.

`SONNYS_TEST_KILLS` raises the number of kills; fifty take some minutes. `pytest -rP` shows the figures.
"""

import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TypeAlias
from urllib.parse import parse_qs

import pytest

from sonnys_pipeline.lake.transactions import landed_sites
from sonnys_pipeline.ledger.models import RowStatus
from sonnys_pipeline.simulator import RequestRecord
from sonnys_pipeline_tests.acceptance.conftest import BIN, Site
from sonnys_pipeline_tests.support.processes.run_records import ledger

pytestmark = pytest.mark.acceptance

KILLS = int(os.environ.get("SONNYS_TEST_KILLS", "4"))
#: More than so many kills leave time for, so that each of them finds a run.
DAYS = [(date(2026, 9, 1) + timedelta(days=number)).isoformat() for number in range(3 + 2 * KILLS // 3)]
JOB = "killed again and again"
PageOfSite: TypeAlias = tuple[str, int, int]
"""Site, start of the window in Unix seconds, page number."""


@dataclass
class Kill:
    """What a killed process has left: requests that the server has seen, days landed, and pages without a hash.

    `unwritten` are pages whose submission stands in the ledger as intended, and whose hash does not: the process died
    between the two.
    """

    seen: int
    landed: int
    unwritten: set[PageOfSite]


@dataclass
class Figures:
    """What is counted over all kills."""

    again: list[PageOfSite] = field(default_factory=list)
    unwritten: list[PageOfSite] = field(default_factory=list)


def test_killed_again_and_again_and_resumed(open_site, start):
    """Every row once, no half day at any moment, and no page submitted again whose hash was written down.

    A process that dies between the answer to a POST and the line in the ledger leaves a hash that nobody knows: its
    page is submitted again. Those are counted apart; in the ledger each of them stands as an intent without a hash.
    """
    site = open_site(
        sites=5,
        rows_per_day=600,
        midnight_row=True,
        speed=30,
        hash_seconds=60_000,
        now="2026-11-24T12:00:00Z",
        closed={"Harbor": [DAYS[1]]},
        opened={"Mesa": DAYS[2]},
    )
    kills = [kill_one(start, site, number) for number in range(KILLS)]
    last = begin(start, site)
    assert last.wait() == 0, last.output

    ids = Counter(site.landed_ids(*DAYS))
    assert ids == Counter(row for day in DAYS for row in site.expected_ids(day))
    assert [landed_sites(site.lake, day) for day in DAYS] == [None] * len(DAYS)
    states = site.lake.read("transaction_states", DAYS, ["transaction_id"])["transaction_id"].to_pylist()
    assert Counter(states) == ids
    assert not list((site.folder / "data").rglob("*.tmp"))

    figures = submitted_again(site.simulator.log, kills)
    posts = [page_of(record) for record in site.simulator.log if is_submission(record)]
    print(  # noqa: T201 - the figures of a long run, for who asks for them
        f"{KILLS} kills, {len(DAYS)} days, {len(site.simulator.log)} requests, {len(posts)} load jobs submitted, "
        f"{len(set(posts))} pages; landed before the last kill: {kills[-1].landed} days; submitted again though "
        f"the hash was written: {len(figures.again)}; because it was not: {len(figures.unwritten)}; "
        f"refused with 429: {site.simulator.stats().rate_limited}"
    )
    assert figures.again == []
    assert len(posts) == len(set(posts)) + len(figures.unwritten)


def begin(start, site):
    command = [BIN / "python", "-m", "sonnys_pipeline_tests.support.processes.job_process", JOB, *DAYS]
    return start(command, site.environment, forked=True)


def kill_one(start, site: Site, number: int) -> Kill:
    """Start or resume the run, kill it at a moment drawn by the number, and look at what it left."""
    moment = random.Random(number)
    running = begin(start, site)
    wait_for_requests(site, running, moment.randint(1, 40))
    time.sleep(moment.uniform(0.0, 0.05))
    running.send(signal.SIGKILL)
    assert running.wait() == -signal.SIGKILL, f"kill {number} came too late: {running.output}"
    wait_for_silence(site)
    assert_no_half_day(site)
    with ledger(site) as jobs:
        job = jobs.find_job(JOB)
        rows = jobs.get_rows(job.id) if job else []
        known = [one for row in rows if row.status is not RowStatus.COMPLETED for one in jobs.load_jobs.of(row.id)]
    unwritten = {(one.site or "", int(one.window_start.timestamp()), one.page) for one in known if not one.job_hash}
    return Kill(len(site.simulator.log), sum(row.status is RowStatus.COMPLETED for row in rows), unwritten)


def wait_for_requests(site: Site, running, count: int) -> None:
    """Until the server has seen so many more requests."""
    wanted, deadline = site.simulator.stats().requests + count, time.monotonic() + 120
    while site.simulator.stats().requests < wanted:
        assert time.monotonic() < deadline, f"the run sends nothing: {running.output}"
        assert running.popen.poll() is None, f"the run has ended before it was killed: {running.output}"
        time.sleep(0.002)


def wait_for_silence(site: Site) -> None:
    """Until the server has answered what a killed process has left on the wire."""
    seen = -1
    while seen != (seen := len(site.simulator.log)):
        time.sleep(0.3)


def assert_no_half_day(site: Site) -> None:
    """Each day that is landed is landed whole: all sites, every row."""
    for day in site.lake.partitions("transactions"):
        assert landed_sites(site.lake, day) is None
        assert site.landed_ids(day) == site.expected_ids(day)


def is_submission(record: RequestRecord) -> bool:
    """Whether it brought a hash; a POST that met a 429 did not, and is sent again."""
    return record.operation == "submit" and record.status == 200


def page_of(record: RequestRecord) -> PageOfSite:
    query = {name: values[0] for name, values in parse_qs(record.query).items()}
    return query["site"], int(query["startDate"]), int(query["offset"])


def submitted_again(log: list[RequestRecord], kills: list[Kill]) -> Figures:
    """Load jobs whose page had been submitted before; each hash lives through the whole test."""
    figures, before = Figures(), dict[PageOfSite, int]()
    for position, record in enumerate(log):
        if not is_submission(record):
            continue
        page = page_of(record)
        if page in before:
            killed = [kill for kill in kills if before[page] < kill.seen <= position]
            nobody_knew = bool(killed) and page in killed[-1].unwritten
            (figures.unwritten if nobody_knew else figures.again).append(page)
        before[page] = position
    return figures
