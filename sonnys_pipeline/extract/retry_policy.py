"""What to do about an error, as one pure function (BM-02, LJ-10)."""

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
    """How a page's load job recovers."""

    REPEAT = auto()  # send the same request again, after a pause
    RESUBMIT = auto()  # submit the same criteria again
    SPLIT = auto()  # read the window again in halves: the API has no cached failure for those criteria
    COUNT = auto()  # ask the list endpoint whether the window is empty
    GIVE_UP = auto()  # fail the day


class JobOverdueError(APITimeoutError):
    """A load job is still `working` after its timeout."""


class TotalMovedError(IncompleteResultError):
    """`total` changed between the pages of one window."""


def recovery_action(
    error: APIError, *, polling: bool, expired: bool, first_page: bool, seen_before: bool
) -> RecoveryAction:
    """Choose what to do about an error.

    `expired`: the hash was older than its 20 minutes; `first_page`: it was page 1, the only one of an empty window;
    `seen_before`: the job has failed or been lost before, or was given a failed hash again.
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


def is_api_failure(error: APIError) -> bool:
    """Whether an error counts against the API's health (BM-06)."""
    return isinstance(error, ServerError | APIConnectionError) or type(error) is ResponseFormatError
