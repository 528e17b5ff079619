"""The log of departures in process memory, or in a file of this machine (BM-07), in pyrate-limiter's buckets.

Both count milliseconds since the machine started, unaffected by setting the clock. Entries from before a restart
are in the future, or older than they look.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import Timeout

from sonnys_pipeline.client.rate_limit.store import Terms, elapsed_ms, unavailable

if TYPE_CHECKING:  # imported where a store is opened: it costs a third of this package's import time
    from pyrate_limiter import AbstractBucket

MEMORY = "memory://"
#: Seconds between attempts to take the file lock, which is held for less than a millisecond.
LOCK_POLL_INTERVAL = 0.002
#: Capacity of the log of 429s per block, never reached.
COOL_DOWN_ENTRIES = 1_000_000


class LogStore:
    """The decision over two of pyrate-limiter's buckets, behind one shared lock."""

    def __init__(self, departures: Log, cool_downs: Log, terms: Terms, where: str) -> None:
        self.departures, self.cool_downs = departures, cool_downs
        self._terms = terms
        self._where = where

    def acquire(self) -> int:
        """Log a departure if there is room now."""
        with self._locked():
            now, last_429 = self.departures.now(), self.cool_downs.newest()
            if self._is_to_come(last_429, now) or self._is_to_come(self.departures.newest(), now):
                self._begin_with_a_cool_down(now)
                last_429 = now
            if last_429 is not None and now < last_429 + self._terms.block_ms:
                return last_429 + self._terms.block_ms - now
            return self.departures.put(now)

    def cool_down(self) -> None:
        """Log a 429."""
        with self._locked():
            self.cool_downs.put(self.cool_downs.now())

    def permits_in_use(self) -> int:
        """Departures in the block that ends now."""
        with self._locked():
            return self.departures.count(self.departures.now())

    def close(self) -> None:
        """Release a file; memory stays for other budgets of this process."""
        self.departures.close()

    def _is_to_come(self, entry: int | None, now: int) -> bool:
        """Whether the clock was set back since the entry, by more than the margin."""
        return entry is not None and entry > now + self._terms.margin_ms

    def _begin_with_a_cool_down(self, now: int) -> None:
        """Replace what was logged by another clock."""
        self.departures.flush()
        self.cool_downs.flush()
        self.cool_downs.put(now)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            with self.departures.locked():
                yield
        except (sqlite3.Error, OSError, Timeout) as error:
            raise unavailable(self._where, error) from error


class Log:
    """A bucket of pyrate-limiter as a log of instants (milliseconds of the store's clock)."""

    def __init__(self, bucket: AbstractBucket) -> None:
        from pyrate_limiter import RateItem  # noqa: PLC0415 - see the import above

        # The library's methods are typed for asynchronous stores too; the two used here answer at once.
        self.bucket: Any = bucket
        self._item = RateItem

    def now(self) -> int:
        """The store's instant; not the bucket's own wall clock."""
        return elapsed_ms()

    def newest(self) -> int | None:
        """The newest entry."""
        entry = self.bucket.peek(0)
        return None if entry is None else int(entry.timestamp)

    def put(self, now: int) -> int:
        """Log an instant if there is room; returns 0, or milliseconds until there is."""
        decision = self.bucket.put_decision(self._item("request", now))
        if not decision.allowed:
            return max(decision.retry_after_ms or 1, 1)
        self.bucket.leak(now)
        return 0

    def count(self, now: int) -> int:
        """Entries of the block that ends now."""
        self.bucket.leak(now)
        return int(self.bucket.count())

    def flush(self) -> None:
        """Remove all entries."""
        self.bucket.flush()

    def locked(self) -> AbstractContextManager[object]:
        """Keeps other processes out between reading the clock and writing the log."""
        lock = self.bucket.limiter_lock()
        return nullcontext() if lock is None else lock.acquire(poll_interval=LOCK_POLL_INTERVAL)

    def close(self) -> None:
        """Release the bucket."""
        self.bucket.close()


_memory: dict[Terms, LogStore] = {}
_memory_lock = threading.Lock()


def open_memory(terms: Terms) -> LogStore:
    """The store of this process for these terms."""
    from pyrate_limiter import InMemoryBucket, Rate  # noqa: PLC0415 - see the import above

    with _memory_lock:
        departures = Log(InMemoryBucket([Rate(terms.requests, terms.block_ms)]))
        cool_downs = Log(InMemoryBucket([Rate(COOL_DOWN_ENTRIES, terms.block_ms)]))
        return _memory.setdefault(terms, LogStore(departures, cool_downs, terms, MEMORY))


def open_file(path: Path, terms: Terms) -> LogStore:
    """Two tables in one file behind one file lock; only their owner can read file and directory."""
    from pyrate_limiter import Rate, SQLiteBucket, SQLiteQueries  # noqa: PLC0415 - see the import above

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file in (path, Path(f"{path}.lock")):  # the library would create the lock with the umask's rights
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    # The library leaves its connection open if the file is no database.
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA schema_version").close()
    rates, cool_down_rates = [Rate(terms.requests, terms.block_ms)], [Rate(COOL_DOWN_ENTRIES, terms.block_ms)]
    departures = SQLiteBucket.init_from_file(
        rates, table=f"departures_{terms.api_id_digest}", db_path=str(path), use_file_lock=True
    )
    table = f"cool_downs_{terms.api_id_digest}"
    with departures.lock:
        departures.conn.execute("PRAGMA busy_timeout = 30000").close()
        departures.conn.execute(SQLiteQueries.CREATE_BUCKET_TABLE.format(table=table)).close()
        departures.conn.commit()
    # One connection and one lock for both: a second lock object on the same file would deadlock.
    cool_downs = SQLiteBucket(cool_down_rates, departures.conn, table, lock=departures.lock)
    return LogStore(Log(departures), Log(cool_downs), terms, str(path))
