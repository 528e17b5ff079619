"""The request budget: 20 requests in 15 seconds, for everybody who uses the API id (BM-07, LJ-11).

The API opens a block with its first request and counts arrivals (contract, "The request budget"). If every span of that
length stays under the limit, so does every block; a sliding log of departures is therefore enough, with a margin for
different travel times. The log is in a store that all sharers reach (`store.py`): process memory, a file, a PostgreSQL
or a Redis server.

A 429 means that someone outside the log uses the same budget. When that block began is unknown, but it ends at most one
block after the 429: so the 429 is logged too, and all sharers wait for that long.

A server's wall clock may be set. If it was set back, older entries are in the future and say nothing; if it was set
forward, older entries seem to be over. As all of them were sent by now, a pause of one block from now is enough.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from sonnys_pipeline.client.errors import BudgetUnavailableError
from sonnys_pipeline.client.rate_limit.local import MEMORY, open_file, open_memory
from sonnys_pipeline.client.rate_limit.store import BudgetStore, Terms
from sonnys_pipeline.runtime.closing import Closing
from sonnys_pipeline.runtime.outage import DEADLINE, OutageDeadline

logger = logging.getLogger(__name__)

#: Seconds until the next attempt after a permit that came too late.
_ASK_AGAIN = 0.001


@dataclass(frozen=True)
class RequestRate:
    """`requests` per block of `seconds`; written `20/15` in `SONNYS_RATE_LIMIT`."""

    requests: int = 20
    seconds: float = 15.0

    def __post_init__(self) -> None:
        if self.requests < 1 or not 0 < self.seconds < float("inf"):
            raise ValueError(f"a rate needs at least 1 request and a positive number of seconds, not {self}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `requests/seconds`; `ValueError`, with the form, for anything else."""
        requests, _, seconds = text.partition("/")
        try:
            return cls(int(requests), float(seconds))
        except ValueError as wrong:
            raise ValueError(f"{text!r} is not a rate; write requests/seconds, such as 20/15 ({wrong})") from None

    def __str__(self) -> str:
        return f"{self.requests}/{self.seconds:g}"

    @property
    def arrival_margin(self) -> float:
        """Seconds added to a block, because the server counts arrivals and we count departures."""
        return 0.05 + 0.02 * self.seconds

    def minutes_of_budget(self, requests: int) -> float:
        """Minutes for which this many requests take the whole budget."""
        return round(requests * self.seconds / self.requests / 60, 3)


def api_id_digest(api_id: str) -> str:
    """Represents an API id wherever the id itself must not appear: 16 hexadecimal digits."""
    return hashlib.sha256(api_id.encode()).hexdigest()[:16]


class RequestBudget(Closing):
    """Permits of the request budget of one API id, for the threads and processes that share its store.

    All sharers must be configured with the same rate, else the strictest one is not kept.
    """

    def __init__(
        self,
        api_id: str,
        rate: RequestRate | None = None,
        url: str = MEMORY,
        *,
        outage_seconds: float = DEADLINE,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open the store.

        Args:
            api_id: only a digest of it is stored.
            rate: what the API allows, or less, to leave room for others. Default 20 in 15 s.
            url: `sqlite:///path` (a file, shared by processes of one machine), `postgresql://user:password@host/database`
                or `redis://:password@host:6379/0` (a server), or `memory://` (this process only).
            outage_seconds: seconds that an open store may be away before that is an error.
            sleep: waits, in seconds.
            clock: monotonic seconds.

        Raises:
            ValueError: for a store of another kind, a URL that cannot be read, or a driver that is not installed.
            OSError: when the file or its directory cannot be written.
            BudgetUnavailableError: when the server cannot be reached.
        """
        self.rate = rate or RequestRate()
        self._sleep = sleep
        self._clock = clock
        self._deadline = OutageDeadline(outage_seconds, clock=clock)
        self._owes_cool_down = False
        margin_ms = round(self.rate.arrival_margin * 1000)
        block_ms = round(self.rate.seconds * 1000) + margin_ms
        self._store = open_store(url, Terms(api_id_digest(api_id), self.rate.requests, block_ms, margin_ms))
        # Threads queue here first, which is cheaper and fairer than polling one file lock.
        self._threads = threading.Lock()

    def try_acquire(self) -> float:
        """Take a permit; returns 0.0, or seconds until asking again is worth it. Errors as for `acquire`."""
        with self._threads:
            asked = self._clock()
            try:
                if self._owes_cool_down:
                    self._store.cool_down()
                    self._owes_cool_down = False
                wait = self._store.acquire() / 1000
            except BudgetUnavailableError as error:
                if not self._deadline.is_away:
                    logger.warning("%s. Nothing is sent until it answers", error)
                backoff = self._deadline.next_backoff()
                if backoff is None:
                    raise
                return backoff
            self._deadline.answered()
            if wait == 0 and self._clock() - asked > self.rate.arrival_margin:
                # The permit counts from when it was given: used now, it could meet those of the next block.
                return _ASK_AGAIN
            return wait

    def acquire(self) -> float:
        """Wait for a permit; returns seconds waited. `BudgetUnavailableError` after a minute without the store."""
        waited = 0.0
        while (pause := self.try_acquire()) > 0:
            self._sleep(pause)
            waited += pause
        return waited

    def cool_down(self) -> None:
        """After a 429: no sharer sends for one block from now. A store that is away gets it before the next permit."""
        with self._threads:
            try:
                self._store.cool_down()
            except BudgetUnavailableError as error:
                logger.warning("%s. The 429 will be recorded when it answers", error)
                self._owes_cool_down = True

    def permits_in_use(self) -> int:
        """Permits used in the block that ends now, by all sharers; `BudgetUnavailableError` when the store is away."""
        with self._threads:
            return self._store.permits_in_use()

    def close(self) -> None:
        """Release the store; a memory store stays for other budgets of this process."""
        self._store.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.rate}, {self._store!r})"


def open_store(url: str, terms: Terms) -> BudgetStore:
    """The store that a URL names; errors as for `RequestBudget`."""
    scheme, _, rest = url.partition("://")  # not urlsplit: a folder may have # or ? in its name
    if scheme == "memory":
        return open_memory(terms)
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return open_file(Path(rest[1:]), terms)
    if scheme.partition("+")[0] in {"postgresql", "postgres"}:
        from sonnys_pipeline.client.rate_limit.postgres import PostgresStore  # noqa: PLC0415 - needs a driver

        return PostgresStore(f"postgresql://{rest}", terms)
    if scheme in {"redis", "rediss"}:
        from sonnys_pipeline.client.rate_limit.redis import RedisStore  # noqa: PLC0415 - the same

        return RedisStore(url, terms)
    raise ValueError(
        f"SONNYS_BUDGET_URL: {scheme.partition(':')[0]!r} is not a budget store that this version supports; "
        "use sqlite:///relative/path, sqlite:////absolute/path, postgresql://user:password@host/database, "
        "redis://:password@host:6379/0 (rediss:// with TLS) or memory://"
    )
