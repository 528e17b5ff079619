"""Where the log of departures is kept: process memory, a file, or a server (BM-07).

All stores decide alike, and one test suite covers them. A block of `block_ms`, the API's block plus the arrival margin,
has room for so many departures; a 429 takes all room for one block; entries in the future, from before a clock was set
back, become one 429 now. Instants are milliseconds of the store's clock, so machines need not agree about the time.

A file and memory count milliseconds since the machine started (`local.py`). A server has only a wall clock; `StepWatch`
notices when it was set forward, which makes a block seem over.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from sonnys_pipeline.client.errors import BudgetUnavailableError
from sonnys_pipeline.runtime.quoting import sentence

#: How much faster than ours a server's clock may run, as a fraction.
_DRIFT = 0.001


def elapsed_ms() -> int:
    """Milliseconds since this machine started, equal for all of its processes."""
    # This clock also counts sleep; without it a block lasts longer by that.
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1_000_000


class StepWatch:
    """Notices that a server's clock was set forward between two answers; steps below the margin do no harm."""

    def __init__(self, margin_ms: int) -> None:
        self._margin_ms = margin_ms
        self._before: tuple[int, int] | None = None

    def now(self) -> int:
        """Our clock, to be read before a server is asked."""
        return elapsed_ms()

    def stepped(self, server_ms: int, sent_ms: int) -> bool:
        """Whether the server's clock has advanced more than ours.

        `server_ms` is the server's clock in this answer, `sent_ms` was `now` when it was asked. Time from before one
        question until after the next answer exceeds the time between the two readings, whatever the network.
        """
        before, self._before = self._before, (server_ms, sent_ms)
        if before is None:
            return False
        passed_here = self.now() - before[1]
        return server_ms - before[0] > passed_here * (1 + _DRIFT) + self._margin_ms


@dataclass(frozen=True)
class Terms:
    """Rules of a store; `block_ms` includes the margin, `margin_ms` is the largest backward step that is ignored."""

    api_id_digest: str
    requests: int
    block_ms: int
    margin_ms: int


class BudgetStore(Protocol):
    """A shared log of departures and 429s; each method is one atomic decision.

    Every method raises `BudgetUnavailableError` when the store is away.
    """

    def acquire(self) -> int:
        """Log a departure if there is room now; returns 0, or milliseconds until it is worth asking again."""
        ...

    def cool_down(self) -> None:
        """Log a 429: no room for a block from now."""
        ...

    def permits_in_use(self) -> int:
        """Departures in the block that ends now."""
        ...

    def close(self) -> None:
        """Release the store."""
        ...


def unavailable(where: str, error: BaseException) -> BudgetUnavailableError:
    """The error for a store that fails; `where` and error hold no password."""
    reason = sentence(error).rstrip(".").replace(". ", ", ")
    return BudgetUnavailableError(
        f"the request budget {where} cannot be used: {reason or type(error).__name__}. Check "
        "the server, or the disk and permissions; SONNYS_BUDGET_URL says where the budget is"
    )
