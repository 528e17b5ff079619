"""BX-01, BX-05, BX-06, JS-02, JS-07, BM-04: how a job is taken up, and how it is left, whatever happens to its run."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr

from sonnys_pipeline.backfill.executor import BatchExecutor
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.client import JobFailedError
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.extract.events import LoadingStoppedError
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.transactions import Source
from sonnys_pipeline.ledger.models import InvalidStateTransition, JobStatus, UnknownJobError
from sonnys_pipeline.ledger.service import JobService
from sonnys_pipeline.runtime.private_folder import StateUnwritableError
from sonnys_pipeline_tests.support.scripted_executor import MakeExecutor, create, day_number, log
from sonnys_pipeline_tests.unit.conftest import specs


def assert_free(jobs: JobService, job_id: str) -> None:
    assert jobs.get_job(job_id).lease_owner is None


def test_a_job_is_run_to_its_end(jobs: JobService, make: MakeExecutor, tmp_path: Path) -> None:
    """Its rows in order; the ledger, the result and the audit's summary agree."""
    job_id, executor = create(jobs), make()
    result = executor.execute(job_id)
    assert (result.job_id, result.success, result.stopped, result.failures) == (job_id, True, "", ())
    assert (result.processed, result.successful, result.failed, result.pending) == (3, 3, 0, 0)
    assert [request.day.key for request in executor.loader.asked] == [spec.day for spec in specs(3)]
    assert log(jobs, job_id) == [("running", ""), ("completed", "")]
    assert {entry.by for entry in jobs.transitions(job_id)} == {executor.owner}
    job = jobs.get_job(job_id)
    assert job.completed_at is not None
    assert_free(jobs, job_id)
    summary = json.loads((tmp_path / "state" / "audit" / f"{result.run_id}.json").read_text())
    assert (summary["status"], summary["job_id"], summary["measures"]["rows"]) == ("completed", job_id, 9)


def test_every_executor_has_a_name_of_its_own(make: MakeExecutor) -> None:
    """Two in one process, too: a lease belongs to one of them."""
    assert make().owner != make().owner


def test_a_failed_day_is_a_result(jobs: JobService, make: MakeExecutor) -> None:
    """The job has failed with that day's error; the counts add up."""
    job_id = create(jobs, 5)
    result = make(lambda request: JobFailedError("h1") if day_number(request) == 3 else 3).execute(job_id)
    assert (result.success, result.processed, result.successful, result.failed, result.pending) == (False, 3, 2, 1, 2)
    assert [(outcome.day, outcome.error) for outcome in result.failures] == [("2026-01-03", "JobFailedError")]
    job = jobs.get_job(job_id)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "JobFailedError")
    assert job.error_message is not None
    assert job.error_message.startswith("2026-01-03: Batch job failed")
    assert log(jobs, job_id)[-1] == ("failed", result.stopped)


def test_a_failed_job_goes_on_with_what_is_missing(jobs: JobService, make: MakeExecutor) -> None:
    """Three rows of five; the failed one among them, first of all."""
    job_id = create(jobs, 5)
    make(lambda request: JobFailedError("h1") if day_number(request) == 3 else 3).execute(job_id)
    executor = make()
    result = executor.execute(job_id)
    assert [day_number(request) for request in executor.loader.asked] == [3, 4, 5]
    assert (result.success, result.processed, result.successful) == (True, 3, 3)
    job = jobs.get_job(job_id)
    assert (job.status, job.successful_days, job.error_code) == (JobStatus.COMPLETED, 5, None)


def test_a_run_that_stops_itself_is_paused(jobs: JobService, make: MakeExecutor) -> None:
    """No day has failed: the job may be resumed, and the log says why it stopped."""

    def give_up(request: DayRequest) -> int:
        if day_number(request) == 2:
            raise LoadingStoppedError("the API fails every request")
        return 3

    job_id = create(jobs)
    result = make(give_up).execute(job_id)
    assert (result.success, result.successful, result.pending) == (False, 1, 2)
    assert result.stopped == "the API fails every request"
    assert log(jobs, job_id)[-1] == ("paused", "the API fails every request")
    assert jobs.get_job_summary(job_id).running_days == 0


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, ZeroDivisionError, OSError])
def test_whatever_interrupts_it_leaves_a_paused_job(
    jobs: JobService, make: MakeExecutor, tmp_path: Path, kind: type[BaseException]
) -> None:
    """It comes out as it is, after the ledger and the audit have heard of it; nothing is left running or leased."""

    def interrupt(request: DayRequest) -> int:
        if day_number(request) == 2:
            raise kind("in the middle")
        return 3

    job_id = create(jobs)
    executor = make(interrupt)
    with pytest.raises(kind):
        executor.execute(job_id)
    assert executor.loader.closed
    assert log(jobs, job_id)[-1] == ("paused", f"{kind.__name__}: in the middle")
    assert [row.status.value for row in jobs.get_rows(job_id)] == ["completed", "pending", "pending"]
    assert_free(jobs, job_id)
    (summary,) = (tmp_path / "state" / "audit").glob("*.json")
    assert json.loads(summary.read_text())["status"] == "paused"
    assert make().execute(job_id).success


def test_a_job_whose_executor_has_died_is_taken_up(jobs: JobService, make: MakeExecutor) -> None:
    """It says running, a row too, and nobody holds it: both are set right, and the log tells."""
    job_id = create(jobs)
    jobs.update_status(job_id, JobStatus.RUNNING, by="the dead")
    jobs.start_row(jobs.get_rows(job_id)[0].id)
    result = make().execute(job_id)
    assert (result.success, result.processed) == (True, 3)
    assert log(jobs, job_id) == [
        ("running", ""), ("paused", "its executor is no longer running"), ("running", ""), ("completed", "")
    ]  # fmt: skip
    assert jobs.get_rows(job_id)[0].attempts == 2


@pytest.mark.parametrize("status", [JobStatus.COMPLETED, JobStatus.CANCELLED])
def test_what_has_ended_is_not_run_again(jobs: JobService, make: MakeExecutor, status: JobStatus) -> None:
    """Refused, with nothing changed and nothing held."""
    job_id = create(jobs)
    jobs.update_status(job_id, JobStatus.RUNNING, by="somebody")
    jobs.update_status(job_id, status, by="somebody")
    with pytest.raises(InvalidStateTransition):
        make().execute(job_id)
    assert jobs.get_job(job_id).status is status
    assert_free(jobs, job_id)


def test_an_unknown_job_is_refused(make: MakeExecutor) -> None:
    """By its id."""
    with pytest.raises(UnknownJobError, match="'nothing'"):
        make().execute("nothing")


def test_a_stop_that_comes_first_is_kept(jobs: JobService, make: MakeExecutor) -> None:
    """A signal before there is anything to stop: the run ends before its first day."""
    job_id, executor = create(jobs), make()
    executor.stop("SIGTERM received")
    executor.stop("SIGINT received")
    result = executor.execute(job_id)
    assert (result.processed, result.pending, result.stopped) == (0, 3, "SIGTERM received")
    assert executor.loader.asked == []
    assert log(jobs, job_id)[-1] == ("paused", "SIGTERM received")


def test_a_stop_that_comes_last_changes_nothing(jobs: JobService, make: MakeExecutor) -> None:
    """Every day is landed: the job is completed, and nobody is told to resume what has nothing left to do."""
    job_id, executor = create(jobs), make()
    executor._listener.day_landed = lambda day: (
        executor.stop("SIGTERM received") if day.loaded.day.key == "2026-01-03" else None
    )
    result = executor.execute(job_id)
    assert (result.success, result.successful, result.pending) == (True, 3, 0)
    assert result.stopped == "SIGTERM received"
    assert log(jobs, job_id)[-1] == ("completed", "SIGTERM received")


@pytest.mark.parametrize(("site_code", "kept"), [("MAIN", "MAIN"), (None, "")])
def test_the_settings_say_whose_days_are_landed(
    jobs: JobService, tmp_path: Path, site_code: str | None, kept: str
) -> None:
    """Account and site of the settings stand in the options of a run, from which they come into every file."""
    settings = Settings(
        api_id=SecretStr("i"), api_key=SecretStr("k"), site_code=site_code, state_dir=tmp_path / "state"
    )
    with Workspace(settings) as workspace:
        executor = BatchExecutor(workspace)
        assert executor._options.source == Source(settings.api_id_digest, kept)


def test_a_run_keeps_its_source_in_every_file(jobs: JobService, make: MakeExecutor, tmp_path: Path) -> None:
    """What the options say stands in the landed file; a run of another source fails the day, and the day stays."""
    assert make().execute(create(jobs, 1)).success
    lake = Lake(tmp_path / "data")
    assert lake.metadata("transactions", "2026-01-01")["account"] == "account"
    other = make()
    other._options = replace(other._options, source=Source("another"))
    result = other.execute(create(jobs, 1))
    assert [failed.error for failed in result.failures] == ["OtherSourceError"]
    assert lake.metadata("transactions", "2026-01-01")["account"] == "account"


def test_an_audit_that_cannot_be_written_is_named(jobs: JobService, make: MakeExecutor, tmp_path: Path) -> None:
    """Before the first request, and the lease is free again; mended, the job runs."""
    job_id = create(jobs)
    (tmp_path / "state" / "audit").write_text("a file")
    with pytest.raises(StateUnwritableError, match="SONNYS_STATE_DIR"):
        make().execute(job_id)
    assert_free(jobs, job_id)
    (tmp_path / "state" / "audit").unlink()
    assert make().execute(job_id).success
