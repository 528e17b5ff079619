"""What to do about a failure: the whole table in one pure function (BM-02, LJ-10)."""

from __future__ import annotations

from enum import Enum, auto

from sonnys_pipeline.client import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    IncompleteResultError,
    JobFailedError,
    NotFoundError,
    RateLimitError,
    RedirectedError,
    ResponseFormatError,
    ServerError,
    UnknownJobStatusError,
    UnparsableRowError,
)


class RecoveryAction(Enum):
    """What heals a page's load job."""

    REPEAT = auto()  # send the same request again, after a pause
    RESUBMIT = auto()  # submit the same criteria again
    SPLIT = auto()  # read the window again in halves: criteria that no cached failure is tied to
    COUNT = auto()  # ask the list endpoint whether the window is empty
    GIVE_UP = auto()  # nothing: the day has failed


class JobOverdueError(APITimeoutError):
    """A load job is still `working` after its timeout."""


class TotalMovedError(IncompleteResultError):
    """`total` changed between the pages of one window."""


def recovery_action(
    error: APIError, *, polling: bool, expired: bool, first_page: bool, seen_before: bool
) -> RecoveryAction:
    """Choose what to do.

    Args:
        error: what went wrong.
        polling: whether a job was asked for its data, rather than submitted.
        expired: whether the hash had outlived its 20 minutes.
        first_page: whether it was page 1, the only one that a window without rows has.
        seen_before: whether this job has failed or been lost once already, or was given a failed hash again.
    """
    match error:
        case UnknownJobStatusError() | UnparsableRowError() | RedirectedError():
            return RecoveryAction.GIVE_UP
        case JobOverdueError() | IncompleteResultError():
            return RecoveryAction.SPLIT
        case JobFailedError():
            return RecoveryAction.SPLIT if seen_before else RecoveryAction.RESUBMIT
        case NotFoundError():
            if polling and expired:
                return RecoveryAction.RESUBMIT
            if first_page and not seen_before:
                return RecoveryAction.COUNT
            return RecoveryAction.SPLIT if seen_before else RecoveryAction.RESUBMIT
        case RateLimitError() | ServerError() | APIConnectionError() | ResponseFormatError():
            return RecoveryAction.REPEAT
        case _:
            return RecoveryAction.GIVE_UP


def shows_trouble(error: APIError) -> bool:
    """Whether an error counts against the API's health (BM-06): it did not do its work, whatever was asked."""
    return isinstance(error, ServerError | APIConnectionError) or type(error) is ResponseFormatError
