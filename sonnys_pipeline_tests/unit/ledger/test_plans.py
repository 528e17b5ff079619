"""BX-03, BX-04: plans in the ledger, their approval, a job's mode; a ledger of the first schema keeps its jobs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, inspect, text

from sonnys_pipeline.ledger import engine as ledger_engines
from sonnys_pipeline.ledger.errors import JobModeLockedError, PlanError
from sonnys_pipeline.ledger.models import JobMode, JobStatus, LedgerError, PlanRecord, RowStatus, UnknownJobError
from sonnys_pipeline.ledger.service import JobService, open_ledger
from sonnys_pipeline_tests.unit.conftest import ManualClock, specs

PRINT, OTHER = "a" * 64, "b" * 64


@pytest.fixture
def job_id(ledger: JobService) -> str:
    return ledger.create_job("a job", rows=specs(2)).id


def test_a_plan_is_kept_as_it_is(ledger: JobService, job_id: str, clock: ManualClock) -> None:
    """Content, fingerprint and instant; nobody has approved it."""
    assert ledger.plans.get(job_id) is None
    made = ledger.plans.save(job_id, fingerprint=PRINT, content='{"rows": "ä"}')
    assert made == PlanRecord(job_id, PRINT, '{"rows": "ä"}', clock(), None, None, None)
    assert ledger.plans.get(job_id) == made
    assert not made.is_approved


def test_a_job_has_one_plan(ledger: JobService, job_id: str) -> None:
    """A second one is refused, and one for a job that has begun; the first stays."""
    ledger.plans.save(job_id, fingerprint=PRINT, content="{}")
    with pytest.raises(PlanError, match="already has a plan or has started"):
        ledger.plans.save(job_id, fingerprint=OTHER, content="{}")
    plan = ledger.plans.get(job_id)
    assert plan is not None
    assert plan.fingerprint == PRINT
    begun = ledger.create_job("begun").id
    ledger.update_status(begun, JobStatus.RUNNING, by="me")
    with pytest.raises(PlanError, match="has started"):
        ledger.plans.save(begun, fingerprint=PRINT, content="{}")
    assert ledger.plans.get(begun) is None


def test_an_approval_says_who_and_when(ledger: JobService, job_id: str, clock: ManualClock) -> None:
    """The plan itself stays as it was."""
    made = ledger.plans.save(job_id, fingerprint=PRINT, content="{}")
    when = clock.advance(60)
    approved = ledger.plans.approve(job_id, PRINT, by="anna")
    assert (approved.approved_fingerprint, approved.approved_by, approved.approved_at) == (PRINT, "anna", when)
    assert (approved.content, approved.planned_at, approved.is_approved) == (made.content, made.planned_at, True)
    assert ledger.plans.get(job_id) == approved


def test_a_second_approval_changes_nothing(ledger: JobService, job_id: str, clock: ManualClock) -> None:
    """Who came first stands there."""
    ledger.plans.save(job_id, fingerprint=PRINT, content="{}")
    first = ledger.plans.approve(job_id, PRINT, by="anna")
    clock.advance(60)
    assert ledger.plans.approve(job_id, PRINT, by="berta") == first


def test_what_is_not_the_plan_is_not_approved(ledger: JobService, job_id: str) -> None:
    """Another fingerprint, or a job without a plan: refused, and nothing is approved."""
    with pytest.raises(PlanError, match=f"no plan {PRINT[:12]}; look at it with: sonnys backfill status"):
        ledger.plans.approve(job_id, PRINT, by="anna")
    ledger.plans.save(job_id, fingerprint=PRINT, content="{}")
    with pytest.raises(PlanError, match=f"no plan {OTHER[:12]}"):
        ledger.plans.approve(job_id, OTHER, by="anna")
    with pytest.raises(ValueError, match="name who approves"):
        ledger.plans.approve(job_id, PRINT, by="")
    plan = ledger.plans.get(job_id)
    assert plan is not None
    assert plan.approved_fingerprint is None


def test_an_approval_of_another_plan_is_none(ledger: JobService, job_id: str) -> None:
    """Where somebody has changed the plan in the ledger after the approval, with its fingerprint even."""
    ledger.plans.save(job_id, fingerprint=PRINT, content="{}")
    ledger.plans.approve(job_id, PRINT, by="anna")
    with ledger._store.writing() as connection:
        connection.execute(text("UPDATE sonnys_plans SET fingerprint = :other"), {"other": OTHER})
    plan = ledger.plans.get(job_id)
    assert plan is not None
    assert not plan.is_approved


@pytest.mark.parametrize(
    ("way", "refused"),
    [
        ((JobStatus.RUNNING,), False),
        ((JobStatus.RUNNING, JobStatus.PAUSED), False),
        ((JobStatus.RUNNING, JobStatus.FAILED), False),  # it may be resumed
        ((JobStatus.RUNNING, JobStatus.COMPLETED), True),
        ((JobStatus.CANCELLED,), True),
    ],
)
def test_what_has_ended_needs_no_approval(
    ledger: JobService, job_id: str, way: tuple[JobStatus, ...], refused: bool
) -> None:
    """Whatever may still run may be approved."""
    ledger.plans.save(job_id, fingerprint=PRINT, content="{}")
    for status in way:
        ledger.update_status(job_id, status, by="me")
    if refused:
        with pytest.raises(PlanError, match=f"is {way[-1]}; there is nothing left to approve"):
            ledger.plans.approve(job_id, PRINT, by="anna")
    else:
        assert ledger.plans.approve(job_id, PRINT, by="anna").is_approved


def test_a_plan_goes_with_its_job(ledger: JobService, job_id: str) -> None:
    """Of other jobs they stay."""
    other = ledger.create_job("another").id
    for one in (job_id, other):
        ledger.plans.save(one, fingerprint=PRINT, content="{}")
    ledger.delete_job(job_id)
    assert ledger.plans.get(other) is not None
    with ledger._store.reading() as connection:
        assert connection.execute(text("SELECT job_id FROM sonnys_plans")).scalars().all() == [other]


@pytest.mark.parametrize(
    "ask",
    [
        lambda ledger: ledger.plans.get("nothing"),
        lambda ledger: ledger.plans.save("nothing", fingerprint=PRINT, content="{}"),
        lambda ledger: ledger.plans.approve("nothing", PRINT, by="me"),
        lambda ledger: ledger.plans.set_mode("nothing", JobMode.AUTO),
    ],
)
def test_an_unknown_job_is_named(ledger: JobService, ask: Callable[[JobService], Any]) -> None:
    """By every method."""
    with pytest.raises(UnknownJobError, match="'nothing'"):
        ask(ledger)


def test_a_jobs_mode_is_switched(ledger: JobService, job_id: str) -> None:
    """There and back; an unknown one is refused."""
    assert ledger.plans.set_mode(job_id, JobMode.AUTO).mode is JobMode.AUTO
    assert ledger.get_job(job_id).mode is JobMode.AUTO
    assert ledger.plans.set_mode(job_id, JobMode.CONFIRM).mode is JobMode.CONFIRM
    with pytest.raises(ValueError, match="yolo"):
        ledger.plans.set_mode(job_id, "yolo")  # type: ignore[arg-type]


def test_the_mode_of_a_job_that_is_executed_is_locked(ledger: JobService, job_id: str, clock: ManualClock) -> None:
    """An error of the ledger and a `ValueError`, naming job and executor; to the same mode is no matter.

    When the lease is given back, or has run out, it can be switched.
    """
    ledger.plans.set_mode(job_id, JobMode.CONFIRM)
    ledger.leases.acquire(job_id, "them", 30)
    with pytest.raises(JobModeLockedError, match=f"job {job_id} is executed by them") as caught:
        ledger.plans.set_mode(job_id, JobMode.AUTO)
    assert isinstance(caught.value, LedgerError)
    assert isinstance(caught.value, ValueError)
    assert (caught.value.job_id, caught.value.owner) == (job_id, "them")
    assert ledger.plans.set_mode(job_id, JobMode.CONFIRM).mode is JobMode.CONFIRM
    clock.advance(31)
    assert ledger.plans.set_mode(job_id, JobMode.AUTO).mode is JobMode.AUTO
    ledger.leases.acquire(job_id, "them", 30)
    ledger.leases.release(job_id, "them")
    assert ledger.plans.set_mode(job_id, JobMode.CONFIRM).mode is JobMode.CONFIRM


def old_ledger(path: Path) -> None:
    """A ledger as revision 0001 made it, with a job in it that has a completed and a pending row."""
    path.parent.mkdir(parents=True)
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(ledger_engines.MIGRATIONS))
        config.set_main_option("path_separator", "os")
        command.upgrade(config, "0001")
        assert not inspect(connection).has_table("sonnys_plans")
        at = {"at": "2026-11-01 06:30:00.000000"}
        job = (
            "INSERT INTO sonnys_jobs (id, name, original_command, description, mode, status, total_rows, "
            "processed_rows, successful_rows, failed_rows, skipped_rows, created_at) "
            "VALUES ('old-1', 'an old job', '', '', 'auto', 'paused', 2, 1, 1, 0, 0, :at)"
        )
        row = (
            "INSERT INTO sonnys_job_rows (job_id, position, day, checksum, status, attempts, rows, requests, seconds, "
            "job_hashes) VALUES ('old-1', :place, :day, :day, :status, 1, :rows, 4, 2.5, :hashes)"
        )
        entry = (
            'INSERT INTO sonnys_job_transitions (job_id, at, from_status, to_status, "by", why) '
            "VALUES ('old-1', :at, 'running', 'paused', 'me', 'tea')"
        )
        connection.execute(text(job), at)
        for place, (status, rows) in enumerate([("completed", 7), ("pending", None)]):
            values = {"place": place, "day": f"2026-01-0{place + 1}", "status": status, "rows": rows}
            connection.execute(text(row), {**values, "hashes": f'["h{place}"]'})
        connection.execute(text(entry), at)
    engine.dispose()


def test_a_ledger_of_the_first_schema_keeps_its_jobs(ledger_url: str) -> None:
    """It is migrated when it is opened; its jobs have no plan, can be run on, and new ones can be planned."""
    old_ledger(Path(ledger_url.removeprefix("sqlite:///")))
    with open_ledger(ledger_url) as ledger:
        job = ledger.get_job("old-1")
        assert (job.name, job.status, job.mode, job.successful_days) == (
            "an old job", JobStatus.PAUSED, JobMode.AUTO, 1
        )  # fmt: skip
        assert [(row.status, row.rows, row.job_hashes) for row in ledger.get_rows("old-1")] == [
            (RowStatus.COMPLETED, 7, ("h0",)), (RowStatus.PENDING, None, ("h1",))
        ]  # fmt: skip
        assert [entry.why for entry in ledger.transitions("old-1")] == ["tea"]
        assert ledger.plans.get("old-1") is None
        ledger.start_row(ledger.get_pending_rows("old-1")[0].id)
        new = ledger.create_job("a new job").id
        ledger.plans.save(new, fingerprint=PRINT, content="{}")
        ledger.delete_job("old-1")
    with open_ledger(ledger_url) as ledger:
        assert ledger.plans.get(new) is not None
