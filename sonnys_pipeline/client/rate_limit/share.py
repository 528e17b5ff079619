"""A share of the request budget, for work that must never delay other work (KT-01, KT-04)."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from sonnys_pipeline.client.errors import BudgetUnavailableError
from sonnys_pipeline.client.rate_limit.limiter import RequestBudget

#: The part of the budget that is taken while nobody else sends, unless told otherwise.
ALONE = 0.5


class BudgetShare:
    """Permits of a budget, so many a block: the `share` of it while others send, more while nobody does.

    Every permit comes from the budget itself, so that the API's limit holds for all together. Whether others send is
    seen in the budget's own log: permits of the last block that were not taken here. Programs outside the log are not
    seen; `SONNYS_RATE_LIMIT` leaves room for them.
    """

    def __init__(
        self,
        budget: RequestBudget,
        share: float,
        *,
        alone: float = ALONE,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take `share` of the budget while others send, `alone` of it while nobody does: one request a block at least.

        `sleep` and `clock` (monotonic) are in seconds.
        """
        self.rate = budget.rate
        self._budget = budget
        self._sleep = sleep
        self._clock = clock
        self._block = self.rate.seconds + self.rate.arrival_margin
        self._most_beside = max(1, int(share * self.rate.requests))
        self._most_alone = max(self._most_beside, int(alone * self.rate.requests))
        self._own: deque[float] = deque()  # departures of the last block

    def try_acquire(self) -> float:
        """As `RequestBudget.try_acquire`: 0.0 with a permit, else seconds until asking again is worth it."""
        now = self._clock()
        while self._own and self._own[0] + self._block <= now:
            self._own.popleft()
        most = self._most_alone
        # Asked only where it decides: it costs a look into the store.
        if self._most_beside <= len(self._own) < most and self._others_send():
            most = self._most_beside
        if len(self._own) >= most:
            # Others may end before a place of the share is free again.
            return min(self._own[-most] + self._block - now, self._block / 4)
        wait = self._budget.try_acquire()
        if wait == 0:
            self._own.append(now)
        return wait

    def acquire(self) -> float:
        """Wait for a permit; the seconds waited. Raises BudgetUnavailableError after a minute without the store."""
        waited = 0.0
        while (pause := self.try_acquire()) > 0:
            self._sleep(pause)
            waited += pause
        return waited

    def cool_down(self) -> None:
        """After a 429: no sharer of the budget sends for one block."""
        self._budget.cool_down()

    def _others_send(self) -> bool:
        try:
            return self._budget.permits_in_use() > len(self._own)
        except BudgetUnavailableError:
            return True
