"""Where the log of departures is kept: process memory, a file, or a server (BM-07).

All stores decide alike; one test suite asks the same of each. In a block of `block_ms`, which is the API's block and
the margin for arrival, there is room for so many departures; a 429 takes all room for one block; entries in the future,
left by a clock that was set back since, become one 429 now. Instants are milliseconds of the store's own clock: sharers
on several machines need not agree about the time.

A file and memory count milliseconds since the machine was started, which no setting of a clock changes. An entry of an
earlier start either lies in the future, or is older than it looks. A server has a wall clock alone; that it was set
forward, so that a block seems to be over that is not, is noticed by whoever asks next (`StepWatch`).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from sonnys_pipeline.client.errors import BudgetUnavailableError
from sonnys_pipeline.runtime.quoting import sentence

#: How much faster than ours a server's clock may run without having been set, as a fraction.
_DRIFT = 0.001


def elapsed_ms() -> int:
    """Milliseconds since this machine was started, the same for all of its processes."""
    # Where there is such a clock, it goes on while a laptop sleeps; else a block lasts longer by that.
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime_ns(clock) // 1_000_000


class StepWatch:
    """Notices that a server's clock was set forward between two of its answers."""

    def __init__(self, margin_ms: int) -> None:
        """Steps of less than the margin do no harm."""
        self._margin_ms = margin_ms
        self._before: tuple[int, int] | None = None

    def now(self) -> int:
        """Our clock, to be read before a server is asked."""
        return elapsed_ms()

    def stepped(self, server_ms: int, sent_ms: int) -> bool:
        """Whether more time has passed on the server's clock than on ours.

        Args:
            server_ms: the server's clock in this answer.
            sent_ms: `now` when it was asked. From before one question until after the next answer more time has passed
                here than between the server's two readings, however slow the network is.
        """
        before, self._before = self._before, (server_ms, sent_ms)
        if before is None:
            return False
        passed_here = self.now() - before[1]
        return server_ms - before[0] > passed_here * (1 + _DRIFT) + self._margin_ms


@dataclass(frozen=True)
class Terms:
    """What a store keeps to.

    Attributes:
        api_id_digest: digest that stands for the API id.
        requests: permits in a block.
        block_ms: length of a block, margin included, in milliseconds.
        margin_ms: the margin alone; a clock that was set back by less is taken as it is.
    """

    api_id_digest: str
    requests: int
    block_ms: int
    margin_ms: int


class BudgetStore(Protocol):
    """A log of departures and of 429s that sharers have in common; each method is one decision, made at once for all.

    Every method raises `BudgetUnavailableError` when the store does not answer.

    Attributes:
        is_remote: whether answers come over a network, and may come late.
    """

    is_remote: bool

    def acquire(self) -> int:
        """Log a departure if there is room now; 0 when there was, else milliseconds until it is worth asking again."""
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
    """What to say when a store does not do its part; `where` and error hold no password."""
    reason = sentence(error).rstrip(".").replace(". ", ", ")
    return BudgetUnavailableError(
        f"the request budget {where} cannot be used: {reason or type(error).__name__}. Look at "
        "the server, or at disk and rights; SONNYS_BUDGET_URL says where the budget is"
    )
