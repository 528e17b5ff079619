"""BM-04, BM-05, BX-06, JS-06, LJ-10 over real HTTP: stopped, interrupted, robbed, a resume loses nothing."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sonnys_pipeline.backfill.executor import ExecutionResult
from sonnys_pipeline.backfill.listener import LandedDay
from sonnys_pipeline.client import SonnysClient
from sonnys_pipeline.ledger.models import JobLeasedError, JobStatus, RowStatus
from sonnys_pipeline.simulator import Simulator
from sonnys_pipeline_tests.support.pipelines.executors import (
    Background,
    Bench,
    Gate,
    bench_in,
    keys,
    running,
    wait_until,
)


@pytest.fixture
def open_bench(
    start_simulator: Callable[..., Simulator], connect: Callable[..., SonnysClient], tmp_path: Path
) -> Iterator[Callable[..., Bench]]:
    opened = []

    def make(**config: object) -> Bench:
        opened.append(bench_in(tmp_path, start_simulator, connect, **config))
        return opened[-1].__enter__()

    yield make
    for one in opened:
        one.__exit__(None, None, None)


@pytest.fixture
def bench(open_bench: Callable[..., Bench]) -> Bench:
    return open_bench(midnight_row=True)


def result_of(outcome: Background) -> ExecutionResult:
    assert outcome.error is None
    assert outcome.result is not None
    return outcome.result


def stop_at(bench: Bench, job_id: str, landed: int) -> ExecutionResult:
    """Run a job, and stop it from another thread when so many days have landed."""
    gate = Gate(landed)
    executor = bench.executor(on_day=gate)
    with running(executor, job_id) as outcome:
        gate.wait()
        executor.stop("SIGTERM received")
        gate.open()
    return result_of(outcome)


def assert_whole(bench: Bench, job_id: str, days: int = 5) -> None:
    """Every day landed, every row once, each page made by one load job, nothing left over."""
    assert bench.jobs.get_job(job_id).status is JobStatus.COMPLETED
    assert bench.states(job_id) == "c" * days
    assert bench.landed_ids(keys(days)) == bench.expected_ids(keys(days))
    assert list(bench.lake.root.rglob("*.tmp")) == []
    assert [bench.jobs.load_jobs.of(row.id) for row in bench.jobs.get_rows(job_id)] == [[]] * days


def test_a_stopped_run_is_a_checkpoint(bench: Bench) -> None:
    """What is landed stays, everything else is pending, the job is paused and free; the reason is kept."""
    job_id = bench.job(12)
    result = stop_at(bench, job_id, 2)
    assert not result.success
    assert result.successful >= 2  # a day that was complete when the stop came is landed, too
    assert result.pending == 12 - result.successful > 0
    assert result.stopped == "SIGTERM received"
    job = bench.jobs.get_job(job_id)
    assert (job.status, job.lease_owner, job.completed_at) == (JobStatus.PAUSED, None, None)
    assert bench.jobs.transitions(job_id)[-1].why == "SIGTERM received"
    assert sorted(bench.states(job_id)) == sorted("c" * result.successful + "p" * result.pending)
    assert len(bench.lake.partitions("transactions")) == result.successful


def test_a_resume_reads_no_landed_day_again(bench: Bench) -> None:
    """The server sees no request more for a day that has landed; in the end every row is there once."""
    job_id = bench.job(12)
    rest = stop_at(bench, job_id, 2).pending
    done, before = set(bench.landed), bench.submissions()
    result = bench.executor().execute(job_id)
    assert (result.success, result.processed, result.successful) == (True, rest, rest)
    after = bench.submissions()
    assert done
    assert {page: count for page, count in after.items() if page[0] in done} == {
        page: count for page, count in before.items() if page[0] in done
    }
    assert sorted(bench.landed) == keys(12)
    assert bench.log(job_id) == ["running", "paused", "running", "completed"]
    assert_whole(bench, job_id, 12)


def test_live_hashes_are_taken_up_again(bench: Bench) -> None:
    """Stopped in mid-way: pages whose hash the ledger knows are polled, not submitted; no page is made twice."""
    job_id = bench.job(12)
    stop_at(bench, job_id, 1)
    live, before = bench.live_pages(job_id), bench.submissions()
    assert live
    assert bench.executor().execute(job_id).success
    after = bench.submissions()
    assert {page: after[page] for page in live} == {page: before[page] for page in live}
    assert bench.simulator.stats().jobs_created == 12 * 3
    assert_whole(bench, job_id, 12)


def slow_jobs(open_bench: Callable[..., Bench]) -> tuple[Bench, str]:
    """Five days of one page, whose jobs take a minute: stopped when each has its hash, and nothing has landed."""
    bench = open_bench(rows_per_day=80, job_seconds=(3000, 3000))
    job_id = bench.job(5)
    executor = bench.executor()
    with running(executor, job_id) as outcome:
        wait_until(lambda: len(bench.live_pages(job_id, RowStatus.RUNNING)) == 5)
        executor.stop("stopped")
    assert (result_of(outcome).processed, bench.simulator.stats().submissions) == (0, 5)
    return bench, job_id


def test_a_resume_may_need_no_submission(open_bench: Callable[..., Bench]) -> None:
    """All jobs have become ready while nobody looked: they are fetched, and nothing is submitted."""
    bench, job_id = slow_jobs(open_bench)
    bench.simulator.advance(3001)
    polls = bench.simulator.stats().polls
    assert bench.executor().execute(job_id).success
    stats = bench.simulator.stats()
    assert (stats.submissions, stats.polls - polls) == (5, 5)
    assert_whole(bench, job_id)


def test_hashes_that_died_meanwhile_are_submitted_again(open_bench: Callable[..., Bench]) -> None:
    """The ledger takes them for alive and the server has forgotten them: told apart, and read anew."""
    bench, job_id = slow_jobs(open_bench)
    bench.simulator.advance(60_001)
    executor = bench.executor()
    with running(executor, job_id) as outcome:
        wait_until(lambda: bench.simulator.stats().submissions == 10)
        bench.simulator.advance(3001)
    assert result_of(outcome).success
    assert bench.simulator.stats().submissions == 10
    assert_whole(bench, job_id)


class Terminated(BaseException):
    """An interrupt that is no `Exception`, as Dagster's own is."""


def test_an_interrupt_leaves_a_checkpoint(bench: Bench) -> None:
    """It comes out as it is; the day at which it came is landed and counted, the job paused and free."""
    job_id = bench.job(5)

    def interrupt(_: LandedDay) -> None:
        if len(bench.landed) == 2:
            raise Terminated("from the UI")

    with pytest.raises(Terminated):
        bench.executor(on_day=interrupt).execute(job_id)
    job = bench.jobs.get_job(job_id)
    assert (job.status, job.lease_owner, job.successful_days) == (JobStatus.PAUSED, None, 2)
    assert bench.jobs.transitions(job_id)[-1].why == "Terminated: from the UI"
    sent = bench.simulator.stats().requests
    result = bench.executor().execute(job_id)
    assert (result.success, result.processed) == (True, 3)
    assert bench.simulator.stats().requests > sent
    assert sorted(bench.landed) == keys(5)
    assert_whole(bench, job_id)


def test_two_executors_do_not_run_one_job(bench: Bench) -> None:
    """The second is refused and told by whom; the first does not notice."""
    job_id, gate = bench.job(3), Gate(1)
    first, second = bench.executor(on_day=gate), bench.executor()
    with running(first, job_id) as outcome:
        gate.wait()
        with pytest.raises(JobLeasedError) as refused:
            second.execute(job_id)
        assert (refused.value.job_id, refused.value.owner) == (job_id, first.owner)
        assert bench.jobs.get_job(job_id).lease_owner == first.owner
        gate.open()
    assert result_of(outcome).success
    assert bench.log(job_id) == ["running", "completed"]
    assert_whole(bench, job_id, 3)


def test_a_lost_lease_stops_the_run(bench: Bench) -> None:
    """Another executor took the job over and ended it: the first one stops, and what the ledger says is his."""
    job_id, gate = bench.job(5), Gate(1)
    frozen, successor = bench.executor(on_day=gate), bench.executor()
    with running(frozen, job_id) as outcome:
        gate.wait()
        bench.jobs.leases.release(job_id, frozen.owner)  # as if it had run out
        assert successor.execute(job_id).success
        rows = bench.jobs.get_rows(job_id)
        gate.open()
    result = result_of(outcome)
    assert (result.processed, result.successful, result.pending) == (1, 1, 0)
    assert result.success  # every day of the job is landed, by whomever; `stopped` says that this run did not do it
    assert "has lost the lease" in result.stopped
    assert bench.jobs.get_rows(job_id) == rows
    assert bench.log(job_id) == ["running", "paused", "running", "completed"]
    assert bench.landed_ids(keys(5)) == bench.expected_ids(keys(5))


def test_a_day_whose_file_is_gone_is_read_again(bench: Bench) -> None:
    """The ledger says landed, the disk says no: believed is the disk."""
    job_id = bench.job(12)
    before = stop_at(bench, job_id, 2).successful
    lost = bench.landed[0]
    bench.lake.path("transactions", lost).unlink()
    result = bench.executor().execute(job_id)
    assert (result.success, result.processed) == (True, 12 - before + 1)
    assert sorted(bench.landed) == sorted([*keys(12), lost])
    assert_whole(bench, job_id, 12)


def test_stopped_again_and_again(bench: Bench) -> None:
    """A day or two at a time, each run with its own audit: as good as one run, and no page is made twice."""
    job_id = bench.job(5)
    runs = []
    while bench.jobs.get_pending_rows(job_id):
        runs.append(stop_at(bench, job_id, 1))
        assert runs[-1].successful >= 1  # days that were complete when the stop came are landed, too
    assert sum(run.successful for run in runs) == 5
    assert sorted(bench.landed) == keys(5)
    audits = bench.state / "audit"
    assert len(list(audits.glob("*.json"))) == len(list(audits.glob("*.ndjson"))) == len(runs)
    assert bench.simulator.stats().jobs_created == 5 * 3
    assert_whole(bench, job_id)
