"""A stopwatch that tests turn by hand; nothing in these tests sleeps."""

from __future__ import annotations

import pytest


class HandClock:
    """A monotonic time source that moves only when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds

    def pass_by(self, seconds: float) -> None:
        self.seconds += seconds


@pytest.fixture
def hand_clock() -> HandClock:
    return HandClock()
