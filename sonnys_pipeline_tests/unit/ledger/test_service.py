"""JS-01, JS-02, JS-05, JS-07: jobs are created, found, moved, summed up, logged and deleted."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import column, event, func, select, table, update

from sonnys_pipeline.calendar.windows import Window
from sonnys_pipeline.ledger.errors import AmbiguousJobError
from sonnys_pipeline.ledger.models import (
    DuplicateRowError,
    InvalidStateTransition,
    JobLeasedError,
    JobMode,
    JobStatus,
    RowFigures,
    RowSpec,
    RowStatus,
    UnknownJobError,
    UnknownStoredValueError,
)
from sonnys_pipeline.ledger.schema import job_rows, jobs, load_jobs, transitions
from sonnys_pipeline.ledger.service import JobService, open_ledger
from sonnys_pipeline_tests.unit.conftest import ManualClock, specs

WINDOW = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))


@contextmanager
def statements(ledger: JobService) -> Iterator[list[str]]:
    """Every statement that the ledger sends meanwhile, the transactions' own frame left out."""
    sent: list[str] = []

    def note(connection, cursor, statement, *rest) -> None:
        if not any(framing in statement for framing in ("BEGIN", "set_config", "sonnys_commits")):
            sent.append(statement)

    event.listen(ledger._store.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(ledger._store.engine, "before_cursor_execute", note)


def test_a_job_is_created_with_what_was_said(ledger: JobService, clock: ManualClock) -> None:
    """Name, command, description and mode come back as given; the rest begins at nothing."""
    job = ledger.create_job("March", "sonnys backfill run", "two sites are new", JobMode.AUTO)
    assert ledger.get_job(job.id) == job
    assert (job.name, job.original_command, job.description) == ("March", "sonnys backfill run", "two sites are new")
    assert (job.mode, job.status) == (JobMode.AUTO, JobStatus.PENDING)
    assert (job.total_days, job.processed_days, job.successful_days, job.failed_days, job.skipped_days) == (0,) * 5
    assert (job.started_at, job.completed_at, job.lease_owner, job.error_code) == (None,) * 4
    assert job.created_at == clock()
    assert job.created_at.tzinfo is UTC
    assert job.id.startswith("20261110-063000-")


def test_a_job_asks_before_it_runs_unless_told(ledger: JobService) -> None:
    """`confirm` is the default (BX-03)."""
    assert ledger.create_job("x").mode is JobMode.CONFIRM


def test_a_job_and_its_rows_come_at_once_or_not_at_all(ledger: JobService) -> None:
    """A duplicate day leaves no job behind."""
    job = ledger.create_job("x", rows=specs(3))
    assert job.total_days == 3
    assert [row.day for row in ledger.get_rows(job.id)] == ["2026-01-01", "2026-01-02", "2026-01-03"]
    with pytest.raises(DuplicateRowError, match="2026-01-02 is listed twice"):
        ledger.create_job("y", rows=[*specs(2), RowSpec("2026-01-02")])
    assert ledger.find_job("y") is None
    assert len(ledger.list_jobs()) == 1


@pytest.mark.parametrize(("name", "mode"), [("", JobMode.AUTO), ("x", "perhaps")])
def test_what_makes_no_job_is_refused(ledger: JobService, name: str, mode: JobMode) -> None:
    """No name, or a mode that there is not."""
    with pytest.raises(ValueError, match=r"name|perhaps"):
        ledger.create_job(name, mode=mode)
    assert ledger.list_jobs() == []


def test_records_are_frozen(ledger: JobService) -> None:
    """They show the ledger at one moment; changing them changes nothing, so it is not possible."""
    with pytest.raises(FrozenInstanceError):
        ledger.create_job("x").name = "y"  # type: ignore[misc]


def test_jobs_are_listed_newest_first_by_status_and_page(ledger: JobService) -> None:
    """Even those that were created at the same instant."""
    ids = [ledger.create_job(f"job {number}").id for number in range(7)]
    assert [job.id for job in ledger.list_jobs()] == ids[::-1]
    assert [job.id for job in ledger.list_jobs(limit=3)] == ids[:3:-1]
    assert [job.id for job in ledger.list_jobs(limit=3, offset=6)] == ids[:1]
    ledger.update_status(ids[2], JobStatus.CANCELLED, by="me")
    assert [job.id for job in ledger.list_jobs(JobStatus.CANCELLED)] == [ids[2]]
    assert len(ledger.list_jobs(JobStatus.PENDING)) == 6
    assert ledger.list_jobs(limit=0) == []
    for wrong in ({"limit": -1}, {"offset": -1}, {"status": "done"}):
        with pytest.raises(ValueError, match=r"limit|done"):
            ledger.list_jobs(**wrong)


def test_the_newest_job_of_a_name(ledger: JobService) -> None:
    """Names may repeat; ids do not."""
    first, second = ledger.create_job("x"), ledger.create_job("x")
    ledger.create_job("y")
    assert first.id != second.id
    assert ledger.find_job("x") == second
    assert ledger.find_job("X") is None


def test_a_job_is_found_by_what_a_person_types(ledger: JobService) -> None:
    """A whole id, the beginning of one alone, or `latest`: the newest job that is not of a Dagster run."""
    first = ledger.create_job("first")
    second = ledger.create_job("second")
    dagsters = ledger.create_job("dagster:0123456789abcdef")
    alone = next(n for n in range(1, 99) if len({job.id[:n] for job in (first, second, dagsters)}) == 3)
    assert ledger.find_job_id(first.id) == first.id
    assert ledger.find_job_id(second.id[:alone]) == second.id
    assert ledger.find_job_id("latest") == second.id
    with pytest.raises(AmbiguousJobError, match=f"several jobs: {dagsters.id}, {second.id}, {first.id}; type"):
        ledger.find_job_id(first.id[:8])
    for unknown in ("", "nothing", "%", "_", first.id + "0"):
        with pytest.raises(UnknownJobError):
            ledger.find_job_id(unknown)


def test_latest_of_no_job_is_unknown(ledger: JobService) -> None:
    """Also where Dagster's runs alone have jobs."""
    ledger.create_job("dagster:0123456789abcdef")
    with pytest.raises(UnknownJobError, match="no job 'latest'"):
        ledger.find_job_id("latest")


def test_what_there_is_not_is_no_empty_result(ledger: JobService) -> None:
    """Every question about an unknown job raises, and names it."""
    for ask in (
        ledger.get_job, ledger.delete_job, ledger.get_rows, ledger.get_pending_rows, ledger.get_failed_rows,
        ledger.transitions, ledger.get_job_summary, ledger.update_counts,
        lambda job: ledger.create_rows(job, specs(1)),
        lambda job: ledger.update_status(job, JobStatus.RUNNING, by="me"),
        lambda job: ledger.set_error(job, "E", "no"),
        lambda job: ledger.reopen_rows(job, failed=True, running=True),
        lambda job: ledger.leases.acquire(job, "me", 5),
        lambda job: ledger.leases.renew(job, "me", 5),
    ):  # fmt: skip
        with pytest.raises(UnknownJobError, match="'nope'") as caught:
            ask("nope")
        assert caught.value.job_id == "nope"


def test_a_life_is_dated_and_logged(ledger: JobService, clock: ManualClock) -> None:
    """`started_at` at the first run, `completed_at` at the end and not while resumed; each step is in the log."""
    job = ledger.create_job("x")
    steps = [
        (JobStatus.RUNNING, "host:1", ""),
        (JobStatus.PAUSED, "host:1", "SIGTERM"),
        (JobStatus.RUNNING, "host:2", "resumed"),
        (JobStatus.FAILED, "host:2", "2026-01-03 failed"),
        (JobStatus.RUNNING, "host:3", "the cause is gone"),
        (JobStatus.COMPLETED, "host:3", ""),
    ]
    seen = []
    for status, by, why in steps:
        clock.advance(60)
        seen.append(ledger.update_status(job.id, status, by=by, why=why))
    start = job.created_at
    minutes = [start + timedelta(minutes=number) for number in range(7)]
    assert [one.status for one in seen] == [status for status, _, _ in steps]
    assert {one.started_at for one in seen} == {minutes[1]}
    assert [one.completed_at for one in seen] == [None, None, None, minutes[4], None, minutes[6]]
    log = ledger.transitions(job.id)
    assert [(one.to_status, one.by, one.why) for one in log] == steps
    assert [one.from_status for one in log] == [JobStatus.PENDING, *[status for status, _, _ in steps[:-1]]]
    assert [one.at for one in log] == minutes[1:]
    assert {one.job_id for one in log} == {job.id}


def test_a_refused_transition_changes_nothing(ledger: JobService) -> None:
    """It says what is, what was asked and what could be; no line is added to the log."""
    job = ledger.create_job("x")
    with pytest.raises(InvalidStateTransition, match="is pending and cannot become paused") as caught:
        ledger.update_status(job.id, JobStatus.PAUSED, by="me")
    assert caught.value.current_state is JobStatus.PENDING
    assert caught.value.attempted_state is JobStatus.PAUSED
    assert caught.value.allowed_transitions == {JobStatus.RUNNING, JobStatus.CANCELLED}
    assert ledger.get_job(job.id) == job
    assert ledger.transitions(job.id) == []


def test_a_transition_has_an_author_and_a_known_status(ledger: JobService) -> None:
    """Nobody in particular changes nothing; text is read as strictly as an enum."""
    job = ledger.create_job("x")
    with pytest.raises(ValueError, match="by"):
        ledger.update_status(job.id, JobStatus.RUNNING, by="")
    with pytest.raises(ValueError, match="done"):
        ledger.update_status(job.id, "done", by="me")  # type: ignore[arg-type]
    assert ledger.update_status(job.id, "running", by="me").status is JobStatus.RUNNING  # type: ignore[arg-type]


def test_an_error_stays_until_the_job_runs_again(ledger: JobService) -> None:
    """Whatever its text holds: half a surrogate pair and NUL, which databases refuse, become replacement characters."""
    job = ledger.create_job("x")
    ledger.update_status(job.id, JobStatus.RUNNING, by="me")
    ledger.set_error(job.id, "ServerError", "500: \x00 caf\udce9 ü 🚗")
    failed = ledger.update_status(job.id, JobStatus.FAILED, by="me")
    assert (failed.error_code, failed.error_message) == ("ServerError", "500: � caf? ü 🚗")
    resumed = ledger.update_status(job.id, JobStatus.RUNNING, by="me")
    assert (resumed.error_code, resumed.error_message) == (None, None)


def test_deleting_a_job_takes_all_that_is_its(ledger: JobService) -> None:
    """Rows, load jobs and log go; another job's stay."""
    kept, gone = ledger.create_job("kept", rows=specs(2)), ledger.create_job("gone", rows=specs(2))
    for job in (kept, gone):
        ledger.update_status(job.id, JobStatus.RUNNING, by="me")
        ledger.load_jobs.note_submitting(ledger.get_rows(job.id)[0].id, WINDOW, 1)
    ledger.delete_job(gone.id)
    with ledger._store.reading() as connection:
        counts = [
            connection.scalar(select(func.count()).select_from(t)) for t in (jobs, job_rows, load_jobs, transitions)
        ]
    assert counts == [1, 2, 1, 1]
    assert ledger.get_job(kept.id).total_days == 2
    with pytest.raises(UnknownJobError):
        ledger.get_job(gone.id)


def test_a_job_at_work_is_not_deleted(ledger: JobService, clock: ManualClock) -> None:
    """While its executor lives; a dead one's job may go."""
    job = ledger.create_job("x")
    ledger.leases.acquire(job.id, "host:1", 30)
    ledger.update_status(job.id, JobStatus.RUNNING, by="host:1")
    with pytest.raises(JobLeasedError, match="host:1"):
        ledger.delete_job(job.id)
    clock.advance(31)
    ledger.delete_job(job.id)
    assert ledger.list_jobs() == []


def test_the_summary_adds_up_in_the_database(ledger: JobService) -> None:
    """Every metric, from the rows, in one statement whatever the size of the job (JS-05)."""
    job = ledger.create_job("x", rows=specs(6))
    completed, failed, skipped, running, retried, _ = ledger.get_rows(job.id)
    for row in (completed, failed, running, retried):
        ledger.start_row(row.id)
    ledger.complete_row(completed.id, RowFigures(["a"], "p", 120, 4, 1.5))
    ledger.fail_row(failed.id, code="E", message="no", requests=7, seconds=0.25)
    ledger.skip_row(skipped.id, "before the first sale")
    ledger.fail_row(retried.id, code="E", message="no", requests=1, seconds=1)
    ledger.start_row(retried.id)
    ledger.complete_row(retried.id, RowFigures([], "q", 0, 2, 2))
    with statements(ledger) as sent:
        summary = ledger.get_job_summary(job.id)
    assert [statement.partition(" ")[0] for statement in sent] == ["SELECT"]
    assert summary.job == ledger.get_job(job.id)
    assert (summary.total_days, summary.pending_days, summary.running_days, summary.processed_days) == (6, 1, 1, 4)
    assert (summary.successful_days, summary.failed_days, summary.skipped_days) == (2, 1, 1)
    assert (summary.attempts, summary.rows, summary.requests, summary.seconds) == (5, 120, 14, 4.75)


def test_a_job_without_rows_sums_up_to_nothing(ledger: JobService) -> None:
    """Zeros, not missing values."""
    summary = ledger.get_job_summary(ledger.create_job("x").id)
    assert (summary.total_days, summary.pending_days, summary.rows, summary.requests, summary.seconds) == (0,) * 5


def test_a_naive_clock_is_refused(ledger_url: str) -> None:
    """It names no instant; and an aware clock of another zone is understood."""
    with open_ledger(ledger_url, now=lambda: datetime(2026, 1, 1)) as ledger:  # noqa: DTZ001 - what is refused
        with pytest.raises(ValueError, match="no time zone"):
            ledger.create_job("x")
        assert ledger.list_jobs() == []
    chicago = timezone(timedelta(hours=-6))
    with open_ledger(ledger_url, now=lambda: datetime(2026, 1, 1, 18, tzinfo=chicago)) as ledger:
        created_at = ledger.get_job(ledger.create_job("x").id).created_at
    assert created_at == datetime(2026, 1, 2, tzinfo=UTC)
    assert created_at.tzinfo is UTC


@pytest.mark.parametrize("change", [{"status": "hibernating"}, {"mode": "hibernating"}], ids=str)
def test_a_word_that_this_version_does_not_know_raises(ledger: JobService, change: dict[str, str]) -> None:
    """Rather than being passed on as if it meant something."""
    job = ledger.create_job("x")
    with ledger._store.writing() as connection:
        connection.execute(update(table("sonnys_jobs", *map(column, change))).values(change))
    with pytest.raises(UnknownStoredValueError, match="'hibernating' instead of a Job"):
        ledger.get_job(job.id)


def test_a_damaged_list_of_hashes_raises(ledger: JobService) -> None:
    """A string is not a list of strings, even if it can be walked."""
    job = ledger.create_job("x", rows=specs(1))
    with ledger._store.writing() as connection:
        connection.exec_driver_sql("UPDATE sonnys_job_rows SET job_hashes = '\"abc\"'")
    with pytest.raises(UnknownStoredValueError, match="'abc' instead of a list"):
        ledger.get_rows(job.id)


def test_a_method_that_fails_leaves_nothing(ledger: JobService) -> None:
    """One transaction each: an interrupt in the middle takes all of it back."""
    job = ledger.create_job("x")

    def interrupted() -> None:
        with ledger._store.writing() as connection:
            connection.execute(update(jobs).values(name="changed"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ledger.get_job(job.id) == job
    ledger.update_status(job.id, JobStatus.RUNNING, by="me")


def test_calls_together_are_one_transaction(ledger: JobService) -> None:
    """Both or none; afterwards each call is a transaction of its own again."""
    job_id = ledger.create_job("a job", rows=specs(2)).id
    (first, _) = ledger.get_rows(job_id)

    def start_and_fail() -> None:
        ledger.start_row(first.id)
        assert ledger.get_row(first.id).status is RowStatus.RUNNING  # seen inside
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ledger.together(start_and_fail)
    assert ledger.get_row(first.id).status is RowStatus.PENDING
    assert ledger.together(lambda: (ledger.start_row(first.id), ledger.get_job(job_id)))[1].id == job_id
    assert ledger.get_row(first.id).status is RowStatus.RUNNING
