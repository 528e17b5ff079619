"""The request budget: 20 requests in 15 seconds, for everybody who uses the API id (BM-07, LJ-11).

Belongs here: who may send the next request, and when. Does not belong here: what is sent, or what is retried.

The API opens a block with its first request and counts arrivals (contract, "The request budget"). Whoever keeps every
span of that length under the limit keeps every such block under it too, so a sliding log of departures is enough, if
it leaves a margin for requests that travel at different speeds. The log lives in a store that all sharers reach:
pyrate-limiter's SQLite bucket behind a file lock, or process memory.

A 429 means that somebody outside the log spends the same budget. Nobody can tell when that block opened, only that it
ends at most one block after the 429: so the 429 is written beside the log, and all sharers wait for that long.

A file's clock is the wall clock, which may be set back. What was written before then lies in the future and tells
nothing; but all of it was sent by now, so a pause of one block from now is enough, and nobody waits for the old time.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:  # imported where a store is opened: it costs a third of this package's import time
    from pyrate_limiter import AbstractBucket

MEMORY = "memory://"
#: How often a sharer looks whether the file lock is free, in seconds. It is held for less than a millisecond.
LOCK_POLL_INTERVAL = 0.002
#: 429s that the log of cool-downs may hold in one block; far beyond what a block of requests can produce.
COOL_DOWN_ENTRIES = 1_000_000


@dataclass(frozen=True)
class RequestRate:
    """`requests` in a block of `seconds`; written `20/15` in `SONNYS_RATE_LIMIT`."""

    requests: int = 20
    seconds: float = 15.0

    def __post_init__(self) -> None:
        """Refuse a rate that would never let anything through, or everything."""
        if self.requests < 1 or not 0 < self.seconds < float("inf"):
            raise ValueError(f"a rate needs at least 1 request and a positive number of seconds, not {self}")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `requests/seconds`.

        Raises:
            ValueError: for anything else; the message shows the form.
        """
        requests, _, seconds = text.partition("/")
        try:
            return cls(int(requests), float(seconds))
        except ValueError as wrong:
            raise ValueError(f"{text!r} is not a rate; write requests/seconds, such as 20/15 ({wrong})") from None

    def __str__(self) -> str:
        """The form that `parse` reads."""
        return f"{self.requests}/{self.seconds:g}"

    @property
    def arrival_margin(self) -> float:
        """Seconds added to a block, because the server counts arrivals and we count departures."""
        return 0.05 + 0.02 * self.seconds


def account_digest(api_id: str) -> str:
    """What stands for an API id wherever it must not stand itself: 16 hexadecimal digits."""
    return hashlib.sha256(api_id.encode()).hexdigest()[:16]


class RequestBudget:
    """Hands out places in the request budget of one API id, to the threads and processes that share its store.

    Every sharer must be configured with the same rate, or the strictest of them is not kept.
    """

    def __init__(
        self,
        api_id: str,
        rate: RequestRate | None = None,
        url: str = MEMORY,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open the store.

        Args:
            api_id: whose budget it is; only a digest of it is stored.
            rate: what the API allows, or less, to leave room for others. Default 20 in 15 s.
            url: `sqlite:///path` (a file, shared by processes of one machine) or `memory://` (this process only).
            sleep: how to wait, in seconds; tests pass their own.

        Raises:
            ValueError: for a store of another kind.
            OSError: when the file or its folder cannot be written.
        """
        self.rate = rate or RequestRate()
        self._sleep = sleep
        self._margin_ms = round(self.rate.arrival_margin * 1000)
        self._block_ms = round(self.rate.seconds * 1000) + self._margin_ms
        self._departures, self._cool_downs = _open_store(
            url, account_digest(api_id), self.rate.requests, self._block_ms
        )
        # Threads queue here first: it is cheaper, and fairer, than many threads polling one file lock.
        self._threads = threading.Lock()

    def try_acquire(self) -> float:
        """Take a place if there is one now.

        Returns:
            0.0 when the place is ours; otherwise in how many seconds it is worth asking again.
        """
        with self._threads, self._departures.locked():
            now = self._departures.now()
            self._forget_the_future(now)
            last_429 = self._cool_downs.newest()
            if last_429 is not None and now < last_429 + self._block_ms:
                return (last_429 + self._block_ms - now) / 1000
            return self._departures.put(now) / 1000

    def _forget_the_future(self, now: int) -> None:
        """After the clock was set back: one cool-down from now instead of what was written before.

        A step that is smaller than the margin leaves the logs alone: it lengthens a wait by no more than that.
        """
        newest = (self._departures.newest(), self._cool_downs.newest())
        if any(entry is not None and entry > now + self._margin_ms for entry in newest):
            self._departures.flush()
            self._cool_downs.flush()
            self._cool_downs.put(now)

    def acquire(self) -> float:
        """Wait for a place and take it.

        Returns:
            Seconds waited.
        """
        waited = 0.0
        while (pause := self.try_acquire()) > 0:
            self._sleep(pause)
            waited += pause
        return waited

    def cool_down(self) -> None:
        """The API answered 429: nobody who shares this budget sends for the rest of a block, counted from now."""
        with self._threads, self._departures.locked():
            self._cool_downs.put(self._cool_downs.now())

    def taken(self) -> int:
        """Places taken in the block that ends now, by all who share the store."""
        with self._threads, self._departures.locked():
            return self._departures.count(self._departures.now())

    def close(self) -> None:
        """Release the store; a memory store stays, other budgets of this process may share it."""
        self._departures.close()

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()


class _Log:
    """One of pyrate-limiter's buckets, seen as a log of instants (milliseconds of the store's own clock)."""

    def __init__(self, bucket: AbstractBucket) -> None:
        from pyrate_limiter import RateItem  # noqa: PLC0415 - see the import above

        # The library's methods are typed for stores that answer later, too; the two used here answer at once.
        self._bucket: Any = bucket
        self._item = RateItem

    def now(self) -> int:
        return int(self._bucket.now())

    def newest(self) -> int | None:
        entry = self._bucket.peek(0)
        return None if entry is None else int(entry.timestamp)

    def put(self, now: int) -> int:
        """Log an instant if there is room; 0 when there was, else milliseconds until there is."""
        decision = self._bucket.put_decision(self._item("request", now))
        if not decision.allowed:
            return max(decision.retry_after_ms or 1, 1)
        self._bucket.leak(now)
        return 0

    def count(self, now: int) -> int:
        """Entries of the block that ends now."""
        self._bucket.leak(now)
        return int(self._bucket.count())

    def flush(self) -> None:
        """Forget everything."""
        self._bucket.flush()

    def locked(self) -> AbstractContextManager[object]:
        """Keeps other processes out between reading the clock and writing the log."""
        lock = self._bucket.limiter_lock()
        return nullcontext() if lock is None else lock.acquire(poll_interval=LOCK_POLL_INTERVAL)

    def close(self) -> None:
        self._bucket.close()


_memory: dict[tuple[str, int, int], tuple[_Log, _Log]] = {}
_memory_lock = threading.Lock()


def _open_store(url: str, key: str, requests: int, block_ms: int) -> tuple[_Log, _Log]:
    """The log of departures and the log of 429s, wherever `url` says."""
    from pyrate_limiter import InMemoryBucket, Rate  # noqa: PLC0415 - see the import above

    rates, cool_down_rates = [Rate(requests, block_ms)], [Rate(COOL_DOWN_ENTRIES, block_ms)]
    scheme, _, rest = url.partition("://")  # not urlsplit: a folder may have # or ? in its name
    if scheme == "memory":
        with _memory_lock:
            logs = (_Log(InMemoryBucket(rates)), _Log(InMemoryBucket(cool_down_rates)))
            return _memory.setdefault((key, requests, block_ms), logs)
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return _open_sqlite(Path(rest[1:]), key, rates, cool_down_rates)
    raise ValueError(
        f"SONNYS_BUDGET_URL: {scheme.partition(':')[0]!r} is not a budget store that this version knows; "
        "use sqlite:///relative/path, sqlite:////absolute/path or memory://"
    )


def _open_sqlite(path: Path, key: str, rates: list[Any], cool_down_rates: list[Any]) -> tuple[_Log, _Log]:
    """Two tables in one file behind one file lock; file and folder readable by their owner alone."""
    from pyrate_limiter import SQLiteBucket, SQLiteQueries  # noqa: PLC0415 - see the import above

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    departures = SQLiteBucket.init_from_file(rates, table=f"departures_{key}", db_path=str(path), use_file_lock=True)
    table = f"cool_downs_{key}"
    with departures.lock:
        departures.conn.execute("PRAGMA busy_timeout = 30000").close()
        departures.conn.execute(SQLiteQueries.CREATE_BUCKET_TABLE.format(table=table)).close()
        departures.conn.commit()
    # One connection and one lock for both: a second lock object on the same file would wait for the first for ever.
    return _Log(departures), _Log(SQLiteBucket(cool_down_rates, departures.conn, table, lock=departures.lock))
