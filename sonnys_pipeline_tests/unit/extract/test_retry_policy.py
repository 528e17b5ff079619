"""BM-02, BM-06, LJ-10: what heals which failure, as a table; and what counts against the API's health."""

import itertools

import pytest

from sonnys_pipeline.client import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthError,
    IncompleteResultError,
    JobFailedError,
    NotFoundError,
    RateLimitError,
    ResponseFormatError,
    ServerError,
    UnknownJobStatusError,
    UnparsableRowError,
    ValidationError,
)
from sonnys_pipeline.extract.retry_policy import (
    JobOverdueError,
    RecoveryAction,
    TotalMovedError,
    is_api_failure,
    recovery_action,
)

NOT_FOUND = NotFoundError(404, "EntityNotFoundError", ("nothing",))
#: error → its remedy, whatever else is known of the job; and whether it shows that the API is in trouble.
ALWAYS = [
    (RateLimitError(429, "RequestRateExceedError", ()), RecoveryAction.REPEAT, False),
    (ServerError(500, "ServerUnexpectedFailure", ()), RecoveryAction.REPEAT, True),
    (ServerError(503, None, ()), RecoveryAction.REPEAT, True),
    (APIConnectionError("dropped"), RecoveryAction.REPEAT, True),
    (APITimeoutError("no answer in time"), RecoveryAction.REPEAT, True),
    (ResponseFormatError("HTML"), RecoveryAction.REPEAT, True),
    (JobOverdueError("still working"), RecoveryAction.SPLIT, True),
    (IncompleteResultError(2, 1, "window"), RecoveryAction.SPLIT, False),
    (TotalMovedError(2, 3, "window"), RecoveryAction.SPLIT, False),
    (AuthError(403, "BadClientCredentialsError", ()), RecoveryAction.GIVE_UP, False),
    (ValidationError(422, "PayloadValidationError", ()), RecoveryAction.GIVE_UP, False),
    (APIStatusError(418, None, ()), RecoveryAction.GIVE_UP, False),
    (UnknownJobStatusError("queued"), RecoveryAction.GIVE_UP, False),
    (UnparsableRowError("1:1", "total", "no number"), RecoveryAction.GIVE_UP, False),
    (APIError("something else"), RecoveryAction.GIVE_UP, False),
]
NAMES = [f"{type(error).__name__}{getattr(error, 'status', '')}" for error, _, _ in ALWAYS]


@pytest.mark.parametrize(("error", "remedy", "trouble"), ALWAYS, ids=NAMES)
def test_most_failures_have_one_remedy(error: APIError, remedy: RecoveryAction, trouble: bool) -> None:
    """Whatever else is known: sent again, read in halves, or given up."""
    for polling, expired, first_page, seen_before in itertools.product([False, True], repeat=4):
        found = recovery_action(error, polling=polling, expired=expired, first_page=first_page, seen_before=seen_before)
        assert found is remedy
    assert is_api_failure(error) is trouble


@pytest.mark.parametrize(("seen_before", "remedy"), [(False, RecoveryAction.RESUBMIT), (True, RecoveryAction.SPLIT)])
@pytest.mark.parametrize("first_page", [True, False])
def test_a_failed_job_is_submitted_again_and_then_read_in_halves(
    seen_before: bool, remedy: RecoveryAction, first_page: bool
) -> None:
    """Once with the same criteria; the second time that failure may be cached for 20 minutes."""
    failed = JobFailedError("h1")
    assert (
        recovery_action(failed, polling=True, expired=False, first_page=first_page, seen_before=seen_before) is remedy
    )
    assert not is_api_failure(failed)


@pytest.mark.parametrize(
    ("polling", "expired", "first_page", "seen_before", "remedy"),
    [
        (True, True, True, False, RecoveryAction.RESUBMIT),  # past its 20 minutes
        (True, True, True, True, RecoveryAction.RESUBMIT),
        (True, True, False, True, RecoveryAction.RESUBMIT),
        (True, False, True, False, RecoveryAction.COUNT),  # early: an empty window, or a lost job
        (True, False, True, True, RecoveryAction.SPLIT),  # counted before, and lost again
        (True, False, False, False, RecoveryAction.RESUBMIT),  # a further page is never an empty window's
        (True, False, False, True, RecoveryAction.SPLIT),
        (False, False, True, False, RecoveryAction.COUNT),  # the count itself was not found: ask once more
        (False, True, True, False, RecoveryAction.COUNT),
    ],
)
def test_404_is_told_apart(
    polling: bool, expired: bool, first_page: bool, seen_before: bool, remedy: RecoveryAction
) -> None:
    """LJ-10: expired, empty or lost, by age, page and what happened before."""
    assert (
        recovery_action(NOT_FOUND, polling=polling, expired=expired, first_page=first_page, seen_before=seen_before)
        is remedy
    )
    assert not is_api_failure(NOT_FOUND)
