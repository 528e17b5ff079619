"""BM-02, BM-04, BM-05, JS-06, DG-03: retry policies, termination and a second executor, as a Dagster run meets them."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest

from sonnys_pipeline.backfill.executor import BatchExecutor, ExecutionResult, JobIdentity
from sonnys_pipeline.ledger.models import JobStatus
from sonnys_pipeline.orchestration.events.recorder import MaterializationRecorder
from sonnys_pipeline.simulator import Faults
from sonnys_pipeline_tests.integration.conftest import Pipeline
from sonnys_pipeline_tests.support.pipelines.dagster_runs import (
    DAYS,
    assert_all_landed_once,
    fail_days,
    ledger,
    only_job,
    reads,
    run,
    statuses,
)
from sonnys_pipeline_tests.support.pipelines.executors import wait_until

OTHERS = [day for day in DAYS if day != DAYS[3]]


@pytest.fixture
def after_attempt(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], None]], None]:
    """Calls something at the end of each attempt, before Dagster hears of it."""
    load = BatchExecutor.load

    def call(what: Callable[[], None]) -> None:
        def load_then_call(self: BatchExecutor, days: Sequence[str], identity: JobIdentity) -> ExecutionResult:
            try:
                return load(self, days, identity)
            finally:
                what()

        monkeypatch.setattr(BatchExecutor, "load", load_then_call)

    return call


def test_a_step_retry_goes_on_in_the_same_run(
    pipeline: Pipeline, after_attempt: Callable[[Callable[[], None]], None]
) -> None:
    """A day fails and is healed at the retry: one run, one job, landed days read once, one materialization a day.

    Each has its row count, days of the first attempt, too.
    """
    fail_days(pipeline, DAYS[3])
    after_attempt(lambda: fail_days(pipeline))

    result = run(pipeline, retries=1)

    assert result.success
    assert [event.event_type_value for event in result.all_events].count("STEP_UP_FOR_RETRY") == 1
    assert only_job(pipeline).name == f"dagster:{result.run_id}"
    assert statuses(pipeline) == ["running", "failed", "running", "completed"]
    assert {day: reads(pipeline)[day] for day in OTHERS} == {day: {1} for day in OTHERS}
    assert pipeline.times_materialized() == dict.fromkeys(DAYS, 1)
    assert [
        record.asset_materialization.metadata["dagster/partition_row_count"].value
        for record in pipeline.materializations("transactions")
    ] == [120] * 5
    assert_all_landed_once(pipeline)


def test_the_last_attempt_records_what_all_have_landed(
    pipeline: Pipeline, after_attempt: Callable[[Callable[[], None]], None]
) -> None:
    """Two days fail, one of them is healed at the retry: the run fails, and four days are materialized, once each."""
    fail_days(pipeline, DAYS[1], DAYS[3])
    after_attempt(lambda: fail_days(pipeline, DAYS[3]))

    result = run(pipeline, retries=1)

    assert f"{DAYS[3]} was not landed" in pipeline.failure(result)
    assert statuses(pipeline) == ["running", "failed"] * 2
    assert pipeline.times_materialized() == dict.fromkeys(OTHERS, 1)


@pytest.fixture
def terminated(pipeline: Pipeline) -> Iterator[Callable[[], None]]:
    """Does what "Terminate" in Dagster's UI does to a run, when four days have landed and one never will."""
    pipeline.simulator.set_faults(Faults(endless_jobs=1))
    over = threading.Event()

    def terminate() -> None:
        with ledger(pipeline) as jobs:
            wait_until(lambda: over.is_set() or [job.successful_days for job in jobs.list_jobs()] == [4])
        if not over.is_set():
            (running,) = pipeline.instance.get_runs()
            pipeline.instance.report_run_canceling(running)
            os.kill(os.getpid(), signal.SIGTERM)

    sender = threading.Thread(target=terminate)
    yield sender.start
    over.set()
    sender.join()


def test_a_terminated_run_is_not_retried(pipeline: Pipeline, terminated: Callable[[], None]) -> None:
    """In spite of its retry policy: cancelled, its days recorded once, its job paused and free, until it is resumed."""
    terminated()
    result = run(pipeline, retries=3)

    events = [event.event_type_value for event in result.all_events]
    assert "STEP_UP_FOR_RETRY" not in events
    assert pipeline.instance.get_run_by_id(result.run_id).status.value == "CANCELED"
    assert "The run was terminated" in pipeline.failure(result)
    landed = pipeline.lake.partitions("transactions")
    assert len(landed) == 4
    assert pipeline.times_materialized() == dict.fromkeys(landed, 1)
    job = only_job(pipeline)
    assert (job.status, job.lease_owner, job.successful_days) == (JobStatus.PAUSED, None, 4)
    with ledger(pipeline) as jobs:
        assert jobs.transitions(job.id)[-1].why == "SIGTERM received"

    pipeline.simulator.advance(1200)
    assert run(pipeline, parent=result, from_failure=True).success
    assert {day: reads(pipeline)[day] for day in landed} == {day: {1} for day in landed}
    assert_all_landed_once(pipeline)


def test_a_job_that_another_executor_holds_is_refused(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run fails and says who holds the job; it sends nothing, and what the holder has landed is not its to record.

    Once the job is free, it goes on.
    """
    fail_days(pipeline, DAYS[3])
    with monkeypatch.context() as holder:
        holder.setattr(MaterializationRecorder, "log", lambda _: None)
        failed = run(pipeline)
    job, requests = only_job(pipeline), pipeline.simulator.stats().requests
    with ledger(pipeline) as jobs:
        jobs.leases.acquire(job.id, "elsewhere:4711:0815", 600)

    refused = run(pipeline, parent=failed, from_failure=True, retries=1)

    failure = pipeline.failure(refused)
    assert job.id in failure
    assert "elsewhere:4711:0815" in failure
    assert [event.event_type_value for event in refused.all_events].count("STEP_UP_FOR_RETRY") == 0
    assert pipeline.simulator.stats().requests == requests
    assert pipeline.times_materialized() == {}
    assert statuses(pipeline) == ["running", "failed"]

    with ledger(pipeline) as jobs:
        jobs.leases.release(job.id, "elsewhere:4711:0815")
    fail_days(pipeline)
    assert run(pipeline, parent=refused, from_failure=True).success
    assert statuses(pipeline) == ["running", "failed", "running", "completed"]
    assert_all_landed_once(pipeline)
