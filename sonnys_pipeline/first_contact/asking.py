"""Single requests within a bound: each acquires a permit of the shared budget, and none is sent beyond the bound."""

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

#: How often one request is repeated. Once: the bound is small, and an answer may stay unknown.
_REPETITIONS = 1
#: What may be quoted of a foreign body: the API's words for errors, names of fields. Anything else may be a value.
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class BoundSpentError(Exception):
    """Another request would be one more than was promised."""


@dataclass(frozen=True)
class Sent:
    """One request and its outcome, without anything that was asked for or answered.

    Attributes:
        what: which question it belongs to.
        outcome: `answered`, or what went wrong.
        seconds: from sending to answer.
    """

    what: str
    outcome: str
    seconds: float


@dataclass
class Asker:
    """Sends single requests for `ask_all`; safe to use from several threads.

    Attributes:
        client: its connections and its budget are used, not its pace.
        most: requests, repeated ones included.
        on_request: called after each request.
        sleep: how to wait, in seconds.
        clock: monotonic seconds.
        now: our clock, aware.
        trail: every request, in the order of the answers.
        answered: whether the API has answered anything at all, be it a refusal.
        sent_at: on the monotonic clock, when the last request left.
        clock_difference: our clock minus the server's at its first answer, in seconds; `None` where no answer told.
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
        """One request, repeated once where that may heal.

        Raises:
            BoundSpentError: before a request that would be one too many.
            APIError: when it did not heal.
            BudgetUnavailableError: when the budget's store stays away.
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
        """One request, once; unless `paced`, without a permit, which is to be exceeded on purpose.

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
    """What went wrong, in words that hold nothing of an answer but the API's own word for the error."""
    if isinstance(error, BoundSpentError):
        return "the requests that were promised at most are spent"
    if isinstance(error, APIStatusError):
        return f"HTTP {error.status} {word(error.type or '')}".strip()
    return type(error).__name__ if isinstance(error, APIError) else str(error)


def word(text: object) -> str:
    """A name of the API, such as a field's; empty for what cannot be one, and might be somebody's."""
    return text if isinstance(text, str) and _WORD.fullmatch(text) else ""
