"""BX-06, JS-06 in one process: a job is held while it runs, by one executor, and left alone once it is another's."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from sonnys_pipeline.backfill.executor import ExecutionResult
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.ledger.errors import LedgerError
from sonnys_pipeline.ledger.models import JobLeasedError, JobStatus
from sonnys_pipeline.ledger.service import JobService
from sonnys_pipeline.runtime.processes import this_machine
from sonnys_pipeline_tests.support.scripted_executor import (
    MakeExecutor,
    ScriptedExecutor,
    create,
    day_number,
    log,
)

PATIENCE = 30.0


def assert_free(jobs: JobService, job_id: str) -> None:
    assert jobs.get_job(job_id).lease_owner is None


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def test_a_job_that_is_cancelled_stops_and_stays_so(jobs: JobService, make: MakeExecutor) -> None:
    """The heartbeat sees it; what is landed stays, and the run does not call the job paused."""

    def cancel(request: DayRequest) -> int:
        if day_number(request) == 2:
            jobs.update_status(job_id, JobStatus.CANCELLED, by="a person")
            wait_until(lambda: executor.loader.stopping)
        return 3

    job_id = create(jobs)
    executor = make(cancel, lease_seconds=0.3)
    result = executor.execute(job_id)
    assert (result.success, result.successful, result.stopped) == (False, 2, "the job was cancelled")
    assert log(jobs, job_id) == [("running", ""), ("cancelled", "")]
    assert_free(jobs, job_id)


def test_a_job_is_never_done_and_still_leased(
    jobs: JobService, make: MakeExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status and lease change in one transaction (JS-06): if the lease cannot be given back, the job is not done."""
    job_id = create(jobs)
    executor = make(lambda _: 3)
    release = jobs.leases.release

    def fail_once(job_id: str, owner: str) -> bool:
        monkeypatch.setattr(jobs.leases, "release", release)
        raise LedgerError("the disk is full")

    monkeypatch.setattr(jobs.leases, "release", fail_once)
    with pytest.raises(LedgerError, match="disk is full"):
        executor.execute(job_id)
    assert log(jobs, job_id) == [("running", "")]
    assert_free(jobs, job_id)
    assert make(lambda _: 3).execute(job_id).success


def gone_process() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    ("holder", "free"),
    [
        (lambda: f"{this_machine()}:{gone_process()}:0a1b2c3d", True),
        (lambda: f"{this_machine()}:{os.getpid()}:0a1b2c3d", False),
        (lambda: f"{socket.gethostname()}-00000000:{gone_process()}:0a1b2c3d", False),
        (lambda: f"elsewhere:{gone_process()}:0a1b2c3d", False),
        (lambda: "somebody", False),
    ],
    ids=["dead here", "alive here", "another boot or container", "elsewhere", "unknown"],
)
def test_only_a_dead_process_of_this_machine_loses_its_lease(
    jobs: JobService, make: MakeExecutor, holder: Callable[[], str], free: bool
) -> None:
    """After `kill -9` nobody has to wait for the lease to run out; of others nobody can tell."""
    job_id, owner = create(jobs), holder()
    jobs.leases.acquire(job_id, owner, 60)
    if free:
        assert make().execute(job_id).success
        return
    with pytest.raises(JobLeasedError) as refused:
        make().execute(job_id)
    assert refused.value.owner == jobs.get_job(job_id).lease_owner == owner
    assert jobs.transitions(job_id) == []


def test_the_lease_is_renewed_while_the_run_lasts(jobs: JobService, make: MakeExecutor) -> None:
    """A day that takes longer than a lease does not cost the job."""
    ends = []

    def slow(request: DayRequest) -> int:
        for _ in range(2):
            ends.append(jobs.get_job(job_id).lease_until)
            wait_until(lambda: jobs.get_job(job_id).lease_until != ends[-1])
        return 3

    job_id = create(jobs, 1)
    executor = make(slow, lease_seconds=0.3)
    assert executor.execute(job_id).success
    assert ends == sorted(ends)
    assert_free(jobs, job_id)


def steal(jobs: JobService, job_id: str, executor: ScriptedExecutor) -> None:
    """Another executor takes the job over, as it may when a lease has run out, and starts its second day."""
    jobs.leases.release(job_id, executor.owner)
    jobs.leases.acquire(job_id, "another", 60)
    jobs.start_row(jobs.get_rows(job_id)[1].id, owner="another")


def assert_left_alone(jobs: JobService, job_id: str, result: ExecutionResult) -> None:
    """The job is the other one's, as he has left it."""
    job = jobs.get_job(job_id)
    assert (job.status, job.lease_owner, job.error_code) == (JobStatus.RUNNING, "another", None)
    assert [row.status.value for row in jobs.get_rows(job_id)] == ["running", "running", "pending"]
    assert log(jobs, job_id) == [("running", "")]
    assert not result.success
    assert "lease" in result.stopped


def test_a_lost_lease_stops_the_run(jobs: JobService, make: MakeExecutor) -> None:
    """The heartbeat notices; nothing of the job is touched any more, its state and its rows are another's."""

    def robbed(request: DayRequest) -> int:
        steal(jobs, job_id, executor)
        wait_until(lambda: executor.loader.stopping)
        return 3

    job_id = create(jobs)
    executor = make(robbed, lease_seconds=0.3)
    assert_left_alone(jobs, job_id, executor.execute(job_id))
    assert len(executor.loader.asked) == 1


def test_a_lost_lease_is_noticed_without_a_heartbeat(jobs: JobService, make: MakeExecutor) -> None:
    """A machine that was frozen has landed a day: the ledger refuses its word about it, and it stops."""

    def robbed(request: DayRequest) -> int:
        steal(jobs, job_id, executor)
        return 3

    job_id = create(jobs)
    executor = make(robbed)
    assert_left_alone(jobs, job_id, executor.execute(job_id))


def test_what_the_ledger_refuses_a_robbed_run_is_no_defect(jobs: JobService, make: MakeExecutor) -> None:
    """The other executor has changed what this one builds on: a lost lease, whatever the ledger calls it."""

    def robbed(_: DayRequest) -> int:
        steal(jobs, job_id, executor)
        raise LedgerError("a hash was recorded without the intent to submit it")

    job_id = create(jobs)
    executor = make(robbed)
    assert_left_alone(jobs, job_id, executor.execute(job_id))


def test_what_the_ledger_refuses_its_holder_is_a_defect(jobs: JobService, make: MakeExecutor) -> None:
    """With the lease still held, the error comes out, after the job was paused with it."""

    def mistaken(_: DayRequest) -> int:
        raise LedgerError("a hash was recorded without the intent to submit it")

    job_id = create(jobs)
    with pytest.raises(LedgerError, match="without the intent"):
        make(mistaken).execute(job_id)
    assert log(jobs, job_id)[-1] == ("paused", "LedgerError: a hash was recorded without the intent to submit it")
    assert_free(jobs, job_id)
