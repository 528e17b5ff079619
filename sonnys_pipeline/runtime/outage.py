"""How long a store may be away before a run gives up on it: budget (BM-07) and ledger (BM-05) ask here."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds between two tries: the first, doubling up to the last.
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 1.0


class OutageDeadline:
    """Says after each failure how long to wait before the next try, until the store has been away for too long.

    Safe for use by several threads: what they share is one store, which is away for all of them.
    """

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Be patient for so long, by a clock of monotonic seconds."""
        self.seconds = seconds
        self._clock = clock
        self._away_since: float | None = None
        self._pause = _FIRST_PAUSE

    @property
    def is_away(self) -> bool:
        """Whether the store did not answer when it was last asked."""
        return self._away_since is not None

    def next_pause(self) -> float | None:
        """The store has failed: seconds until it is worth trying again; `None` when it has been away for too long."""
        now = self._clock()
        away_since = self._away_since
        if away_since is None:
            self._away_since, self._pause = now, _FIRST_PAUSE
        elif now - away_since >= self.seconds:
            return None
        pause, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
        return pause

    def answered(self) -> None:
        """The store has answered: the next failure is a new one."""
        self._away_since = None
