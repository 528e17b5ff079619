"""JS-02: which status may follow which; the records and errors of the ledger by themselves."""

import pickle
from datetime import UTC, datetime, timedelta

import pytest

from sonnys_pipeline.calendar.windows import Window
from sonnys_pipeline.ledger import models as jobs
from sonnys_pipeline.ledger.errors import DuplicateRowError, LedgerVersionError, UnknownJobError, UnknownRowError
from sonnys_pipeline.ledger.load_jobs import LoadJobRecord
from sonnys_pipeline.ledger.models import (
    VALID_ROW_TRANSITIONS,
    VALID_TRANSITIONS,
    InvalidStateTransition,
    JobLeasedError,
    JobStatus,
    LeaseLostError,
    LedgerError,
    RowSpec,
    RowStatus,
    can_transition,
)

ALLOWED = {
    ("pending", "running"), ("pending", "cancelled"),
    ("running", "completed"), ("running", "failed"), ("running", "cancelled"), ("running", "paused"),
    ("paused", "running"), ("paused", "cancelled"),
    ("failed", "running"),
}  # fmt: skip


@pytest.mark.parametrize("current", JobStatus)
@pytest.mark.parametrize("attempted", JobStatus)
def test_the_state_machine(current: JobStatus, attempted: JobStatus) -> None:
    """Exactly the transitions of JS-02, the cancelling of a pending job and the resume of a failed one."""
    allowed = (current.value, attempted.value) in ALLOWED
    assert can_transition(current, attempted) is allowed
    assert (attempted in VALID_TRANSITIONS[current]) is allowed


def test_every_status_has_its_rule() -> None:
    """No status without an entry, no way to change the rules at run time."""
    assert set(VALID_TRANSITIONS) == set(JobStatus)
    assert set(VALID_ROW_TRANSITIONS) == set(RowStatus)
    with pytest.raises(TypeError):
        VALID_TRANSITIONS[JobStatus.COMPLETED] = frozenset(JobStatus)  # type: ignore[index]


def test_which_statuses_end_a_job() -> None:
    """Completed, failed and cancelled; the words are the ones that people type."""
    assert {status.value for status in JobStatus if status.is_terminal} == {"completed", "failed", "cancelled"}
    assert [status.value for status in JobStatus] == [
        "pending", "running", "completed", "failed", "cancelled", "paused"
    ]  # fmt: skip


def test_a_refused_transition_says_what_is_allowed() -> None:
    """Three attributes (JS-02), and a sentence."""
    error = InvalidStateTransition(
        JobStatus.PAUSED, JobStatus.COMPLETED, VALID_TRANSITIONS[JobStatus.PAUSED], "job j1"
    )  # fmt: skip
    assert error.current_state is JobStatus.PAUSED
    assert error.attempted_state is JobStatus.COMPLETED
    assert error.allowed_transitions == {JobStatus.RUNNING, JobStatus.CANCELLED}
    assert str(error) == "job j1 is paused and cannot become completed; it can become cancelled or running"
    end = InvalidStateTransition(JobStatus.COMPLETED, JobStatus.RUNNING, ())
    assert str(end) == "is completed and cannot become running; it can become nothing else"


@pytest.mark.parametrize(
    "error",
    [
        InvalidStateTransition(RowStatus.PENDING, RowStatus.COMPLETED, {RowStatus.RUNNING}, "row 1"),
        JobLeasedError("j1", "host:1:ab", datetime(2026, 1, 1, tzinfo=UTC)),
        LeaseLostError("j1", "host:1:ab", None),
        LedgerVersionError("ledger.sqlite", "0009", "0001"),
        DuplicateRowError("2026-01-01", "MAIN"),
        UnknownJobError("j1"),
        UnknownRowError(7),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_cross_process_boundaries(error: LedgerError) -> None:
    """All parts survive a pickle, as Dagster and multiprocessing make one."""
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert vars(again) == vars(error)
    assert isinstance(error, LedgerError)


def test_a_row_is_a_day_and_perhaps_a_site() -> None:
    """The checksum depends on both, on nothing else, and stays what it is from version to version."""
    assert RowSpec("2026-01-01").checksum == "1ca6edbf8c712e054113074433074ef7e74f11ac35de2a479e4b5f7d796b62a0"
    checksums = {RowSpec(day, site).checksum for day in ("2026-01-01", "2026-01-02") for site in (None, "A", "B")}
    assert len(checksums) == 6


@pytest.mark.parametrize("day", ["2026-02-30", "20260101", "2026-W01-1", "yesterday", ""])
def test_what_is_no_day_is_refused(day: str) -> None:
    """As is every other spelling of a day: keys are compared as text."""
    with pytest.raises(ValueError, match=r"day|isoformat"):
        RowSpec(day)


def test_an_empty_site_is_refused() -> None:
    """Left out it means every site; empty it would mean nothing."""
    with pytest.raises(ValueError, match="empty site"):
        RowSpec("2026-01-01", "")


def test_a_load_jobs_age_counts_from_before_the_post() -> None:
    """The API may have taken it in at any moment after that."""
    at = datetime(2026, 1, 2, tzinfo=UTC)
    record = LoadJobRecord(
        1, None, at - timedelta(days=1), at, 2, "h", submitting_at=at, submitted_at=at + timedelta(seconds=9)
    )
    assert record.age(at + timedelta(seconds=10)) == timedelta(seconds=10)
    assert record.window == Window(at - timedelta(days=1), at)


def test_the_modules_names() -> None:
    """What others import from here, pinned."""
    assert sorted(jobs.__all__) == sorted(set(jobs.__all__))
    assert all(hasattr(jobs, name) for name in jobs.__all__)
