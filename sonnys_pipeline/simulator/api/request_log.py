"""What the simulator was asked: a log of requests and the counts that tests and the demo read."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

_LONGEST_LOG = 200_000


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request to the API (requests to `/_simulator/` are not recorded).

    `at` is Unix time and `elapsed` the simulator's stopwatch at arrival, both in real seconds. `status` is 0 where the
    connection was cut. `outcome` says what the answer was: ok, working, pass, fail, an error type, or a fault's name.
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
        """The record as JSON-ready data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SimulatorStats:
    """Counts since the start or the last `reset`.

    `requests` are all that reached the API, whatever their answer; `rate_limited` those answered 429;
    `jobs_created` the submissions that started a job rather than meeting a cached one; `rows_served` the rows in
    `pass` answers. `first_request_at` and `last_request_at` are Unix times, None before the first request.
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
        """The counts as JSON-ready data."""
        return asdict(self)


class RequestLog:
    """Collects records and counts. Thread-safe; the log keeps the latest 200,000 records, the counts all."""

    def __init__(self, elapsed: Callable[[], float], wall: Callable[[], float] = time.time) -> None:
        self._elapsed = elapsed
        self._wall = wall
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Start over."""
        with self._lock:
            self._records: deque[RequestRecord] = deque(maxlen=_LONGEST_LOG)
            self._counts: Counter[str] = Counter()
            self._by_status: Counter[str] = Counter()
            self._first: float | None = None
            self._last: float | None = None

    def arrival(self) -> tuple[float, float]:
        """The time of a request that has just arrived: (Unix time, stopwatch)."""
        return self._wall(), self._elapsed()

    def add(self, record: RequestRecord, *, job_created: bool = False, rows: int = 0) -> None:
        """Record an answered request."""
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
        """The records in the order of their answers."""
        with self._lock:
            return tuple(self._records)

    def stats(self) -> SimulatorStats:
        """The counts now."""
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
