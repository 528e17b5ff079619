"""What ledger and server remember of a run, for tests that stop it in mid-way and go on with it."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from urllib.parse import parse_qs

from sonnys_pipeline.ledger.models import RowStatus
from sonnys_pipeline.ledger.service import JobService, open_ledger
from sonnys_pipeline.simulator import RequestRecord
from sonnys_pipeline_tests.acceptance.conftest import Site

#: Seconds by which a block may look shorter: the store keeps whole milliseconds, to which block and margin are rounded.
_ROUNDING = 0.002


@contextmanager
def ledger(site: Site) -> Iterator[JobService]:
    """The site's ledger, open while inside."""
    with open_ledger(site.ledger_url) as jobs:
        yield jobs


def remembered(site: Site, name: str) -> tuple[set[str], set[tuple[int, int]]]:
    """What the ledger knows at this moment: landed days, and (start, page) of jobs whose hash it has."""
    lifetime = timedelta(seconds=float(site.environment["SONNYS_HASH_LIFETIME"]))
    with ledger(site) as jobs:
        job = jobs.find_job(name)
        if job is None:
            return set(), set()
        rows = jobs.get_rows(job.id)
        landed = {row.day for row in rows if row.status is RowStatus.COMPLETED}
        live = {
            (int(known.window_start.timestamp()), known.page)
            for row in rows
            if row.status is not RowStatus.COMPLETED
            for known in jobs.load_jobs.live(row.id, younger_than=lifetime)
            if known.job_hash
        }
    return landed, live


def submissions(log: Sequence[RequestRecord]) -> list[tuple[int, int]]:
    """Window start and page of each load job that was submitted; one that met a 429 was not, and is sent again."""
    asked = [parse_qs(record.query) for record in log if record.operation == "submit" and record.status != 429]
    return [(int(query["startDate"][0]), int(query["offset"][0])) for query in asked]


def fewest_seconds(site: Site) -> tuple[float, float]:
    """In how few seconds one request more than allowed has departed, by the audits, and the seconds that it must take.

    The audits are those of all processes of the site, each in its own state folder; the last line of one that was
    killed may be cut off.

    Whoever keeps to the budget keeps this apart, however busy the machine is. A 429 of the server says less: on a busy
    machine a request may travel longer than the budget's margin, and arrive among those of the next block.

    A permit that is older than the margin is not used. So two requests whose permits are a block and a margin apart
    depart a block apart at least, less the rounding.
    """
    audits = [audit.read_text().splitlines(keepends=True) for audit in site.folder.rglob("audit/*.ndjson")]
    lines = [json.loads(line) for audit in audits for line in audit if line.endswith("\n")]
    sent = sorted(datetime.fromisoformat(line["sent_at"]) for line in lines)
    config = site.simulator.config
    spans = [(later - one).total_seconds() for one, later in zip(sent, sent[config.rate_limit :], strict=False)]
    return min(spans), config.block_seconds / config.speed - _ROUNDING
