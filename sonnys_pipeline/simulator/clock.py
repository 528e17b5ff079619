"""The simulator's time: a calendar that can be set, and durations that can be scaled down."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_FARTHEST_ADVANCE = 10 * 366 * 86_400.0


class SimulatorClock:
    """A calendar that advances with real time (1:1) and a stopwatch for scaled durations.

    Args:
        now: the simulated present at construction, timezone-aware; None takes the real present.
        speed: how many times faster than the real API durations pass; 10 turns its 15 s into 1.5 s. The calendar is
            not sped up: a client's idea of "today" stays right while it runs.
        monotonic: source of real seconds; tests pass one of their own and need no sleep.

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
        """Real seconds since construction, plus what `advance` skipped; never runs backwards."""
        return self._monotonic() - self._started + self._skipped_stopwatch

    def scaled(self, api_seconds: float) -> float:
        """How many seconds of `elapsed` a duration of the real API lasts here."""
        return api_seconds / self.speed

    def advance(self, api_seconds: float) -> None:
        """Skip ahead as if that many seconds of API time had passed: the calendar and all running durations.

        Raises:
            ValueError: a negative number of seconds, for time does not go back, or more than ten years of them.
        """
        if not 0 <= api_seconds <= _FARTHEST_ADVANCE:
            raise ValueError(f"the clock only moves forward, and at most ten years at once; got {api_seconds!r} s")
        self._skipped_calendar += api_seconds
        self._skipped_stopwatch += self.scaled(api_seconds)
