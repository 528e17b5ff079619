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
from sonnys_pipeline.extract.retry_policy import JobOverdueError, Remedy, TotalMovedError, remedy_for, shows_trouble

NOT_FOUND = NotFoundError(404, "EntityNotFoundError", ("nothing",))
#: error → its remedy, whatever else is known of the job; and whether it shows that the API is in trouble.
ALWAYS = [
    (RateLimitError(429, "RequestRateExceedError", ()), Remedy.REPEAT, False),
    (ServerError(500, "ServerUnexpectedFailure", ()), Remedy.REPEAT, True),
    (ServerError(503, None, ()), Remedy.REPEAT, True),
    (APIConnectionError("dropped"), Remedy.REPEAT, True),
    (APITimeoutError("no answer in time"), Remedy.REPEAT, True),
    (ResponseFormatError("HTML"), Remedy.REPEAT, True),
    (JobOverdueError("still working"), Remedy.SPLIT, True),
    (IncompleteResultError(2, 1, "window"), Remedy.SPLIT, False),
    (TotalMovedError(2, 3, "window"), Remedy.SPLIT, False),
    (AuthError(403, "BadClientCredentialsError", ()), Remedy.GIVE_UP, False),
    (ValidationError(422, "PayloadValidationError", ()), Remedy.GIVE_UP, False),
    (APIStatusError(418, None, ()), Remedy.GIVE_UP, False),
    (UnknownJobStatusError("queued"), Remedy.GIVE_UP, False),
    (UnparsableRowError("1:1", "total", "no number"), Remedy.GIVE_UP, False),
    (APIError("something else"), Remedy.GIVE_UP, False),
]
NAMES = [f"{type(error).__name__}{getattr(error, 'status', '')}" for error, _, _ in ALWAYS]


@pytest.mark.parametrize(("error", "remedy", "trouble"), ALWAYS, ids=NAMES)
def test_most_failures_have_one_remedy(error: APIError, remedy: Remedy, trouble: bool) -> None:
    """Whatever else is known: sent again, read in halves, or given up."""
    for polling, expired, first_page, seen_before in itertools.product([False, True], repeat=4):
        found = remedy_for(error, polling=polling, expired=expired, first_page=first_page, seen_before=seen_before)
        assert found is remedy
    assert shows_trouble(error) is trouble


@pytest.mark.parametrize(("seen_before", "remedy"), [(False, Remedy.RESUBMIT), (True, Remedy.SPLIT)])
@pytest.mark.parametrize("first_page", [True, False])
def test_a_failed_job_is_submitted_again_and_then_read_in_halves(
    seen_before: bool, remedy: Remedy, first_page: bool
) -> None:
    """Once with the same criteria; the second time that failure may be cached for 20 minutes."""
    failed = JobFailedError("h1")
    assert remedy_for(failed, polling=True, expired=False, first_page=first_page, seen_before=seen_before) is remedy
    assert not shows_trouble(failed)


@pytest.mark.parametrize(
    ("polling", "expired", "first_page", "seen_before", "remedy"),
    [
        (True, True, True, False, Remedy.RESUBMIT),  # past its 20 minutes
        (True, True, True, True, Remedy.RESUBMIT),
        (True, True, False, True, Remedy.RESUBMIT),
        (True, False, True, False, Remedy.COUNT),  # early: an empty window, or a lost job
        (True, False, True, True, Remedy.SPLIT),  # counted before, and lost again
        (True, False, False, False, Remedy.RESUBMIT),  # a further page is never an empty window's
        (True, False, False, True, Remedy.SPLIT),
        (False, False, True, False, Remedy.COUNT),  # the count itself was not found: ask once more
        (False, True, True, False, Remedy.COUNT),
    ],
)
def test_404_is_told_apart(polling: bool, expired: bool, first_page: bool, seen_before: bool, remedy: Remedy) -> None:
    """LJ-10: expired, empty or lost, by age, page and what happened before."""
    assert (
        remedy_for(NOT_FOUND, polling=polling, expired=expired, first_page=first_page, seen_before=seen_before)
        is remedy
    )
    assert not shows_trouble(NOT_FOUND)
