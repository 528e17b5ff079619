"""The request budget for looks: they yield to whatever lands days (decision 2)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from sonnys_pipeline.client import RequestBudget

#: Share of a block that looks take while others use the same budget.
SHARE = 0.25


class YieldingBudget:
    """The shared budget, of which looks take a quarter while anybody else sends requests, else all.

    Others are recognised by permits of the present block that were not taken here. `clock` gives monotonic seconds.
    """

    def __init__(self, budget: RequestBudget, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = budget.rate
        self._budget = budget
        self._clock = clock
        self._own: deque[float] = deque()
        self._block = budget.rate.seconds + budget.rate.arrival_margin

    def try_acquire(self) -> float:
        """0.0 if a permit was taken, else seconds to the next try. Raises BudgetUnavailableError."""
        now = self._clock()
        while self._own and self._own[0] <= now - self._block:
            self._own.popleft()
        most = max(1, int(SHARE * self.rate.requests))
        # Asked only where it decides: it costs a look into the store.
        if len(self._own) >= most and self._budget.permits_in_use() > len(self._own):
            return max(self._own[0] + self._block - now, self.rate.seconds / self.rate.requests)
        wait = self._budget.try_acquire()
        if wait == 0:
            self._own.append(self._clock())
        return wait

    def cool_down(self) -> None:
        """React to a 429."""
        self._budget.cool_down()
