"""What can go wrong between us and the Sonny's Data API (LJ-04, LJ-09, LJ-10), or with the budget for it (BM-07).

```
SonnysError
├── BudgetUnavailableError        the store of the request budget does not answer; nothing was sent
└── APIError                      anything the API did or answered
    ├── APIConnectionError        no answer: refused, dropped, TLS
    │   ├── APITimeoutError       no answer in time, or a load job that did not finish in time
    │   └── RedirectedError       sent elsewhere; not followed, and not asked again
    ├── APIStatusError            an answer with an error status; `type` is the API's own word
    │   ├── AuthError             403
    │   ├── NotFoundError         404: nothing found, or a hash that expired
    │   ├── ValidationError       400, 422: the request itself is wrong
    │   ├── RateLimitError        429
    │   └── ServerError           5xx
    ├── ResponseFormatError       an answer that is not what the contract says: not JSON, a field missing
    │   ├── OversizeError         an answer larger than any page can be, or of another encoding than was asked for
    │   └── UnparsableRowError    one row that the models refuse; names id and field
    ├── JobFailedError            the API answered `fail` for a load job
    ├── UnknownJobStatusError     a job status beside working, pass and fail
    └── IncompleteResultError     fewer (or other) rows than the API's own `total` promised
```

No error of ours holds a credential: they are built from statuses, bodies and parameters, never from request headers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from sonnys_pipeline.runtime.quoting import QUOTED_BODY, printable, word

#: The API's words for a site that is not there, or not ours; other 403s concern the credentials.
SITE_REFUSALS = frozenset(
    {"BadSiteCredentialsError", "NotAuthorizedSiteCredentialsError", "NotAuthorizedSiteArgsError"}
)


class SonnysError(Exception):
    """Base of every error that this package raises on purpose; its text is one line that no server can act through."""

    def __str__(self) -> str:
        """The message, as it may be shown on a terminal, in a log, in a table."""
        return printable(super().__str__())


class BudgetUnavailableError(SonnysError):
    """The store of the request budget cannot be reached, read or written; nothing is sent without a permit."""


class APIError(SonnysError):
    """The API did not do what was asked; subclasses say how."""


class APIConnectionError(APIError):
    """No answer came: connection refused or dropped, or TLS failed."""


class APITimeoutError(APIConnectionError):
    """No answer within the read timeout, or a load job not finished within its own timeout (LJ-04)."""


class RedirectedError(APIConnectionError):
    """The server sent us elsewhere; following would carry the credentials there, asking again would not help."""


class APIStatusError(APIError):
    """The API answered with an error status.

    Attributes:
        status: HTTP status code.
        type: the API's own word for the error (contract, "Errors"); `None` where the body was not the API's JSON.
        messages: the API's messages, one or more.
        body: the first characters of the body, for a person.
        remedy: what to do about it; by the API's own word where that tells more than the status.
    """

    remedy = "See the message of the API."
    remedies: ClassVar[Mapping[str, str]] = {}

    @property
    def concerns_site(self) -> bool:
        """Whether a site was refused that was asked for, by parameter or header, and not the credentials.

        By the API's own word (contract, "Errors"), or by the parameter that a 422 names.
        """
        return self.type in SITE_REFUSALS or any(said.startswith("site:") for said in self.messages)

    def __init__(self, status: int, error_type: str | None, messages: tuple[str, ...], body: str = "") -> None:
        """Build the error from the parts of an answer."""
        self.status = status
        self.type = error_type
        self.messages = messages
        self.body = body[:QUOTED_BODY]
        self.remedy = self.remedies.get(error_type or "", self.remedy)
        said = "; ".join(messages) or self.body or "no message"
        super().__init__(f"HTTP {status} {error_type or 'without a type'}: {said} — {self.remedy}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all parts when the error crosses a process boundary."""
        return type(self), (self.status, self.type, self.messages, self.body)


class AuthError(APIStatusError):
    """403: the credentials, or the site, are not accepted. Never retried (BM-02)."""

    remedy = "Check SONNYS_API_ID, SONNYS_API_KEY, SONNYS_SITE_CODE and that they belong to SONNYS_BASE_URL."


class NotFoundError(APIStatusError):
    """404: nothing found, or a hash past its 20 minutes; the two look alike (contract, "Errors")."""

    remedy = "Nothing matches, or the hash has expired."


class ValidationError(APIStatusError):
    """400 or 422: the API refuses the request itself; it comes through as the API said it (LJ-06)."""

    remedy = "The API keeps six months, takes spans of at most 24 hours, no end in the future, and only known sites."
    remedies: ClassVar[Mapping[str, str]] = {
        "InvalidPayloadRequestTimestampError": (
            "The clock of this machine is more than 5 minutes off: set it, and keep it right with NTP."
        ),
        "UnexpectedFailure": "Try again later; ask Sonny's helpdesk if it stays.",
    }


class RateLimitError(APIStatusError):
    """429: the request budget of this API id is spent, by us or by another integration that shares it."""

    remedy = "Another program may share this API id: lower SONNYS_RATE_LIMIT, or point SONNYS_BUDGET_URL at one store."


class ServerError(APIStatusError):
    """5xx: the API failed. `messages` carries the support code where the API gave one."""

    remedy = "Try again later; give the support code to Sonny's helpdesk if it stays."


class ResponseFormatError(APIError):
    """The answer is not what the contract says: not JSON, or without a field it must have."""


class OversizeError(ResponseFormatError):
    """An answer with more bytes, on the wire or unpacked, or more rows than a page can have; reading was broken off."""


class UnparsableRowError(ResponseFormatError):
    """One row that `TransactionJobItem` (or another model) refuses.

    Attributes:
        row_id: id of the row, as far as it could be read.
        field: dotted path of the bad field, in the API's spelling.
        reason: what is wrong with it.
        page: the raw rows that came with it, for inspection; not in the message, because rows hold personal data.
        page_hash: hash of the load job that brought it, where one did.
    """

    def __init__(
        self, row_id: str | None, field: str, reason: str, page: Sequence[Any] = (), page_hash: str | None = None
    ) -> None:
        """Build the error for one row."""
        self.row_id = row_id
        self.field = field
        self.reason = reason
        self.page = page
        self.page_hash = page_hash
        where = f" of load job {word(page_hash)}" if page_hash else ""
        named = word(row_id) if row_id else "(no id)"
        super().__init__(f"row {named}{where}: field {word(field)}: {printable(reason, QUOTED_BODY)}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all parts when the error crosses a process boundary."""
        return type(self), (self.row_id, self.field, self.reason, self.page, self.page_hash)


class JobFailedError(APIError):
    """The API answered `fail` for a load job. The message starts with the words that LJ-04 fixes.

    Attributes:
        job_hash: hash of the load job.
        params: the criteria it was submitted with.
        body: whatever the API said beside the status (contract: not documented, so kept whole).
    """

    def __init__(self, job_hash: str, params: Mapping[str, Any] | None = None, body: object = None) -> None:
        """Build the error for one load job."""
        self.job_hash = job_hash
        self.params = dict(params or {})
        self.body = body
        super().__init__("Batch job failed")

    def __str__(self) -> str:
        """`Batch job failed`, and what is known about which."""
        criteria = f", {self.params}" if self.params else ""
        return f"Batch job failed (hash {word(self.job_hash)}{criteria})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all parts when the error crosses a process boundary."""
        return type(self), (self.job_hash, self.params, self.body)


class UnknownJobStatusError(ResponseFormatError):
    """A job status beside `working`, `pass` and `fail`: refused rather than guessed at."""


class IncompleteResultError(APIError):
    """The rows that came are not the rows that `total` promised (LJ-05); nothing may be landed from them.

    Attributes:
        promised: the API's `total`.
        received: distinct rows that came.
    """

    def __init__(self, promised: int, received: int, where: str) -> None:
        """Build the error; `where` names the window for a person."""
        self.promised = promised
        self.received = received
        self.where = where
        difference = received - promised
        super().__init__(
            f"{where}: the API promised {promised} rows and {received} distinct rows came ({difference:+d}). "
            "Nothing was kept; rows may still be arriving for this window: run it again later."
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all parts when the error crosses a process boundary."""
        return type(self), (self.promised, self.received, self.where)
