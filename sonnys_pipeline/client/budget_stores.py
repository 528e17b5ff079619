"""Where the log of departures is kept: process memory, a file, or a server (BM-07).

Belongs here: what every store can do, finding the one that a URL names, and the two that pyrate-limiter keeps. Does not
belong here: waiting (`budget.py`), and the servers' own decisions (`budget_postgres.py`, `budget_redis.py`).

All stores decide alike; one test suite asks the same of each. In a block of `block_ms`, which is the API's block and
the margin for arrival, there is room for so many departures; a 429 takes all room for one block; entries in the future,
left by a clock that was set back since, become one 429 now. Instants are milliseconds of the store's own clock: sharers
on several machines need not agree about the time.

A file and memory count milliseconds since the machine was started, which no setting of a clock changes. An entry of an
earlier start either lies in the future, or is older than it looks. A server has a wall clock alone; that it was set
forward, so that a block seems to be over that is not, is noticed by whoever asks next (`StepWatch`).
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from filelock import Timeout

from sonnys_pipeline.client.errors import BudgetUnavailableError
from sonnys_pipeline.client.quoting import sentence

if TYPE_CHECKING:  # imported where a store is opened: it costs a third of this package's import time
    from pyrate_limiter import AbstractBucket

MEMORY = "memory://"
#: How much faster than ours a server's clock may run without having been set, as a fraction.
_DRIFT = 0.001
#: How often a sharer looks whether the file lock is free, in seconds. It is held for less than a millisecond.
LOCK_POLL_INTERVAL = 0.002
#: 429s that the log of cool-downs may hold in one block; far beyond what a block of requests can produce.
COOL_DOWN_ENTRIES = 1_000_000


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
        account: digest that stands for the API id.
        requests: places in a block.
        block_ms: length of a block, margin included, in milliseconds.
        margin_ms: the margin alone; a clock that was set back by less is taken as it is.
    """

    account: str
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

    def take(self) -> int:
        """Log a departure if there is room now; 0 when there was, else milliseconds until it is worth asking again."""
        ...

    def cool_down(self) -> None:
        """Log a 429: no room for a block from now."""
        ...

    def taken(self) -> int:
        """Departures in the block that ends now."""
        ...

    def close(self) -> None:
        """Release the store."""
        ...


def open_store(url: str, terms: Terms) -> BudgetStore:
    """The store that a URL names.

    Raises:
        ValueError: for a store of another kind, a URL that cannot be read, or a server's driver that is not installed.
        OSError: when a file or its folder cannot be written.
        BudgetUnavailableError: when a server cannot be reached.
    """
    scheme, _, rest = url.partition("://")  # not urlsplit: a folder may have # or ? in its name
    if scheme == "memory":
        return _open_memory(terms)
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return _open_sqlite(Path(rest[1:]), terms)
    if scheme.partition("+")[0] in {"postgresql", "postgres"}:
        from sonnys_pipeline.client.budget_postgres import PostgresStore  # noqa: PLC0415 - needs a driver

        return PostgresStore(f"postgresql://{rest}", terms)
    if scheme in {"redis", "rediss"}:
        from sonnys_pipeline.client.budget_redis import RedisStore  # noqa: PLC0415 - the same

        return RedisStore(url, terms)
    raise ValueError(
        f"SONNYS_BUDGET_URL: {scheme.partition(':')[0]!r} is not a budget store that this version knows; "
        "use sqlite:///relative/path, sqlite:////absolute/path, postgresql://user:password@host/database, "
        "redis://:password@host:6379/0 (rediss:// with TLS) or memory://"
    )


def unavailable(where: str, error: BaseException) -> BudgetUnavailableError:
    """What to say when a store does not do its part; `where` and error hold no password."""
    reason = sentence(error).rstrip(".").replace(". ", ", ")
    return BudgetUnavailableError(
        f"the request budget {where} cannot be used: {reason or type(error).__name__}. Look at "
        "the server, or at disk and rights; SONNYS_BUDGET_URL says where the budget is"
    )


class LogStore:
    """The decision over two of pyrate-limiter's buckets, behind the lock that they share."""

    is_remote = False

    def __init__(self, departures: Log, cool_downs: Log, terms: Terms, where: str) -> None:
        """Keep departures and 429s in these logs."""
        self.departures, self.cool_downs = departures, cool_downs
        self._terms = terms
        self._where = where

    def take(self) -> int:
        """Log a departure if there is room now."""
        with self._locked():
            now = self.departures.now()
            self._forget_the_future(now)
            last_429 = self.cool_downs.newest()
            if last_429 is not None and now < last_429 + self._terms.block_ms:
                return last_429 + self._terms.block_ms - now
            return self.departures.put(now)

    def cool_down(self) -> None:
        """Log a 429."""
        with self._locked():
            self.cool_downs.put(self.cool_downs.now())

    def taken(self) -> int:
        """Departures in the block that ends now."""
        with self._locked():
            return self.departures.count(self.departures.now())

    def close(self) -> None:
        """Release a file; memory stays, other budgets of this process may share it."""
        self.departures.close()

    def _forget_the_future(self, now: int) -> None:
        """After the clock was set back: one cool-down from now instead of what was written before.

        A step that is smaller than the margin leaves the logs alone: it lengthens a wait by no more than that.
        """
        newest = (self.departures.newest(), self.cool_downs.newest())
        if any(entry is not None and entry > now + self._terms.margin_ms for entry in newest):
            self.departures.flush()
            self.cool_downs.flush()
            self.cool_downs.put(now)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One decision; a disk that fails, or a file that somebody has damaged, is the budget's error."""
        try:
            with self.departures.locked():
                yield
        except (sqlite3.Error, OSError, Timeout) as error:
            raise unavailable(self._where, error) from error


class Log:
    """One of pyrate-limiter's buckets, seen as a log of instants (milliseconds of the store's own clock)."""

    def __init__(self, bucket: AbstractBucket) -> None:
        """See this bucket so."""
        from pyrate_limiter import RateItem  # noqa: PLC0415 - see the import above

        # The library's methods are typed for stores that answer later, too; the two used here answer at once.
        self.bucket: Any = bucket
        self._item = RateItem

    def now(self) -> int:
        """The store's instant; not the bucket's own, which is that of a wall clock."""
        return elapsed_ms()

    def newest(self) -> int | None:
        """The newest entry."""
        entry = self.bucket.peek(0)
        return None if entry is None else int(entry.timestamp)

    def put(self, now: int) -> int:
        """Log an instant if there is room; 0 when there was, else milliseconds until there is."""
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
        """Forget everything."""
        self.bucket.flush()

    def locked(self) -> AbstractContextManager[object]:
        """Keeps other processes out between reading the clock and writing the log."""
        lock = self.bucket.limiter_lock()
        return nullcontext() if lock is None else lock.acquire(poll_interval=LOCK_POLL_INTERVAL)

    def close(self) -> None:
        """Release what the bucket holds."""
        self.bucket.close()


_memory: dict[Terms, LogStore] = {}
_memory_lock = threading.Lock()


def _open_memory(terms: Terms) -> LogStore:
    """The one store of this process for these terms."""
    from pyrate_limiter import InMemoryBucket, Rate  # noqa: PLC0415 - see the import above

    with _memory_lock:
        departures = Log(InMemoryBucket([Rate(terms.requests, terms.block_ms)]))
        cool_downs = Log(InMemoryBucket([Rate(COOL_DOWN_ENTRIES, terms.block_ms)]))
        return _memory.setdefault(terms, LogStore(departures, cool_downs, terms, MEMORY))


def _open_sqlite(path: Path, terms: Terms) -> LogStore:
    """Two tables in one file behind one file lock; file and folder readable by their owner alone."""
    from pyrate_limiter import Rate, SQLiteBucket, SQLiteQueries  # noqa: PLC0415 - see the import above

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file in (path, Path(f"{path}.lock")):  # the library would make the lock's as the umask says
        os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    rates, cool_down_rates = [Rate(terms.requests, terms.block_ms)], [Rate(COOL_DOWN_ENTRIES, terms.block_ms)]
    departures = SQLiteBucket.init_from_file(
        rates, table=f"departures_{terms.account}", db_path=str(path), use_file_lock=True
    )
    table = f"cool_downs_{terms.account}"
    with departures.lock:
        departures.conn.execute("PRAGMA busy_timeout = 30000").close()
        departures.conn.execute(SQLiteQueries.CREATE_BUCKET_TABLE.format(table=table)).close()
        departures.conn.commit()
    # One connection and one lock for both: a second lock object on the same file would wait for the first for ever.
    cool_downs = SQLiteBucket(cool_down_rates, departures.conn, table, lock=departures.lock)
    return LogStore(Log(departures), Log(cool_downs), terms, str(path))
