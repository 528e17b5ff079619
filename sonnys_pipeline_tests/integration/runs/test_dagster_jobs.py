"""BM-05, BM-09, JS-01, DG-03: a Dagster run is a ledger job, and a run that goes on with it goes on with its job."""

import json
import math
from collections import Counter

import pytest

from sonnys_pipeline.ledger.models import JobStatus, RowStatus
from sonnys_pipeline.orchestration.events.recorder import MaterializationRecorder
from sonnys_pipeline_tests.integration.conftest import Pipeline
from sonnys_pipeline_tests.support.pipelines.dagster_runs import (
    DAYS,
    assert_all_landed_once,
    fail_days,
    ledger,
    only_job,
    reads,
    recorded_by,
    run,
    statuses,
)
from sonnys_pipeline_tests.support.pipelines.executors import submissions

FIGURES = {
    "days", "succeeded", "failed", "success_rate", "rows", "pages", "requests", "requests_per_page", "p50_seconds",
    "p95_seconds", "seconds", "budget_wait", "list_requests",
}  # fmt: skip


def test_a_run_is_one_job_of_a_row_a_day(pipeline: Pipeline) -> None:
    """Five partitions: one completed job of five completed rows, named after the run; each day read once."""
    result = run(pipeline)

    assert result.success
    job = only_job(pipeline)
    assert (job.status, job.total_days, job.successful_days) == (JobStatus.COMPLETED, 5, 5)
    assert job.name == f"dagster:{result.run_id}"
    assert job.original_command == f"dagster run {result.run_id} of land"
    with ledger(pipeline) as jobs:
        assert [(row.day, row.status, row.rows) for row in jobs.get_rows(job.id)] == [
            (day, RowStatus.COMPLETED, 120) for day in DAYS
        ]
    assert reads(pipeline) == {day: {1} for day in DAYS}
    assert recorded_by(pipeline, result) == dict.fromkeys(DAYS, 1)
    assert_all_landed_once(pipeline)


def test_its_figures_are_metadata_and_its_progress_is_in_the_log(pipeline: Pipeline) -> None:
    """Each materialization has the run's figures, all finite and those of the audit; the log counts up to the end."""
    result = run(pipeline)

    (summary,) = (pipeline.state / "audit").glob("*.json")
    measures = json.loads(summary.read_text())["measures"]
    records = pipeline.materializations("transactions")
    assert len(records) == 5
    for record in records:
        values = {name: value.value for name, value in record.asset_materialization.metadata.items()}
        figures = {name.removeprefix("run/"): value for name, value in values.items() if name.startswith("run/")}
        assert (figures.pop("job"), figures.pop("audit")) == (only_job(pipeline).id, summary.stem)
        assert 0 < figures.pop("share_of_budget") <= 1
        assert figures.keys() == FIGURES
        assert all(math.isfinite(value) for value in figures.values())
        assert figures == measures
    assert (measures["success_rate"], measures["days"], measures["rows"], measures["pages"]) == (1.0, 5, 600, 10)
    operations = Counter(record.operation for record in pipeline.simulator.log)
    assert operations["sites"] == 1, "which sites there are is asked before the days are read"
    assert measures["requests"] == pipeline.simulator.stats().requests - 1
    assert measures["list_requests"] == 5 * (1 + 2), "of each day a count, and states of 120 rows on two pages"
    assert measures["requests_per_page"] == (measures["requests"] - measures["list_requests"]) / 10
    assert 0 < measures["p50_seconds"] <= measures["p95_seconds"] <= measures["seconds"]
    assert measures["budget_wait"] >= 0
    log = [entry.user_message for entry in pipeline.instance.all_logs(result.run_id)]
    progress = [line for line in log if " of 5 days, " in line]
    assert [line.split(",")[0] for line in progress] == [f"{done} of 5 days" for done in range(1, 6)]
    assert "10 pages, 600 rows" in progress[-1]


def test_failed_days_are_named_and_the_others_stay(pipeline: Pipeline) -> None:
    """Two days fail: the failure names both and what to do; the other three are landed and recorded, once each."""
    fail_days(pipeline, DAYS[1], DAYS[3])

    result = run(pipeline)

    failure = pipeline.failure(result)
    for day in DAYS:
        assert (f"{day} was not landed: JobFailedError" in failure) == (day in {DAYS[1], DAYS[3]})
    assert "3 day(s) landed and stay landed, 2 failed, 0 not begun" in failure
    assert '"Re-execute from failure" goes on' in failure
    good = [DAYS[0], DAYS[2], DAYS[4]]
    assert pipeline.lake.partitions("transactions") == good
    assert pipeline.times_materialized() == dict.fromkeys(good, 1)
    job = only_job(pipeline)
    assert (job.status, job.successful_days, job.failed_days) == (JobStatus.FAILED, 3, 2)


def test_from_failure_goes_on_with_the_job(pipeline: Pipeline) -> None:
    """Only the missing day is read; the job ends completed.

    Dagster records every partition of a run that succeeds: days of the attempt before have a second materialization
    then, with the same facts as their first.
    """
    fail_days(pipeline, DAYS[3])
    failed = run(pipeline)
    before = submissions(pipeline.simulator)
    fail_days(pipeline)

    result = run(pipeline, parent=failed, from_failure=True)

    assert result.success
    new = submissions(pipeline.simulator) - before
    assert new == {(DAYS[3], 1): 1, (DAYS[3], 2): 1}
    assert only_job(pipeline).name == f"dagster:{failed.run_id}"
    assert statuses(pipeline) == ["running", "failed", "running", "completed"]
    assert_all_landed_once(pipeline)
    assert recorded_by(pipeline, result) == dict.fromkeys(DAYS, 1)
    assert pipeline.times_materialized() == {day: 1 if day == DAYS[3] else 2 for day in DAYS}
    facts: dict[str | None, list[dict[str, object]]] = {}
    for record in pipeline.materializations("transactions"):
        metadata = record.asset_materialization.metadata
        facts.setdefault(record.partition_key, []).append(
            {name: value.value for name, value in metadata.items() if not name.startswith(("run/", "last_30_days"))}
        )
    for day in set(DAYS) - {DAYS[3]}:
        again, first = facts[day]
        told_by_reading_alone = {"unknown_fields", "seconds_waited_for_budget", "repeats", "replaced_text"}
        assert first.keys() - again.keys() == told_by_reading_alone
        assert again == {name: first[name] for name in again}


def test_a_chain_of_re_executions_is_one_job(pipeline: Pipeline) -> None:
    """Two days fail, then one, then none: one job through three runs; each run records what it landed itself."""
    fail_days(pipeline, DAYS[1], DAYS[3])
    first = run(pipeline)
    fail_days(pipeline, DAYS[3])
    second = run(pipeline, parent=first, from_failure=True)
    fail_days(pipeline)
    third = run(pipeline, parent=second, from_failure=True)

    assert (first.success, second.success, third.success) == (False, False, True)
    assert only_job(pipeline).name == f"dagster:{first.run_id}"
    assert statuses(pipeline) == ["running", "failed"] * 2 + ["running", "completed"]
    landed_at_once = {DAYS[0], DAYS[2], DAYS[4]}
    assert {day: counts for day, counts in reads(pipeline).items() if day in landed_at_once} == {
        day: {1} for day in landed_at_once
    }
    assert recorded_by(pipeline, first) == dict.fromkeys(landed_at_once, 1)
    assert recorded_by(pipeline, second) == {DAYS[1]: 1}
    assert recorded_by(pipeline, third) == dict.fromkeys(DAYS, 1)
    assert_all_landed_once(pipeline)


def test_days_that_a_killed_run_did_not_record_are_recorded_later(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run lands four days and dies before it records one; its successor, though it fails too, records the four."""
    fail_days(pipeline, DAYS[3])
    with monkeypatch.context() as dying:
        dying.setattr(MaterializationRecorder, "log", lambda _: None)
        killed = run(pipeline)
    assert pipeline.times_materialized() == {}

    successor = run(pipeline, parent=killed, from_failure=True)

    assert not successor.success
    assert pipeline.times_materialized() == {day: 1 for day in DAYS if day != DAYS[3]}
    rows = [
        record.asset_materialization.metadata["dagster/partition_row_count"].value
        for record in pipeline.materializations("transactions")
    ]
    assert rows == [120] * 4


def test_a_plain_re_execution_reads_everything_again(pipeline: Pipeline) -> None:
    """All steps, not from failure: a job of its own, in which every day is read; the failed one stays as it was."""
    fail_days(pipeline, DAYS[3])
    failed = run(pipeline)
    before = submissions(pipeline.simulator)
    fail_days(pipeline)

    result = run(pipeline, parent=failed)

    assert result.success
    assert submissions(pipeline.simulator) - before == {(day, page): 1 for day in DAYS for page in (1, 2)}
    with ledger(pipeline) as jobs:
        assert [(job.name, job.status) for job in jobs.list_jobs()] == [
            (f"dagster:{result.run_id}", JobStatus.COMPLETED),
            (f"dagster:{failed.run_id}", JobStatus.FAILED),
        ]
    assert_all_landed_once(pipeline)
