"""BX-06: jobs whose executor is gone, and each choice that a person has."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sonnys_pipeline.backfill.recovery import (
    NotInterruptedError,
    RecoveryChoice,
    check_interrupted_jobs,
    handle_recovery_choice,
    is_gone,
)
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.ledger.errors import JobLeasedError, LedgerError
from sonnys_pipeline.ledger.models import JobStatus, RowFigures, RowStatus, UnknownJobError
from sonnys_pipeline.ledger.service import JobService, open_ledger
from sonnys_pipeline.runtime.processes import this_machine
from sonnys_pipeline_tests.support.scripted_executor import create, day_number, log, scripted_executors
from sonnys_pipeline_tests.unit.conftest import ManualClock, specs


@pytest.fixture(scope="module")
def dead() -> str:
    """A lease's owner that was a process of this machine, and runs no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return f"{this_machine()}:{process.pid}:abcd1234"


ALIVE = f"{this_machine()}:{os.getpid()}:abcd1234"
ELSEWHERE = "another-host-12345678:4711:abcd1234"


def interrupted(ledger: JobService, owner: str | None, days: int = 4) -> str:
    """A job whose executor is gone: a day landed, one failed, one running, the rest pending."""
    job_id = create(ledger, days)
    ledger.update_status(job_id, JobStatus.RUNNING, by="somebody")
    rows = ledger.get_rows(job_id)
    for row in rows[:3]:
        ledger.start_row(row.id)
    ledger.complete_row(rows[0].id, RowFigures(["h1"], "/data/1", 3, 2, 1.0))
    ledger.fail_row(rows[1].id, code="ServerError", message="500")
    if owner is not None:
        ledger.leases.acquire(job_id, owner, 30)
    return job_id


def states(ledger: JobService, job_id: str) -> str:
    """The first letters of the rows' states, in order."""
    return "".join(row.status.value[0] for row in ledger.get_rows(job_id))


def test_there_are_none(ledger: JobService) -> None:
    """`None`: in an empty ledger, and where jobs are pending, paused, ended, or being executed."""
    assert check_interrupted_jobs(ledger) is None
    create(ledger)
    for last in (JobStatus.PAUSED, JobStatus.FAILED, JobStatus.COMPLETED, JobStatus.CANCELLED):
        job_id = create(ledger)
        ledger.update_status(job_id, JobStatus.RUNNING, by="me")
        ledger.update_status(job_id, last, by="me")
    interrupted(ledger, ALIVE)
    assert check_interrupted_jobs(ledger) is None


def test_an_executor_that_was_killed_here_is_gone_at_once(ledger: JobService, dead: str) -> None:
    """Nobody waits for its lease; of another machine nobody can tell before the lease has run out."""
    here, _there = interrupted(ledger, dead), interrupted(ledger, ELSEWHERE)
    assert [job.id for job in check_interrupted_jobs(ledger) or ()] == [here]


@pytest.mark.parametrize(
    "owner", [ELSEWHERE, ALIVE, "a name of another kind", None], ids=["elsewhere", "alive", "other name", "nobody"]
)
def test_whoever_let_the_lease_run_out_is_gone(ledger: JobService, clock: ManualClock, owner: str | None) -> None:
    """Whatever its name says; and a job that says running and is held by nobody."""
    job_id = interrupted(ledger, owner)
    clock.advance(31)
    assert [job.id for job in check_interrupted_jobs(ledger) or ()] == [job_id]


def test_they_come_oldest_first(ledger: JobService, clock: ManualClock, dead: str) -> None:
    """However it was found that their executor is gone, and however many there are."""
    expected = [interrupted(ledger, dead if number % 2 else None, days=3) for number in range(60)]
    assert [job.id for job in check_interrupted_jobs(ledger) or ()] == expected
    clock.advance(31)
    assert [job.id for job in check_interrupted_jobs(ledger) or ()] == expected


@pytest.mark.parametrize(
    ("choice", "status", "rows"),
    [
        ("resume", JobStatus.PAUSED, "cfpp"),
        ("restart", JobStatus.PAUSED, "pppp"),
        ("cancel", JobStatus.CANCELLED, "cfpp"),
    ],
)
def test_each_choice_puts_the_job_in_order(
    ledger: JobService, dead: str, choice: str, status: JobStatus, rows: str
) -> None:
    """The ledger says what was chosen, and by whom; nobody holds the job; there is nothing left to recover."""
    job_id = interrupted(ledger, dead)
    job = handle_recovery_choice(choice, job_id, ledger)
    assert (job.id, job.status) == (job_id, status)
    assert states(ledger, job_id) == rows
    assert ledger.get_job(job_id).lease_owner is None
    last = ledger.transitions(job_id)[-1]
    assert (last.to_status, last.why) == (status, f"its executor is gone; {choice} was chosen")
    assert last.by.startswith(f"{this_machine()}:{os.getpid()}:")
    assert check_interrupted_jobs(ledger) is None
    counted = ledger.get_job_summary(job_id)
    assert (counted.processed_days, counted.successful_days, counted.failed_days) == (
        ledger.get_job(job_id).processed_days, rows.count("c"), rows.count("f")
    )  # fmt: skip


def test_skipped_days_stay_skipped(ledger: JobService, dead: str) -> None:
    """A restart reads what is to be read, not what was left out: the API has those days no more."""
    job_id = interrupted(ledger, dead)
    ledger.skip_row(ledger.get_rows(job_id)[3].id, "older than the API keeps")
    handle_recovery_choice(RecoveryChoice.RESTART, job_id, ledger)
    assert states(ledger, job_id) == "ppps"


@pytest.mark.parametrize("choice", list(RecoveryChoice))
def test_an_executor_that_lives_is_not_recovered_from(ledger: JobService, choice: RecoveryChoice) -> None:
    """Here or elsewhere; nothing changes, and the lease stays his."""
    for owner in (ALIVE, ELSEWHERE):
        job_id = interrupted(ledger, owner)
        before = (ledger.get_job(job_id), ledger.get_rows(job_id))
        with pytest.raises(NotInterruptedError, match=f"job {job_id} is running, and its executor is alive"):
            handle_recovery_choice(choice, job_id, ledger)
        assert (ledger.get_job(job_id), ledger.get_rows(job_id)) == before


def test_what_was_not_interrupted_is_not_recovered(ledger: JobService) -> None:
    """Its status says why there is nothing to do; an error of the ledger's family."""
    job_id = create(ledger)
    with pytest.raises(NotInterruptedError, match=f"job {job_id} is pending: there is nothing to recover") as caught:
        handle_recovery_choice("resume", job_id, ledger)
    assert isinstance(caught.value, LedgerError)


def test_unknown_jobs_and_choices_are_refused(ledger: JobService, dead: str) -> None:
    """By name; nothing changes."""
    with pytest.raises(UnknownJobError, match="'nothing'"):
        handle_recovery_choice("resume", "nothing", ledger)
    job_id = interrupted(ledger, dead)
    with pytest.raises(ValueError, match="retry"):
        handle_recovery_choice("retry", job_id, ledger)
    assert ledger.get_job(job_id).lease_owner == dead


def test_who_comes_first_recovers(ledger: JobService, dead: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An executor that takes the job between the look and the grasp keeps it: nothing of it changes."""
    job_id = interrupted(ledger, dead)
    real = ledger.leases.release

    def somebody_else_is_faster(job: str, owner: str) -> bool:
        released = real(job, owner)
        ledger.leases.acquire(job, ALIVE, 30)
        return released

    monkeypatch.setattr(ledger.leases, "release", somebody_else_is_faster)
    before = ledger.get_rows(job_id)
    with pytest.raises(JobLeasedError):
        handle_recovery_choice("restart", job_id, ledger)
    assert (ledger.get_rows(job_id), ledger.get_job(job_id).status) == (before, JobStatus.RUNNING)


@pytest.mark.parametrize(
    ("owner", "gone"),
    [(ALIVE, False), (ELSEWHERE, False), ("", False), ("x", False), (f"{this_machine()}:x:y", False)],
    ids=["alive", "elsewhere", "empty", "no name", "no number"],
)
def test_of_whom_it_can_be_told(owner: str, gone: bool) -> None:
    """Of processes of this machine alone; what is no such name tells nothing."""
    assert is_gone(owner) is gone


def test_a_dead_process_is_gone(dead: str) -> None:
    """Of this machine; the same number on another one tells nothing."""
    assert is_gone(dead)
    assert not is_gone(f"x{dead}")


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[JobService]:
    """A ledger on the real clock."""
    with open_ledger(f"sqlite:///{tmp_path / 'state' / 'ledger.sqlite'}") as opened:
        yield opened


@pytest.mark.parametrize(("choice", "read"), [("resume", [3, 4, 5]), ("restart", [1, 2, 3, 4, 5])])
def test_what_was_chosen_is_executed(jobs: JobService, tmp_path: Path, dead: str, choice: str, read: list[int]) -> None:
    """Killed after two of five days: a resume reads the three that are missing, a restart all five."""
    job_id = create(jobs, 5)
    with scripted_executors(jobs, tmp_path) as make:

        def interrupt(request: DayRequest) -> int:
            if day_number(request) == 3:
                raise KeyboardInterrupt
            return 3

        with pytest.raises(KeyboardInterrupt):
            make(interrupt).execute(job_id)
        # As a kill -9 leaves it: running, a day being read, the lease not given back.
        jobs.update_status(job_id, JobStatus.RUNNING, by=dead)
        jobs.start_row(jobs.get_pending_rows(job_id)[0].id)
        jobs.leases.acquire(job_id, dead, 3600)
        handle_recovery_choice(choice, job_id, jobs)
        executor = make()
        result = executor.execute(job_id)
    assert [day_number(request) for request in executor.loader.asked] == read
    assert (result.success, result.successful) == (True, len(read))
    assert jobs.get_job(job_id).successful_days == 5
    assert Lake(tmp_path / "data").partitions("transactions") == [spec.day for spec in specs(5)]
    assert [row.status for row in jobs.get_rows(job_id)] == [RowStatus.COMPLETED] * 5
    assert log(jobs, job_id)[-1] == ("completed", "")
