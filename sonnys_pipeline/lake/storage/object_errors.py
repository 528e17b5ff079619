"""Errors of object store drivers: s3fs (botocore), gcsfs (aiohttp), adlfs (azure-core).

Most are not OSErrors, and some quote addresses with signatures. No driver is imported here: an error is recognised by
its HTTP status or its class names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum

from sonnys_pipeline.runtime.quoting import sentence

#: HTTP statuses that mean "try again later".
_LATER = frozenset({408, 425, 429})
_REFUSED = frozenset({401, 403})
_SERVER_ERROR = 500
_NOT_FOUND = 404
_PRECONDITION_FAILED = 412
#: Class names of errors without a (complete) answer.
_NO_ANSWER = frozenset(
    {
        "ConnectionError", "HTTPClientError", "ResponseParserError", "IncompleteReadError", "IncompleteRead",
        "ClientConnectionError", "ClientPayloadError", "TransportError", "ServiceRequestError", "ServiceResponseError",
        "TimeoutError",
    }
)  # fmt: skip
#: Class names of errors about missing or bad credentials.
_NO_CREDENTIALS = frozenset(
    {
        "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError",
        "UnauthorizedSSOTokenError", "SSOTokenLoadError", "DefaultCredentialsError", "RefreshError",
        "ClientAuthenticationError", "CredentialUnavailableError", "PermissionError",
    }
)  # fmt: skip
_QUERY = re.compile(r"(https?://[^\s\"'<>?]*)\?[^\s\"'<>]*")
#: Characters quoted of a driver's message.
_QUOTED = 300


class Trouble(StrEnum):
    """The kind of a failure."""

    AWAY = "away"  # no answer, or "later": worth waiting
    REFUSED = "refused"  # credentials or rights: waiting does not help
    MISSING = "missing"  # no such object, bucket or container
    REPLACED = "replaced"  # the object is another version than the one that was opened
    OTHER = "other"


def trouble_of(error: BaseException) -> Trouble:
    """The kind of a driver's failure; an unknown one is not retried."""
    if isinstance(error, FileNotFoundError):
        return Trouble.MISSING
    names = {kind.__name__ for one in _chain(error) for kind in type(one).__mro__}
    status = next((status for one in _chain(error) if (status := _status(one))), 0)
    if names & {"FileExpired"} or status == _PRECONDITION_FAILED:
        return Trouble.REPLACED
    if names & _NO_CREDENTIALS or status in _REFUSED:
        return Trouble.REFUSED
    if status == _NOT_FOUND:
        return Trouble.MISSING
    if status in _LATER or status >= _SERVER_ERROR or names & _NO_ANSWER:
        return Trouble.AWAY
    return Trouble.OTHER


def said_by(error: BaseException) -> str:
    """A driver's message in one line, without credentials and queries of addresses (which hold signatures)."""
    words = sentence(error) or type(error).__name__
    cleaned = _QUERY.sub(r"\1", words)
    return cleaned[:_QUOTED]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes: drivers wrap the errors of their libraries."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__


def _status(error: BaseException) -> int:
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:  # azure-core, aiohttp, gcsfs
        found = next(
            (value for name in ("status_code", "status", "code") if (value := getattr(error, name, None))), None
        )
    return int(found) if isinstance(found, int | str) and str(found).isdigit() else 0
