"""BX-03, BX-04: what was approved runs, or nothing; the mode is locked while a job executes."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from sonnys_pipeline.backfill.approval import SessionModeManager
from sonnys_pipeline.backfill.manifest.manifest import ManifestError
from sonnys_pipeline.backfill.plan import Plan, make_plan
from sonnys_pipeline.client import JobFailedError, RequestRate
from sonnys_pipeline.ledger.errors import JobModeLockedError, LedgerError, NotApprovedError, PlanDriftError
from sonnys_pipeline.ledger.models import JobMode, JobStatus, RowSpec
from sonnys_pipeline.ledger.service import JobService
from sonnys_pipeline_tests.support.scripted_executor import MakeExecutor, ScriptedExecutor
from sonnys_pipeline_tests.unit.conftest import specs


def planned(jobs: JobService, executor: ScriptedExecutor, manifest: Path | None = None) -> tuple[str, Plan]:
    """A pending job of three days that demands approval, and its plan by the executor's configuration."""
    scope = executor._workspace.scope()
    plan = make_plan(
        specs(3),
        scope,
        RequestRate(),
        size=lambda _: 3,
        landed_rows=lambda _: None,
        first_kept=date(2000, 1, 1),
        manifest=manifest,
    )
    job_id = jobs.create_job("a job", rows=specs(3)).id
    jobs.plans.save(job_id, fingerprint=plan.fingerprint, content=plan.content)
    return job_id, plan


def assert_untouched(jobs: JobService, job_id: str, executor: ScriptedExecutor) -> None:
    """Nothing was begun: no loader, no transition, no lease, no lock."""
    assert not hasattr(executor, "loader")
    job = jobs.get_job(job_id)
    assert (job.status, job.lease_owner, jobs.transitions(job_id)) == (JobStatus.PENDING, None, [])


def test_what_was_approved_runs(jobs: JobService, make: MakeExecutor) -> None:
    """Checked and executed; afterwards the job is completed."""
    executor = make()
    job_id, plan = planned(jobs, executor)
    jobs.plans.approve(job_id, plan.fingerprint, by="anna")
    executor.check(job_id)
    assert executor.execute(job_id).success


def test_what_was_not_approved_does_not(jobs: JobService, make: MakeExecutor) -> None:
    """Neither a plan without approval nor a job without a plan; the check says so before."""
    executor = make()
    for job_id in (planned(jobs, executor)[0], jobs.create_job("no plan", rows=specs(3)).id):
        for way in (executor.check, executor.execute):
            with pytest.raises(NotApprovedError):
                way(job_id)
        assert_untouched(jobs, job_id, executor)


def test_auto_runs_without_approval(jobs: JobService, make: MakeExecutor) -> None:
    """By the job's own mode, or by the session's, which comes first."""
    executor = make()
    job_id, _ = planned(jobs, executor)
    jobs.plans.set_mode(job_id, JobMode.AUTO)
    executor.check(job_id)
    assert executor.execute(job_id).success
    job_id, _ = planned(jobs, executor)
    executor._session = SessionModeManager(JobMode.AUTO)
    assert executor.execute(job_id).success
    job_id = jobs.create_job("auto", mode=JobMode.AUTO, rows=specs(3)).id
    strict = make()
    strict._session = SessionModeManager()
    with pytest.raises(NotApprovedError):
        strict.execute(job_id)
    assert not strict._session.is_locked


@pytest.mark.parametrize("mode", list(JobMode))
def test_another_configuration_does_not_run_it(jobs: JobService, make: MakeExecutor, mode: JobMode) -> None:
    """Approved, and in either mode: another zone reads other days than were previewed."""
    executor = make()
    job_id, plan = planned(jobs, executor)
    jobs.plans.approve(job_id, plan.fingerprint, by="anna")
    jobs.plans.set_mode(job_id, mode)
    executor._workspace.options = replace(executor._workspace.options, timezone="America/Chicago")
    with pytest.raises(PlanDriftError, match="SONNYS_TIMEZONE was 'UTC', is 'America/Chicago'"):
        executor.execute(job_id)
    assert_untouched(jobs, job_id, executor)


def test_a_day_more_does_not_run(jobs: JobService, make: MakeExecutor) -> None:
    """A row that was put into the job after its preview."""
    executor = make()
    job_id, plan = planned(jobs, executor)
    jobs.plans.approve(job_id, plan.fingerprint, by="anna")
    jobs.create_rows(job_id, [RowSpec("2026-02-01")])
    with pytest.raises(PlanDriftError, match="the job has besides 2026-02-01"):
        executor.execute(job_id)
    assert_untouched(jobs, job_id, executor)


def test_a_manifest_that_is_gone_stops_it(jobs: JobService, make: MakeExecutor, tmp_path: Path) -> None:
    """Before anything is begun: nobody could write the results back."""
    path = tmp_path / "days.csv"
    path.write_text("date\n2026-01-01\n2026-01-02\n2026-01-03\n")
    executor = make()
    job_id, plan = planned(jobs, executor, path)
    jobs.plans.approve(job_id, plan.fingerprint, by="anna")
    executor.check(job_id)
    path.unlink()
    for way in (executor.check, executor.execute):
        with pytest.raises(ManifestError, match="does not exist"):
            way(job_id)
    assert_untouched(jobs, job_id, executor)


def test_a_resume_needs_no_second_approval(jobs: JobService, make: MakeExecutor) -> None:
    """The plan is the same; half-done, its landed days are no change of it."""
    failing = make(lambda request: JobFailedError("h1") if request.day.start.day == 2 else 3)
    job_id, plan = planned(jobs, failing)
    jobs.plans.approve(job_id, plan.fingerprint, by="anna")
    assert failing.execute(job_id).failed == 1
    assert make().execute(job_id).success


def test_the_mode_is_locked_while_it_executes(jobs: JobService, make: MakeExecutor) -> None:
    """The session's, and the job's own; both are free again afterwards, whatever ended the run."""
    executor = make()
    job_id, plan = planned(jobs, executor)
    jobs.plans.approve(job_id, plan.fingerprint, by="anna")
    session = executor._session = SessionModeManager()
    refused = []

    def switch(_: object) -> None:
        with pytest.raises(ValueError, match="while a job executes in mode confirm"):
            session.set_mode(JobMode.AUTO)
        with pytest.raises(JobModeLockedError):
            jobs.plans.set_mode(job_id, JobMode.AUTO)
        refused.append(session.mode)
        if len(refused) == 2:
            raise KeyboardInterrupt

    executor._listener.day_landed = switch
    with pytest.raises(KeyboardInterrupt):
        executor.execute(job_id)
    assert len(refused) == 2
    session.set_mode(JobMode.AUTO)
    assert jobs.plans.set_mode(job_id, JobMode.AUTO).mode is JobMode.AUTO


def test_a_mode_that_is_switched_at_the_last_moment_counts(
    jobs: JobService, make: MakeExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the job says under its lease decides: it cannot change after that, and what was before is no matter."""
    job_id = jobs.create_job("auto", mode=JobMode.AUTO, rows=specs(3)).id
    real = jobs.leases.acquire

    def switched_before(*args: object, **more: object) -> object:
        jobs.plans.set_mode(job_id, JobMode.CONFIRM)
        return real(*args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(jobs.leases, "acquire", switched_before)
    with pytest.raises(LedgerError, match="no plan to approve"):
        make().execute(job_id)
