"""Errors of the Sonny's Data API (LJ-04, LJ-09, LJ-10) and of the request budget (BM-07).

```
SonnysError
├── BudgetUnavailableError        the store of the request budget does not respond; nothing was sent
└── APIError                      any failure of the API
    ├── APIConnectionError        no response: refused, dropped, TLS
    │   ├── APITimeoutError       no response in time, or a load job that did not finish in time
    │   └── RedirectedError       a redirect; neither followed nor retried
    ├── APIStatusError            a response with an error status; `type` is the API's own word
    │   ├── AuthError             403
    │   ├── NotFoundError         404: nothing found, or an expired hash
    │   ├── ValidationError       400, 422: the request itself is wrong
    │   ├── RateLimitError        429
    │   └── ServerError           5xx
    ├── ResponseFormatError       a response that violates the contract: not JSON, a field missing
    │   ├── OversizeError         larger than any page, or with an unrequested encoding
    │   └── UnparsableRowError    a row that the models refuse; names id and field
    ├── JobFailedError            the API answered `fail` for a load job
    ├── UnknownJobStatusError     a job status other than working, pass and fail
    └── IncompleteResultError     fewer (or other) rows than the API's own `total` promised
```

No error contains a credential: they are built from statuses, bodies and parameters, never from request headers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sonnys_pipeline.runtime.quoting import QUOTED_BODY, printable, word

#: Error types of an unknown or forbidden site; other 403s concern the credentials.
SITE_REFUSALS = frozenset(
    {"BadSiteCredentialsError", "NotAuthorizedSiteCredentialsError", "NotAuthorizedSiteArgsError"}
)


class SonnysError(Exception):
    """Base of all errors of this package; its text is one line without control characters."""

    def __str__(self) -> str:
        return printable(super().__str__())


class BudgetUnavailableError(SonnysError):
    """The store of the request budget cannot be reached, read or written, so nothing is sent."""


class APIError(SonnysError):
    """The API did not do what was asked; see the subclasses."""


class APIConnectionError(APIError):
    """No response: connection refused or dropped, or TLS failed."""


class APITimeoutError(APIConnectionError):
    """No response within the read timeout, or a load job not finished within its own timeout (LJ-04)."""


class RedirectedError(APIConnectionError):
    """The server redirects; following would send the credentials there."""


class APIStatusError(APIError):
    """The API answered with an error status.

    Attributes:
        type: the API's error type (contract, "Errors"); `None` if the body was not the API's JSON.
        body: the first characters of the body.
    """

    remedy = "See the API's message."
    remedies: ClassVar[Mapping[str, str]] = {}

    @property
    def concerns_site(self) -> bool:
        """Whether the requested site was refused, and not the credentials: by error type, or by a 422's parameter."""
        return self.type in SITE_REFUSALS or any(said.startswith("site:") for said in self.messages)

    def __init__(self, status: int, error_type: str | None, messages: tuple[str, ...], body: str = "") -> None:
        self.status = status
        self.type = error_type
        self.messages = messages
        self.body = body[:QUOTED_BODY]
        self.remedy = self.remedies.get(error_type or "", self.remedy)
        said = "; ".join(messages) or self.body or "no message"
        super().__init__(f"HTTP {status} {error_type or 'without a type'}: {said} — {self.remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.status, self.type, self.messages, self.body)


class AuthError(APIStatusError):
    """403: the credentials or the site are refused. Never retried (BM-02)."""

    remedy = "Check SONNYS_API_ID, SONNYS_API_KEY, SONNYS_SITE_CODE and that they belong to SONNYS_BASE_URL."


class NotFoundError(APIStatusError):
    """404: nothing found, or a hash older than 20 minutes; they look alike (contract, "Errors")."""

    remedy = "Nothing matches, or the hash has expired."


class ValidationError(APIStatusError):
    """400 or 422: the API refuses the request, with its own message (LJ-06)."""

    remedy = "The API keeps six months and accepts known sites and spans of at most 24 hours that end in the past."
    remedies: ClassVar[Mapping[str, str]] = {
        "InvalidPayloadRequestTimestampError": (
            "The clock of this machine is more than 5 minutes off: set it, and synchronize it with NTP."
        ),
        "UnexpectedFailure": "Try again later; ask Sonny's helpdesk if it persists.",
    }


class RateLimitError(APIStatusError):
    """429: the request budget of this API id is spent, by us or by another integration."""

    remedy = "Another program may use this API id: lower SONNYS_RATE_LIMIT, or share one SONNYS_BUDGET_URL."


class ServerError(APIStatusError):
    """5xx: the API failed; `messages` has the support code if there is one."""

    remedy = "Try again later; give the support code to Sonny's helpdesk if it persists."


class ResponseFormatError(APIError):
    """The response violates the contract: not JSON, or a required field is missing."""


class OversizeError(ResponseFormatError):
    """A response with more bytes or rows than a page can have; reading stopped early."""


class UnparsableRowError(ResponseFormatError):
    """One row that `TransactionJobItem` (or another model) refuses.

    Attributes:
        row_id: id of the row, if it could be read.
        field: dotted path of the invalid field, in the API's spelling.
        page: the raw rows of its page, for inspection; not in the message, because rows hold personal data.
        page_hash: hash of its load job, if any.
    """

    def __init__(
        self, row_id: str | None, field: str, reason: str, page: Sequence[Any] = (), page_hash: str | None = None
    ) -> None:
        self.row_id = row_id
        self.field = field
        self.reason = reason
        self.page = page
        self.page_hash = page_hash
        where = f" of load job {word(page_hash)}" if page_hash else ""
        named = word(row_id) if row_id else "(no id)"
        super().__init__(f"row {named}{where}: field {word(field)}: {printable(reason, QUOTED_BODY)}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.row_id, self.field, self.reason, self.page, self.page_hash)


class JobFailedError(APIError):
    """The API answered `fail` for a load job. The message starts with the words that LJ-04 fixes.

    `params` are its criteria; `body` is the whole `data` object, since the contract does not document a reason.
    """

    def __init__(self, job_hash: str, params: Mapping[str, Any] | None = None, body: object = None) -> None:
        self.job_hash = job_hash
        self.params = dict(params or {})
        self.body = body
        super().__init__("Batch job failed")

    def __str__(self) -> str:
        criteria = f", {self.params}" if self.params else ""
        return f"Batch job failed (hash {word(self.job_hash)}{criteria})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.job_hash, self.params, self.body)


class UnknownJobStatusError(ResponseFormatError):
    """A job status other than `working`, `pass` and `fail`."""


class IncompleteResultError(APIError):
    """The distinct rows received are not as many as `total` promised (LJ-05); none may be landed."""

    def __init__(self, promised: int, received: int, where: str) -> None:
        self.promised = promised
        self.received = received
        self.where = where
        difference = received - promised
        super().__init__(
            f"{where}: the API promised {promised} rows and {received} distinct rows came ({difference:+d}). "
            "Nothing was kept; rows may still be arriving for this window: run it again later."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.promised, self.received, self.where)
