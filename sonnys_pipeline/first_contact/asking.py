"""Send single requests, each counted in the shared budget, up to a maximum number."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Lock
from typing import TypeVar

from sonnys_pipeline.client import APIError, APIStatusError, RateLimitError, SonnysClient, Transactions
from sonnys_pipeline.client.client import is_retryable
from sonnys_pipeline.doctor.api import clock_difference_of

T = TypeVar("T")

#: Retries of one request: only one, since the maximum is small and an answer may stay unknown.
_REPETITIONS = 1
#: What may be quoted of a response: error types and names of fields. Anything else may be personal data.
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class BoundSpentError(Exception):
    """The maximum number of requests has been sent."""


@dataclass(frozen=True)
class Sent:
    """One request to report: its question, `answered` or what went wrong, and seconds until the response."""

    what: str
    outcome: str
    seconds: float


@dataclass
class Asker:
    """Sends single requests for `ask_all`; safe to use from several threads.

    Attributes:
        client: provides connections and the request budget.
        most: maximum number of requests, including retries.
        on_request: called after each request.
        sleep: waits for some seconds.
        clock: monotonic seconds.
        now: our clock, aware.
        trail: all requests, in the order of the responses.
        answered: whether the API has responded at all, even with an error.
        sent_at: when the last request was sent, on the monotonic clock.
        clock_difference: our clock minus the server's at the first response, in seconds; None if unknown.
    """

    client: SonnysClient
    most: int
    on_request: Callable[[Sent], None] = lambda _: None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    trail: list[Sent] = field(default_factory=list)
    sent_at: float = 0.0
    answered: bool = False
    clock_difference: float | None = None
    _begun: int = 0
    _lock: Lock = field(default_factory=Lock)

    @property
    def left(self) -> int:
        """Requests that may still be sent."""
        return self.most - self._begun

    def ask(self, what: str, call: Callable[[Transactions], T]) -> T:
        """Send a request, with one retry of transient errors.

        Raises:
            BoundSpentError: the maximum number of requests has been sent.
            APIError: the request failed.
            BudgetUnavailableError: the budget's store does not answer.
        """
        for attempt in range(_REPETITIONS + 1):
            try:
                return self.send(what, call)
            except APIError as error:
                if isinstance(error, RateLimitError):
                    self.client.budget.cool_down()
                if attempt == _REPETITIONS or not is_retryable(error, "GET", ""):
                    raise
                self.sleep(self.client.backoff_pause(attempt))
        raise AssertionError("unreachable: the last attempt returns or raises")

    def send(self, what: str, call: Callable[[Transactions], T], *, paced: bool = True) -> T:
        """Send a request without retries; unless `paced`, also without a permit, to exceed the budget on purpose.

        Raises: as `ask`.
        """
        with self._lock:
            if not self.left:
                raise BoundSpentError
            self._begun += 1
        if paced:
            self.client.budget.acquire()
        self.sent_at = sent_at = self.clock()
        outcome = "answered"
        try:
            answer = call(self.client.unthrottled())
            self.answered = True
        except APIError as error:
            outcome = reason_of(error)
            self.answered = self.answered or isinstance(error, APIStatusError)
            raise
        else:
            return answer
        finally:
            with self._lock:
                if self.clock_difference is None:
                    self.clock_difference = clock_difference_of(self.client.server_date, self.now())
                self.trail.append(Sent(what, outcome, round(self.clock() - sent_at, 3)))
                self.on_request(self.trail[-1])


def reason_of(error: Exception) -> str:
    """What went wrong, quoting nothing of a response but the error type."""
    if isinstance(error, BoundSpentError):
        return "the maximum number of requests has been sent"
    if isinstance(error, APIStatusError):
        return f"HTTP {error.status} {word(error.type or '')}".strip()
    return type(error).__name__ if isinstance(error, APIError) else str(error)


def word(text: object) -> str:
    """A name, such as a field's; empty for anything else, which may be personal data."""
    return text if isinstance(text, str) and _WORD.fullmatch(text) else ""
