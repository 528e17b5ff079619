"""What the drivers of object stores raise, in the lake's words: s3fs (botocore), gcsfs (aiohttp), adlfs (azure-core).

Most of it is no OSError, and some of it quotes addresses with signatures in them. No driver is imported here: an error
is known by the HTTP status that it carries, or by the names of its classes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum

from sonnys_pipeline.runtime.quoting import sentence

#: HTTP statuses by which a store says that it would like to be asked later.
_LATER = frozenset({408, 425, 429})
_REFUSED = frozenset({401, 403})
_SERVER_ERROR = 500
_NOT_FOUND = 404
_PRECONDITION_FAILED = 412
#: Classes by whose names a request is known to have had no answer, or half of one.
_NO_ANSWER = frozenset(
    {
        "ConnectionError", "HTTPClientError", "ResponseParserError", "IncompleteReadError", "IncompleteRead",
        "ClientConnectionError", "ClientPayloadError", "TransportError", "ServiceRequestError", "ServiceResponseError",
        "TimeoutError",
    }
)  # fmt: skip
#: And those that say that we have no credentials, or bad ones.
_NO_CREDENTIALS = frozenset(
    {
        "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "TokenRetrievalError",
        "UnauthorizedSSOTokenError", "SSOTokenLoadError", "DefaultCredentialsError", "RefreshError",
        "ClientAuthenticationError", "CredentialUnavailableError", "PermissionError",
    }
)  # fmt: skip
_QUERY = re.compile(r"(https?://[^\s\"'<>?]*)\?[^\s\"'<>]*")
#: How much of a driver's own words is quoted, in characters.
_QUOTED = 300


class Trouble(StrEnum):
    """What kind of failure it is."""

    AWAY = "away"  # no answer, or one that says later: worth waiting for
    REFUSED = "refused"  # credentials or rights: no waiting helps
    MISSING = "missing"  # no such object, bucket or container
    REPLACED = "replaced"  # another version is in its place than the one that was opened
    OTHER = "other"


def trouble_of(error: BaseException) -> Trouble:
    """The kind of a driver's failure; what nobody knows is not waited for."""
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
    """A driver's own words in one line: no query of an address, where signatures stand, and no credentials in one."""
    words = sentence(error) or type(error).__name__
    cleaned = _QUERY.sub(r"\1", words)
    return cleaned[:_QUOTED]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and what it came from: drivers put errors of their own in front of those of their libraries."""
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None and id(one) not in seen:
        seen.add(id(one))
        yield one
        one = one.__cause__


def _status(error: BaseException) -> int:
    """The HTTP status that an error carries; 0 where it carries none."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:  # azure-core, aiohttp, gcsfs
        found = next(
            (value for name in ("status_code", "status", "code") if (value := getattr(error, name, None))), None
        )
    return int(found) if isinstance(found, int | str) and str(found).isdigit() else 0
