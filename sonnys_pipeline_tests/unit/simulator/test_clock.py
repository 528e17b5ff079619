"""The simulator's clock: a calendar that keeps real time, durations that can be scaled, skipping ahead.

Covers docs/settings.md, "Every duration obeys these variables" (a server scaled down tenfold).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from sonnys_pipeline.simulator import SimulatorClock

NOON = datetime(2026, 11, 5, 12, tzinfo=UTC)


def test_the_calendar_starts_where_it_is_set_and_keeps_real_time_at_any_speed(hand_clock):
    clock = SimulatorClock(NOON, speed=10, monotonic=hand_clock)
    assert clock.now() == NOON
    hand_clock.pass_by(90)
    assert clock.now() == NOON + timedelta(seconds=90)
    assert clock.elapsed() == 90


def test_other_zones_mean_the_same_instant(hand_clock):
    local = NOON.astimezone(timezone(timedelta(hours=-6)))
    now = SimulatorClock(local, monotonic=hand_clock).now()
    assert now == NOON
    assert now.utcoffset() == timedelta(0)


def test_without_a_present_it_is_the_real_one():
    assert abs(SimulatorClock().now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_durations_are_divided_by_the_speed(hand_clock):
    assert SimulatorClock(NOON, speed=10, monotonic=hand_clock).scaled(15) == 1.5


def test_skipping_ahead_moves_the_calendar_and_the_running_durations(hand_clock):
    clock = SimulatorClock(NOON, speed=10, monotonic=hand_clock)
    clock.advance(1200)
    assert clock.now() == NOON + timedelta(minutes=20)
    assert clock.elapsed() == clock.scaled(1200) == 120


def test_time_does_not_go_back(hand_clock):
    with pytest.raises(ValueError, match="forward"):
        SimulatorClock(NOON, monotonic=hand_clock).advance(-1)


@pytest.mark.parametrize("speed", [0, -1, float("nan")])
def test_a_speed_must_be_positive(speed):
    with pytest.raises(ValueError, match="speed"):
        SimulatorClock(speed=speed)


def test_a_naive_present_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        SimulatorClock(datetime(2026, 11, 5))  # noqa: DTZ001 the naive one is the point
