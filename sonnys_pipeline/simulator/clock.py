"""The simulator's time: an adjustable calendar, and durations that can be scaled down."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_MAX_ADVANCE = 10 * 366 * 86_400.0


class SimulatorClock:
    """A calendar in real time and a stopwatch for scaled durations.

    Args:
        now: the simulated present at the start, aware; None for the real one.
        speed: factor by which durations are shorter than the real API's; the calendar is not sped up, so that a
            client's "today" stays right.
        monotonic: source of real seconds.

    Raises:
        ValueError: `now` is naive, or `speed` is not positive.
    """

    def __init__(
        self, now: datetime | None = None, speed: float = 1.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        if now is not None and now.tzinfo is None:
            raise ValueError(f"the simulated present must carry a time zone, got {now!r}")
        if not speed > 0:
            raise ValueError(f"speed must be greater than 0, got {speed!r}")
        self.speed = speed
        self._monotonic = monotonic
        self._calendar_start = datetime.now(UTC) if now is None else now.astimezone(UTC)
        self._started = monotonic()
        self._skipped_calendar = 0.0
        self._skipped_stopwatch = 0.0

    def now(self) -> datetime:
        """The simulated present, aware UTC."""
        seconds = self._monotonic() - self._started + self._skipped_calendar
        return self._calendar_start + timedelta(seconds=seconds)

    def elapsed(self) -> float:
        """Real seconds since the start, plus what `advance` skipped."""
        return self._monotonic() - self._started + self._skipped_stopwatch

    def scaled(self, api_seconds: float) -> float:
        """A duration of the real API in seconds of `elapsed`."""
        return api_seconds / self.speed

    def advance(self, api_seconds: float) -> None:
        """Skip API time, both in the calendar and in durations; `ValueError` if negative or more than ten years."""
        if not 0 <= api_seconds <= _MAX_ADVANCE:
            raise ValueError(f"the clock only moves forward, and at most ten years at once; got {api_seconds!r} s")
        self._skipped_calendar += api_seconds
        self._skipped_stopwatch += self.scaled(api_seconds)
