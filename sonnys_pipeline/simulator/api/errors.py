"""The API's error responses (contract, "Errors").

`UnexpectedFailure` (400) is sent for an unknown path or method.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

_TYPES: dict[str, tuple[int, str]] = {
    "UnexpectedFailure": (400, "An unexpected error has occurred."),
    "InvalidPayloadRequestTimestampError": (400, "The request's timestamp is more than 5 minutes off."),
    "MissingClientCredentialsError": (403, "The X-Sonnys-API-ID or X-Sonnys-API-Key header is missing."),
    "BadClientCredentialsError": (403, "The API id or the API key is not valid."),
    "MismatchCredentialsError": (403, "The credentials belong to another environment."),
    "NotAuthorizedError": (403, "These credentials are not authorized for access."),
    "BadSiteCredentialsError": (403, "No site has the code that was sent as a header."),
    "NotAuthorizedSiteCredentialsError": (403, "The site sent as a header may not be used with these credentials."),
    "NotAuthorizedSiteArgsError": (403, "The query argument `site` is not the site that access is authorized for."),
    "EntityNotFoundError": (404, "Nothing was found."),
    "PayloadValidationError": (422, ""),
    "RequestRateExceedError": (429, "The number of requests exceeded the allowed rate. Request blocked."),
    "ServerUnexpectedFailure": (500, "An unexpected error has occurred."),
}

ONE_SITE_ONLY = "site: Only 1 site can be selected."
"""Error of a load job without a site, for a key of several (L1)."""


class ApiError(Exception):
    """An error response.

    Args:
        error_type: one of the contract's types; it determines the HTTP status.
        message: replaces the type's default message.
        messages: findings of a `PayloadValidationError`, instead of `message`.
        code: support code of a `ServerUnexpectedFailure`.
    """

    def __init__(
        self, error_type: str, message: str | None = None, *, messages: Sequence[str] = (), code: str | None = None
    ) -> None:
        self.error_type = error_type
        self.status, wording = _TYPES[error_type]
        self.message = message or wording
        self.messages = tuple(messages)
        self.code = code
        super().__init__(f"{self.status} {error_type}: {'; '.join(self.messages) or self.message}")

    def body(self) -> dict[str, Any]:
        """The JSON body."""
        if self.messages:
            return {"type": self.error_type, "messages": list(self.messages)}
        body: dict[str, Any] = {"type": self.error_type, "message": self.message}
        if self.code is not None:
            body["code"] = self.code
        return body
