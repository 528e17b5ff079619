"""How long a store may be away before a run gives up: for budget (BM-07), ledger (BM-05), lake and locks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

R = TypeVar("R")

#: Seconds that a store may be away before that is an error; and once the run is to end.
DEADLINE = 60.0
HURRIED_DEADLINE = 2.0
#: Seconds between two attempts: the first, doubled up to the last.
_FIRST_BACKOFF = 0.1
_LONGEST_BACKOFF = 1.0


class OutageDeadline:
    """Says after each failure how long to back off, until the store was away for too long; threads may share it."""

    def __init__(
        self,
        seconds: float = DEADLINE,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.seconds = seconds
        self._clock, self._sleep = clock, sleep
        self._away_since: float | None = None
        self._backoff = _FIRST_BACKOFF

    @property
    def is_away(self) -> bool:
        """Whether the store failed when it was last asked."""
        return self._away_since is not None

    def hurry(self) -> None:
        """Allow only two more seconds, since the run is to end; safe to call from a signal handler."""
        self.seconds = HURRIED_DEADLINE

    def next_backoff(self) -> float | None:
        """After a failure: seconds until the next attempt; `None` when the store has been away for too long."""
        now = self._clock()
        away_since = self._away_since
        if away_since is None:
            self._away_since, self._backoff = now, _FIRST_BACKOFF
        elif now - away_since >= self.seconds:
            return None
        backoff, self._backoff = self._backoff, min(2 * self._backoff, _LONGEST_BACKOFF)
        return backoff

    def answered(self) -> None:
        """The store has answered; the next failure starts a new outage."""
        self._away_since = None

    def retry(self, ask: Callable[[], R], outage: Callable[[Exception], Exception | None]) -> R:
        """Ask a store until it answers, or has been away for too long.

        `outage` turns an error of `ask` into the one to raise then; for one that is no outage it returns `None`, or
        raises another one, and that is raised at once.
        """
        while True:
            try:
                answer = ask()
            except Exception as error:
                final = outage(error)
                backoff = None if final is None else self.next_backoff()
                if backoff is None:
                    if final is None or final is error:
                        raise
                    raise final from error
                self._sleep(backoff)
            else:
                self.answered()
                return answer
