"""JS-03, JS-04: rows are created in bulk, move, keep what they cost, and the job's counts follow at a flat price."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import update

from sonnys_pipeline.ledger.models import (
    ClosedJobError,
    DuplicateRowError,
    InvalidStateTransition,
    Job,
    JobRow,
    JobStatus,
    LeaseLostError,
    RowFigures,
    RowSpec,
    RowStatus,
    UnknownRowError,
)
from sonnys_pipeline.ledger.schema import jobs
from sonnys_pipeline.ledger.service import JobService
from sonnys_pipeline_tests.unit.conftest import ManualClock, specs
from sonnys_pipeline_tests.unit.ledger.test_service import statements


def landed(ledger: JobService, row: JobRow, **changes: Any) -> JobRow:
    """A row is started and completed."""
    ledger.start_row(row.id)
    figures = RowFigures(["h1", "h2"], "lake/p.parquet", rows=120, requests=4, seconds=2.5)
    return ledger.complete_row(row.id, replace(figures, **changes))


def counts(job: Job) -> tuple[int, ...]:
    """Total, processed, successful, failed, skipped."""
    return job.total_days, job.processed_days, job.successful_days, job.failed_days, job.skipped_days


def test_rows_are_created_in_order_with_checksums(ledger: JobService) -> None:
    """Behind those that are there; a day may be there once for each site."""
    job = ledger.create_job("x", rows=specs(2))
    new = ledger.create_rows(job.id, [RowSpec("2026-01-02", "MAIN"), RowSpec("2026-01-02", "SUNSET")])
    assert [(row.position, row.day, row.site) for row in new] == [
        (2, "2026-01-02", "MAIN"),
        (3, "2026-01-02", "SUNSET"),
    ]
    rows = ledger.get_rows(job.id)
    assert rows[2:] == new
    assert [row.checksum for row in rows] == [RowSpec(row.day, row.site).checksum for row in rows]
    assert {row.status for row in rows} == {RowStatus.PENDING}
    assert {(row.attempts, row.rows, row.requests, row.seconds, row.path, row.job_hashes) for row in rows} == {
        (0, None, 0, 0.0, None, ())
    }
    assert counts(ledger.get_job(job.id)) == (4, 0, 0, 0, 0)
    assert ledger.create_rows(job.id, []) == []


@pytest.mark.parametrize("again", [RowSpec("2026-01-02"), RowSpec("2026-02-01", "MAIN")])
def test_a_day_stands_in_a_job_once(ledger: JobService, again: RowSpec) -> None:
    """A duplicate of what is there, or within the call, creates none of the call's rows; another job may have it."""
    job = ledger.create_job("x", rows=specs(2))
    with pytest.raises(DuplicateRowError) as caught:
        ledger.create_rows(job.id, [RowSpec("2026-02-01", "MAIN"), RowSpec("2026-02-02"), again])
    assert (caught.value.day, caught.value.site) == (again.day, again.site)
    assert counts(ledger.get_job(job.id)) == (2, 0, 0, 0, 0)
    assert ledger.create_job("y", rows=specs(2)).total_days == 2


def test_a_job_that_has_ended_takes_no_rows(ledger: JobService) -> None:
    """It would be completed with days to read."""
    job = ledger.create_job("x")
    ledger.update_status(job.id, JobStatus.CANCELLED, by="me")
    with pytest.raises(ClosedJobError, match="is cancelled and accepts no more rows"):
        ledger.create_rows(job.id, specs(1))


def test_a_row_keeps_what_it_cost_and_made(ledger: JobService, clock: ManualClock) -> None:
    """Hashes, path, rows, requests and seconds (JS-04)."""
    job = ledger.create_job("x", rows=specs(1))
    row = ledger.get_rows(job.id)[0]
    started = ledger.start_row(row.id)
    assert (started.status, started.attempts, started.started_at) == (RowStatus.RUNNING, 1, clock())
    clock.advance(9)
    done = ledger.complete_row(row.id, RowFigures(["b", "a"], "p", 120, 4, 2.5))
    assert done == ledger.get_row(row.id)
    assert (done.status, done.job_hashes, done.path, done.rows) == (RowStatus.COMPLETED, ("b", "a"), "p", 120)
    assert (done.requests, done.seconds, done.completed_at) == (4, 2.5, clock())


def test_costs_add_up_over_attempts(ledger: JobService) -> None:
    """What a failed attempt spent is spent; the error is cleared when the row is started again."""
    row = ledger.get_rows(ledger.create_job("x", rows=specs(1)).id)[0]
    ledger.start_row(row.id)
    failed = ledger.fail_row(row.id, code="ServerError", message="500", requests=3, seconds=1.0)
    assert (failed.status, failed.error_code, failed.error_message) == (RowStatus.FAILED, "ServerError", "500")
    again = ledger.start_row(row.id)
    assert (again.attempts, again.error_code, again.error_message, again.completed_at) == (2, None, None, None)
    done = ledger.complete_row(row.id, RowFigures([], "p", 0, 2, 0.5))
    assert (done.requests, done.seconds, done.rows) == (5, 1.5, 0)


def test_counts_follow_by_themselves(ledger: JobService) -> None:
    """Each change in the job's counts at once; counting anew finds the same."""
    job = ledger.create_job("x", rows=specs(4))
    first, second, third, _ = ledger.get_rows(job.id)
    steps: list[tuple[Callable[[], object], tuple[int, ...]]] = [
        (lambda: ledger.start_row(first.id), (4, 0, 0, 0, 0)),
        (lambda: ledger.fail_row(first.id, code="E", message="m"), (4, 1, 0, 1, 0)),
        (lambda: landed(ledger, second), (4, 2, 1, 1, 0)),
        (lambda: ledger.skip_row(third.id, "no need"), (4, 3, 1, 1, 1)),
        (lambda: ledger.start_row(first.id), (4, 2, 1, 0, 1)),
        (lambda: ledger.reopen_row(third.id), (4, 1, 1, 0, 0)),
        (lambda: ledger.reopen_row(second.id), (4, 0, 0, 0, 0)),
        (lambda: ledger.create_rows(job.id, [RowSpec("2027-01-01")]), (5, 0, 0, 0, 0)),
    ]
    for step, expected in steps:
        step()
        assert counts(ledger.get_job(job.id)) == expected
        assert counts(ledger.update_counts(job.id)) == expected


def test_counting_anew_mends_what_was_changed_by_hand(ledger: JobService) -> None:
    """`update_counts` believes the rows."""
    job = ledger.create_job("x", rows=specs(3))
    landed(ledger, ledger.get_rows(job.id)[0])
    with ledger._store.writing() as connection:
        connection.execute(update(jobs).values(total_days=9, processed_days=8, failed_days=7, skipped_days=6))
    assert counts(ledger.update_counts(job.id)) == (3, 1, 1, 0, 0)


@pytest.mark.parametrize(
    ("status", "step"),
    [
        ("pending", "complete"), ("pending", "fail"), ("pending", "reopen"),
        ("running", "start"),
        ("completed", "start"), ("completed", "complete"), ("completed", "fail"), ("completed", "skip"),
        ("failed", "complete"), ("failed", "fail"),
        ("skipped", "start"), ("skipped", "complete"), ("skipped", "fail"), ("skipped", "skip"),
    ],
)  # fmt: skip
def test_steps_out_of_order_are_refused(ledger: JobService, status: str, step: str) -> None:
    """A row is not completed twice, nor read while it is landed; row and counts stay as they were."""
    job = ledger.create_job("x", rows=specs(1))
    row = ledger.get_rows(job.id)[0]
    if status in {"running", "completed", "failed"}:
        ledger.start_row(row.id)
    if status == "completed":
        ledger.complete_row(row.id, RowFigures([], "p", 1, 1, 1))
    elif status == "failed":
        ledger.fail_row(row.id, code="E", message="m")
    elif status == "skipped":
        ledger.skip_row(row.id, "why")
    before, job_before = ledger.get_row(row.id), ledger.get_job(job.id)
    steps: dict[str, Callable[[], object]] = {
        "start": lambda: ledger.start_row(row.id),
        "complete": lambda: ledger.complete_row(row.id, RowFigures([], "q", 2, 2, 2)),
        "fail": lambda: ledger.fail_row(row.id, code="F", message="n"),
        "skip": lambda: ledger.skip_row(row.id, "other"),
        "reopen": lambda: ledger.reopen_row(row.id),
    }
    with pytest.raises(InvalidStateTransition, match=rf"row {row.id} \(2026-01-01\) of job .* is {status}"):
        steps[step]()
    assert ledger.get_row(row.id) == before
    assert ledger.get_job(job.id) == job_before


def test_rows_are_found_by_status_and_page(ledger: JobService) -> None:
    """Always in the job's order."""
    job = ledger.create_job("x", rows=specs(6))
    rows = ledger.get_rows(job.id)
    for row in (rows[4], rows[1]):
        ledger.start_row(row.id)
        ledger.fail_row(row.id, code="E", message=row.day)
    landed(ledger, rows[0])
    assert [row.position for row in ledger.get_pending_rows(job.id)] == [2, 3, 5]
    assert [(row.position, row.error_message) for row in ledger.get_failed_rows(job.id)] == [
        (1, "2026-01-02"), (4, "2026-01-05")
    ]  # fmt: skip
    assert [row.position for row in ledger.get_rows(job.id, RowStatus.COMPLETED)] == [0]
    assert [row.position for row in ledger.get_rows(job.id, limit=2, offset=3)] == [3, 4]
    assert [row.position for row in ledger.get_pending_rows(job.id, limit=1, offset=2)] == [5]
    with pytest.raises(ValueError, match="must be 0 or more"):
        ledger.get_rows(job.id, limit=-1)


def test_a_resume_reopens_what_failed_and_what_was_at_work(ledger: JobService) -> None:
    """Each on request; landed and skipped rows stay; errors stay to be seen, and load jobs to be taken up."""
    job = ledger.create_job("x", rows=specs(5))
    rows = ledger.get_rows(job.id)
    landed(ledger, rows[0])
    for row in rows[1:4]:
        ledger.start_row(row.id)
    ledger.fail_row(rows[1].id, code="E", message="m")
    ledger.skip_row(rows[4].id, "why")
    assert ledger.reopen_rows(job.id, failed=False, running=False) == 0
    assert ledger.reopen_rows(job.id, failed=False, running=True) == 2
    assert counts(ledger.get_job(job.id)) == (5, 3, 1, 1, 1)
    assert ledger.reopen_rows(job.id, failed=True, running=True) == 1
    assert counts(ledger.get_job(job.id)) == (5, 2, 1, 0, 1)
    assert [row.position for row in ledger.get_pending_rows(job.id)] == [1, 2, 3]
    reopened = ledger.get_row(rows[1].id)
    assert (reopened.error_code, reopened.attempts, reopened.completed_at) == ("E", 1, None)


def test_days_that_are_too_old_are_skipped_together(ledger: JobService) -> None:
    """Pending ones of the days before; one statement, for a plan may have a hundred thousand of them."""
    job = ledger.create_job("x", rows=[*specs(4), RowSpec("2026-01-02", "MAIN")])
    landed(ledger, ledger.get_rows(job.id)[0])
    with statements(ledger) as asked:
        assert ledger.skip_rows_before(job.id, date(2026, 1, 3), "too old") == 2
    assert sum("UPDATE sonnys_job_rows" in statement for statement in asked) == 1
    assert [(row.day, row.site, row.status) for row in ledger.get_rows(job.id)] == [
        ("2026-01-01", None, RowStatus.COMPLETED), ("2026-01-02", None, RowStatus.SKIPPED),
        ("2026-01-03", None, RowStatus.PENDING), ("2026-01-04", None, RowStatus.PENDING),
        ("2026-01-02", "MAIN", RowStatus.SKIPPED),
    ]  # fmt: skip
    (skipped, _) = ledger.get_rows(job.id, RowStatus.SKIPPED)
    assert (skipped.error_message, skipped.completed_at is None) == ("too old", False)
    assert counts(ledger.get_job(job.id)) == (5, 3, 1, 0, 2)


def test_a_landed_row_whose_file_is_gone_is_read_again(ledger: JobService) -> None:
    """What it made is forgotten, what it cost is not."""
    row = ledger.get_rows(ledger.create_job("x", rows=specs(1)).id)[0]
    landed(ledger, row)
    again = ledger.reopen_row(row.id)
    assert (again.status, again.path, again.rows, again.job_hashes) == (RowStatus.PENDING, None, None, ())
    assert (again.attempts, again.requests, again.seconds) == (1, 4, 2.5)


def test_an_executor_that_lost_its_lease_changes_no_row(ledger: JobService, clock: ManualClock) -> None:
    """Frozen for a minute, it wakes up and is refused by every method that it gives its name to."""
    job = ledger.create_job("x", rows=specs(2))
    row, other = ledger.get_rows(job.id)
    ledger.leases.acquire(job.id, "old", 30)
    ledger.start_row(row.id, owner="old")
    clock.advance(31)
    ledger.leases.acquire(job.id, "new", 30)
    before = ledger.get_rows(job.id)
    for late in (
        lambda: ledger.start_row(other.id, owner="old"),
        lambda: ledger.complete_row(row.id, RowFigures([], "p", 1, 1, 1), owner="old"),
        lambda: ledger.fail_row(row.id, code="E", message="m", owner="old"),
        lambda: ledger.skip_row(other.id, "why", owner="old"),
        lambda: ledger.reopen_row(row.id, owner="old"),
        lambda: ledger.reopen_rows(job.id, failed=True, running=True, owner="old"),
        lambda: ledger.update_status(job.id, JobStatus.RUNNING, by="old", owner="old"),
        lambda: ledger.set_error(job.id, "E", "m", owner="old"),
    ):
        with pytest.raises(LeaseLostError, match=r"old has lost the lease .* to new") as caught:
            late()
        assert caught.value.holder == "new"
    assert ledger.get_rows(job.id) == before
    ledger.complete_row(row.id, RowFigures([], "p", 1, 1, 1), owner="new")


def test_unknown_rows_raise(ledger: JobService) -> None:
    """Each question and each step names the row."""
    for ask in (
        ledger.get_row, ledger.start_row, ledger.reopen_row,
        lambda row: ledger.skip_row(row, "why"),
        lambda row: ledger.fail_row(row, code="E", message="m"),
        lambda row: ledger.complete_row(row, RowFigures([], "p", 1, 1, 1)),
    ):  # fmt: skip
        with pytest.raises(UnknownRowError, match="no row 4711"):
            ask(4711)


def test_a_row_id_is_never_used_again(ledger: JobService) -> None:
    """An executor that still knows a deleted job's row does not hit another job's."""
    first = ledger.create_job("x", rows=specs(3))
    old = {row.id for row in ledger.get_rows(first.id)}
    ledger.delete_job(first.id)
    assert old.isdisjoint(row.id for row in ledger.get_rows(ledger.create_job("y", rows=specs(3)).id))


@pytest.mark.no_cover
def test_a_row_costs_the_same_in_a_large_job(ledger: JobService) -> None:
    """The statements of row 5 and of row 500 are the same few; creating 500 rows is as many as creating 5."""
    with statements(ledger) as few:
        small = ledger.create_job("small", rows=specs(5))
    with statements(ledger) as many:
        large = ledger.create_job("large", rows=specs(500, "2024-01-01"))
    assert many == few
    sent = {}
    for job in (small, large):
        rows = ledger.get_rows(job.id)
        for row in rows[:-1]:
            landed(ledger, row)
        with statements(ledger) as sent[job.name]:
            landed(ledger, rows[-1])
    assert sent["large"] == sent["small"]
    assert len([statement for statement in sent["large"] if "count(" in statement.lower()]) == 0
    assert len(sent["large"]) <= 10
    assert counts(ledger.get_job(large.id)) == (500, 500, 500, 0, 0)
