"""JS-02, JS-03, JS-06, JS-07 as a property: in whatever order it is asked, the ledger says what a model says."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sonnys_pipeline.ledger.models import (
    VALID_ROW_TRANSITIONS,
    VALID_TRANSITIONS,
    ClosedJobError,
    DuplicateRowError,
    InvalidStateTransition,
    JobLeasedError,
    JobStatus,
    LeaseLostError,
    LedgerError,
    RowFigures,
    RowSpec,
    RowStatus,
)
from sonnys_pipeline.ledger.service import JobService
from sonnys_pipeline_tests.unit.conftest import ManualClock, specs

OWNERS = st.sampled_from(["one", "two"])
ROWS = st.integers(0, 7)
LEASE = 30.0


class LedgerMachine(RuleBasedStateMachine):
    """One job in a ledger that other examples' jobs share, beside a model of dictionaries and lists."""

    def __init__(self, ledger: JobService, clock: ManualClock) -> None:
        super().__init__()
        self.ledger, self.clock = ledger, clock

    @initialize(count=st.integers(1, 4))
    def create(self, count: int) -> None:
        self.days = [spec.day for spec in specs(count)]
        self.job = self.ledger.create_job("machine", rows=specs(count)).id
        self.status = JobStatus.PENDING
        self.started: datetime | None = None
        self.completed: datetime | None = None
        self.log: list[tuple[JobStatus, JobStatus]] = []
        self.rows = [RowStatus.PENDING] * count
        self.attempts = [0] * count
        self.spent = [0] * count
        self.owner: str | None = None
        self.until = self.clock()

    def snapshot(self) -> tuple[object, ...]:
        """All that the ledger says about the job."""
        ledger, job = self.ledger, self.job
        return ledger.get_job(job), ledger.get_rows(job), ledger.transitions(job), ledger.get_job_summary(job)

    def refused(self, error: type[LedgerError], step: Callable[[], object]) -> LedgerError:
        """A step that has to be refused, and to leave everything as it is."""
        before = self.snapshot()
        with pytest.raises(error) as caught:
            step()
        assert self.snapshot() == before
        return caught.value

    @rule(seconds=st.sampled_from([1.0, LEASE, LEASE + 1]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(status=st.sampled_from(JobStatus))
    def change_status(self, status: JobStatus) -> None:
        step = lambda: self.ledger.update_status(self.job, status, by="machine", why="drawn")  # noqa: E731
        if status not in VALID_TRANSITIONS[self.status]:
            error = self.refused(InvalidStateTransition, step)
            assert isinstance(error, InvalidStateTransition)
            assert (error.current_state, error.attempted_state) == (self.status, status)
            assert error.allowed_transitions == VALID_TRANSITIONS[self.status]
            return
        step()
        self.log.append((self.status, status))
        self.status = status
        if status is JobStatus.RUNNING and self.started is None:
            self.started = self.clock()
        self.completed = self.clock() if status in {"completed", "failed", "cancelled"} else None

    def move(self, number: int, status: RowStatus, step: Callable[[int], object], owner: str | None = None) -> bool:
        """Try a step on a row; whether it was allowed."""
        number %= len(self.rows)
        row = self.ledger.get_rows(self.job, limit=1, offset=number)[0]
        if owner is not None and owner != self.owner:
            self.refused(LeaseLostError, lambda: step(row.id))
            return False
        if status not in VALID_ROW_TRANSITIONS[self.rows[number]]:
            self.refused(InvalidStateTransition, lambda: step(row.id))
            return False
        step(row.id)
        self.rows[number] = status
        return True

    @rule(number=ROWS, owner=st.none() | OWNERS)
    def start(self, number: int, owner: str | None) -> None:
        if self.move(number, RowStatus.RUNNING, lambda row: self.ledger.start_row(row, owner=owner), owner):
            self.attempts[number % len(self.rows)] += 1

    @rule(number=ROWS, requests=st.integers(0, 9), owner=st.none() | OWNERS)
    def complete(self, number: int, requests: int, owner: str | None) -> None:
        figures = RowFigures(["h"], "p", 3, requests, 0.5)
        if self.move(
            number, RowStatus.COMPLETED, lambda row: self.ledger.complete_row(row, figures, owner=owner), owner
        ):
            self.spent[number % len(self.rows)] += requests

    @rule(number=ROWS, requests=st.integers(0, 9))
    def fail(self, number: int, requests: int) -> None:
        metadata = {"code": "E", "message": "m", "requests": requests, "seconds": 0.5}
        if self.move(number, RowStatus.FAILED, lambda row: self.ledger.fail_row(row, **metadata)):
            self.spent[number % len(self.rows)] += requests

    @rule(number=ROWS)
    def skip(self, number: int) -> None:
        self.move(number, RowStatus.SKIPPED, lambda row: self.ledger.skip_row(row, "drawn"))

    @rule(number=ROWS)
    def reopen(self, number: int) -> None:
        self.move(number, RowStatus.PENDING, self.ledger.reopen_row)

    @rule(failed=st.booleans(), running=st.booleans())
    def reopen_many(self, failed: bool, running: bool) -> None:
        wanted = {RowStatus.FAILED} if failed else set()
        wanted |= {RowStatus.RUNNING} if running else set()
        reopened = self.ledger.reopen_rows(self.job, failed=failed, running=running)
        assert reopened == sum(status in wanted for status in self.rows)
        self.rows = [RowStatus.PENDING if status in wanted else status for status in self.rows]

    @precondition(lambda self: len(self.rows) < 8)
    @rule(duplicate=st.booleans())
    def add_row(self, duplicate: bool) -> None:
        new = f"2027-01-{len(self.rows) + 1:02d}"
        wanted = [RowSpec(new), *([RowSpec(self.days[0])] if duplicate else [])]
        step = lambda: self.ledger.create_rows(self.job, wanted)  # noqa: E731
        if self.status.is_terminal:
            self.refused(ClosedJobError, step)
        elif duplicate:
            self.refused(DuplicateRowError, step)
        else:
            step()
            self.days.append(new)
            self.rows.append(RowStatus.PENDING)
            self.attempts.append(0)
            self.spent.append(0)

    @rule(owner=OWNERS)
    def acquire(self, owner: str) -> None:
        step = lambda: self.ledger.leases.acquire(self.job, owner, LEASE)  # noqa: E731
        if self.owner not in {None, owner} and self.until >= self.clock():
            self.refused(JobLeasedError, step)
        else:
            step()
            self.owner, self.until = owner, self.clock() + timedelta(seconds=LEASE)

    @rule(owner=OWNERS)
    def renew(self, owner: str) -> None:
        if self.owner == owner:
            self.until = self.ledger.leases.renew(self.job, owner, LEASE)
        else:
            self.refused(LeaseLostError, lambda: self.ledger.leases.renew(self.job, owner, LEASE))

    @rule(owner=OWNERS)
    def release(self, owner: str) -> None:
        assert self.ledger.leases.release(self.job, owner) is (self.owner == owner)
        self.owner = None if self.owner == owner else self.owner

    @invariant()
    def the_ledger_says_what_the_model_says(self) -> None:
        job, rows = self.ledger.get_job(self.job), self.ledger.get_rows(self.job)
        assert (job.status, job.started_at, job.completed_at) == (self.status, self.started, self.completed)
        assert job.lease_owner == self.owner
        assert [(row.day, row.status, row.attempts, row.requests) for row in rows] == list(
            zip(self.days, self.rows, self.attempts, self.spent, strict=True)
        )
        log = self.ledger.transitions(self.job)
        assert [(entry.from_status, entry.to_status) for entry in log] == self.log

    @invariant()
    def counts_are_what_counting_finds(self) -> None:
        job, summary = self.ledger.get_job(self.job), self.ledger.get_job_summary(self.job)
        held = {status: self.rows.count(status) for status in RowStatus}
        processed = held[RowStatus.COMPLETED] + held[RowStatus.FAILED] + held[RowStatus.SKIPPED]
        assert (job.total_days, job.processed_days) == (len(self.rows), processed)
        assert (job.successful_days, job.failed_days, job.skipped_days) == (
            held[RowStatus.COMPLETED], held[RowStatus.FAILED], held[RowStatus.SKIPPED]
        )  # fmt: skip
        assert self.ledger.update_counts(self.job) == job
        assert (summary.pending_days, summary.running_days) == (held[RowStatus.PENDING], held[RowStatus.RUNNING])
        assert (summary.requests, summary.rows) == (sum(self.spent), 3 * held[RowStatus.COMPLETED])

    @invariant()
    def an_executor_that_is_gone_is_noticed(self) -> None:
        gone = self.status is JobStatus.RUNNING and (self.owner is None or self.until < self.clock())
        assert (self.job in {job.id for job in self.ledger.leases.interrupted_jobs()}) is gone

    def teardown(self) -> None:
        """The next example's job stands alone again."""
        self.clock.advance(LEASE + 1)
        self.ledger.delete_job(self.job)


@pytest.mark.no_cover
def test_the_ledger_and_the_model_agree(ledger: JobService, clock: ManualClock) -> None:
    """Refused steps change nothing; allowed ones change what they say; counts are always right.

    One ledger serves all examples: making one takes longer than an example.
    """
    examples = 30 if ledger.where.endswith(".sqlite") else 8
    run_state_machine_as_test(
        lambda: LedgerMachine(ledger, clock), settings=settings(max_examples=examples, stateful_step_count=25)
    )  # fmt: skip
