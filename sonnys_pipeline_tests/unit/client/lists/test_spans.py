"""RS-01: a span of any length is cut into what an endpoint accepts, without a gap."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonnys_pipeline.client.lists.spans import ONE_MONTH, cut, cut_days

START = datetime(2026, 1, 31, 5, 30, tzinfo=UTC)


@given(st.integers(0, 400 * 86_400))
def test_parts_meet_at_a_second_that_both_include(seconds: int) -> None:
    parts = list(cut(START, START + timedelta(seconds=seconds), ONE_MONTH))
    assert parts[0][0] == START.timestamp()
    assert parts[-1][1] == START.timestamp() + seconds
    assert [first for first, _ in parts[1:]] == [last for _, last in parts[:-1]]
    assert all(0 <= last - first <= ONE_MONTH.total_seconds() for first, last in parts)
    assert len(parts) == max(1, -(-seconds // int(ONE_MONTH.total_seconds())))


def test_the_second_that_the_end_is_in_is_asked_for_as_a_whole() -> None:
    """A row at 23:59:59.6 is not missed; the start is rounded down for the same reason."""
    start, end = START + timedelta(microseconds=700_000), START + timedelta(days=1, microseconds=1)
    assert list(cut(start, end, ONE_MONTH)) == [(int(START.timestamp()), int(START.timestamp()) + 86_401)]


@given(st.integers(0, 400), st.integers(1, 20))
def test_days_are_asked_for_once(days: int, longest: int) -> None:
    parts = list(cut_days(date(2026, 1, 31), date(2026, 1, 31) + timedelta(days=days), longest))
    asked = [first + timedelta(days=number) for first, last in parts for number in range((last - first).days + 1)]
    assert asked == [date(2026, 1, 31) + timedelta(days=number) for number in range(days + 1)]
    assert all((last - first).days < longest for first, last in parts)


def test_a_span_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="before it begins"):
        list(cut(START, START - timedelta(seconds=1), ONE_MONTH))
    with pytest.raises(ValueError, match="before it begins"):
        list(cut_days(date(2026, 1, 2), date(2026, 1, 1), 14))


def test_times_without_zone_are_refused() -> None:
    """They would be read in the zone of the machine."""
    with pytest.raises(ValueError, match="time zone"):
        list(cut(START.replace(tzinfo=None), START, ONE_MONTH))
