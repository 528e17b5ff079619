"""BX-01, JS-03: what the ledger's operations cost does not grow with the job: counted in statements and machine steps.

A step is one instruction of SQLite's machine: each line of a table or an index that is looked at takes some, so that
a forgotten index or a count made anew shows, however fast the disk is.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.ledger.models import JobMode, JobRow, JobStatus, RowFigures
from sonnys_pipeline.ledger.service import JobService
from sonnys_pipeline_tests.unit.conftest import specs

OWNER = "this test"
WINDOW = Day.of("2026-01-01").windows[0]
#: Steps by which the same operation may differ: newer versions of SQLite look at some keys in fewer. One step for each
#: row of a long job would be 495 more.
SAME_WITHIN = 40
LANDED = RowFigures(["h1", "h2"], "/data/x", rows=150, requests=4, seconds=2.5)


class Meter:
    """Statements and steps since it was set to zero."""

    def __init__(self) -> None:
        self.statements = self.steps = 0

    def executed(self, *_: Any) -> None:
        self.statements += 1

    def stepped(self) -> int:
        self.steps += 1
        return 0


@contextmanager
def metered(ledger: JobService) -> Iterator[Meter]:
    """Count what a ledger does while inside."""
    meter = Meter()

    def lent(connection: Any, *_: Any) -> None:
        connection.set_progress_handler(meter.stepped, 1)

    event.listen(ledger._store.engine, "checkout", lent)
    event.listen(ledger._store.engine, "before_cursor_execute", meter.executed)
    try:
        yield meter
    finally:
        event.remove(ledger._store.engine, "checkout", lent)
        event.remove(ledger._store.engine, "before_cursor_execute", meter.executed)


#: What an executor does for a row, in order; each prepares the next.
STEPS: list[tuple[str, Callable[[JobService, JobRow], Any]]] = [
    ("start_row", lambda ledger, row: ledger.start_row(row.id, owner=OWNER)),
    ("live_load_jobs", lambda ledger, row: list(ledger.load_jobs.live(row.id, younger_than=timedelta(minutes=20)))),
    ("note_submitting", lambda ledger, row: ledger.load_jobs.note_submitting(row.id, WINDOW, 1)),
    ("note_submitted", lambda ledger, row: ledger.load_jobs.note_submitted(row.id, WINDOW, 1, "h1")),
    ("renew_lease", lambda ledger, row: ledger.leases.renew(row.job_id, OWNER, 30)),
    ("fail_row", lambda ledger, row: ledger.fail_row(row.id, code="E", message="m", owner=OWNER)),
    ("reopen_row", lambda ledger, row: ledger.reopen_row(row.id, owner=OWNER)),
    ("start_row again", lambda ledger, row: ledger.start_row(row.id, owner=OWNER)),
    ("complete_row", lambda ledger, row: ledger.complete_row(row.id, LANDED, owner=OWNER)),
    ("get_row", lambda ledger, row: ledger.get_row(row.id)),
    ("get_job", lambda ledger, row: ledger.get_job(row.job_id)),
]


def bill(ledger: JobService, job_id: str, place: int) -> dict[str, tuple[int, int]]:
    """What each operation costs on one row: statements, steps."""
    row = ledger.get_rows(job_id)[place]
    found = {}
    with metered(ledger) as meter:
        for name, step in STEPS:
            meter.statements = meter.steps = 0
            step(ledger, row)
            found[name] = (meter.statements, meter.steps)
    return found


def assert_same_cost(found: dict[str, tuple[int, int]], expected: dict[str, tuple[int, int]]) -> None:
    """The same statements for each operation, and about the same steps."""
    for name, (statements, steps) in expected.items():
        assert found[name][0] == statements, name
        assert abs(found[name][1] - steps) <= SAME_WITHIN, name


def begun(ledger: JobService, rows: int) -> str:
    """A running job under our lease."""
    job_id = ledger.create_job("a job", mode=JobMode.AUTO, rows=specs(rows)).id
    ledger.leases.acquire(job_id, OWNER, 600)
    ledger.update_status(job_id, JobStatus.RUNNING, by=OWNER, owner=OWNER)
    return job_id


@pytest.mark.no_cover
def test_no_operation_costs_more_in_a_long_job(ledger: JobService) -> None:
    """At its first, its middle and its last row, with 499 others behind them, as in a job of five rows."""
    short, long = begun(ledger, 5), begun(ledger, 500)
    expected = bill(ledger, short, 0)
    assert all(0 < statements <= 6 and 0 < steps < 400 for statements, steps in expected.values())
    for place in (0, 249):
        assert_same_cost(bill(ledger, long, place), expected)
    for row in ledger.get_pending_rows(long)[:-1]:
        ledger.start_row(row.id, owner=OWNER)
        ledger.complete_row(row.id, LANDED, owner=OWNER)
    assert_same_cost(bill(ledger, long, 499), expected)
    job = ledger.get_job(long)
    assert (job.successful_days, job.processed_days) == (500, 500)


def test_a_cost_that_grows_would_show(ledger: JobService) -> None:
    """The meter counts lines that are looked at: reading all rows of a job takes a hundred times the steps."""
    short, long = begun(ledger, 5), begun(ledger, 500)
    found = []
    with metered(ledger) as meter:
        for job_id in (short, long):
            meter.steps = 0
            ledger.get_job_summary(job_id)
            found.append(meter.steps)
    assert found[1] > 20 * found[0]


@pytest.mark.parametrize("rows", [5, 500])
def test_a_job_is_created_in_a_handful_of_statements(ledger: JobService, rows: int) -> None:
    """However many rows it has: they go in at once."""
    with metered(ledger) as meter:
        ledger.create_job("a job", rows=specs(rows))
    assert meter.statements <= 6
