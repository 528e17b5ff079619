"""How far a long run is, and when it will probably end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

#: Seconds between two reports in a log.
LOG_INTERVAL = 30.0


@dataclass(frozen=True)
class Progress:
    """A run at one moment: `days_done` (landed or failed) of `days_total`, and `seconds` since it began."""

    days_total: int
    days_done: int = 0
    days_failed: int = 0
    rows: int = 0
    pages: int = 0
    requests: int = 0
    seconds: float = 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the days done so far; `None` before the first."""
        if not self.days_done:
            return None
        return self.seconds / self.days_done * (self.days_total - self.days_done)

    def __str__(self) -> str:
        failed = f" ({self.days_failed} failed)" if self.days_failed else ""
        left = self.seconds_left
        end = "" if left is None or self.days_done == self.days_total else f", about {duration(left)} left"
        pages = f"{self.pages:,} pages, " if self.pages or not self.rows else ""  # lists have no load jobs
        return (
            f"{self.days_done} of {self.days_total} days{failed}, {pages}{self.rows:,} rows, "
            f"{self.requests:,} requests in {duration(self.seconds)}{end}"
        )


class ProgressReport:
    """Reports progress to `tell` at each day's end and at least every `interval` seconds of `clock` (monotonic)."""

    def __init__(
        self, days: int, tell: Callable[[Progress], None], clock: Callable[[], float], interval: float = LOG_INTERVAL
    ) -> None:
        self.now = Progress(days)
        self._tell = tell
        self._clock = clock
        self._started = self._told = clock()
        self._interval = interval

    def day_ended(self, *, rows: int, pages: int, failed: bool) -> None:
        """A day has landed or failed."""
        self.now = replace(
            self.now,
            days_done=self.now.days_done + 1,
            days_failed=self.now.days_failed + failed,
            rows=self.now.rows + rows,
            pages=self.now.pages + pages,
        )
        self._report()

    def request_answered(self, requests: int) -> None:
        """A request was answered; `requests` is the total sent so far."""
        self.now = replace(self.now, requests=requests)
        if self._clock() - self._told >= self._interval:
            self._report()

    def _report(self) -> None:
        self._told = self._clock()
        self.now = replace(self.now, seconds=self._told - self._started)
        self._tell(self.now)


def duration(seconds: float) -> str:
    """Seconds for a person: `42 s`, `7 min 5 s`, `3 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"
