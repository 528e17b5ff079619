"""Log of the requests, and counts for tests and the demo."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

_MAX_RECORDS = 200_000


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One API request.

    `at` is Unix time, `elapsed` the stopwatch, both at arrival in real seconds. `status` is 0 for a cut connection.
    `outcome` is ok, working, pass, fail, an error type, or a fault's name.
    """

    at: float
    elapsed: float
    api_id: str
    method: str
    path: str
    query: str
    operation: str
    status: int
    outcome: str

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SimulatorStats:
    """Counts since the start or the last `reset`.

    `jobs_created` are submissions that started a job instead of hitting the cache; `rows_served` the rows of `pass`
    responses. `first_request_at` and `last_request_at` are Unix times.
    """

    requests: int
    submissions: int
    jobs_created: int
    polls: int
    working_polls: int
    passed_polls: int
    failed_polls: int
    lists: int
    rate_limited: int
    dropped: int
    rows_served: int
    by_status: dict[str, int]
    first_request_at: float | None
    last_request_at: float | None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready data."""
        return asdict(self)


class RequestLog:
    """Collects records and counts. Thread-safe; keeps the latest 200,000 records."""

    def __init__(self, elapsed: Callable[[], float], wall: Callable[[], float] = time.time) -> None:
        self._elapsed = elapsed
        self._wall = wall
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Start over."""
        with self._lock:
            self._records: deque[RequestRecord] = deque(maxlen=_MAX_RECORDS)
            self._counts: Counter[str] = Counter()
            self._by_status: Counter[str] = Counter()
            self._first: float | None = None
            self._last: float | None = None

    def arrival(self) -> tuple[float, float]:
        """Arrival time of a request: (Unix time, stopwatch)."""
        return self._wall(), self._elapsed()

    def add(self, record: RequestRecord, *, job_created: bool = False, rows: int = 0) -> None:
        """Record a request."""
        with self._lock:
            self._records.append(record)
            self._first = record.at if self._first is None else min(self._first, record.at)
            self._last = record.at if self._last is None else max(self._last, record.at)
            self._by_status[str(record.status)] += 1
            self._counts[record.operation] += 1
            self._counts[f"{record.operation} {record.outcome}"] += 1
            self._counts["jobs"] += job_created
            self._counts["rows"] += rows

    def records(self) -> Sequence[RequestRecord]:
        """Records in the order of their responses."""
        with self._lock:
            return tuple(self._records)

    def stats(self) -> SimulatorStats:
        """The current counts."""
        with self._lock:
            counts, by_status = self._counts, self._by_status
            return SimulatorStats(
                requests=by_status.total(),
                submissions=counts["submit"],
                jobs_created=counts["jobs"],
                polls=counts["poll"],
                working_polls=counts["poll working"],
                passed_polls=counts["poll pass"],
                failed_polls=counts["poll fail"],
                lists=counts["list"],
                rate_limited=by_status["429"],
                dropped=by_status["0"],
                rows_served=counts["rows"],
                by_status=dict(sorted(by_status.items())),
                first_request_at=self._first,
                last_request_at=self._last,
            )
