"""DG-02, BX-02 and the contract's "Time": a local day as half-open windows of at most 24 hours, without gap or overlap;
which days the API still keeps, and which are over.
"""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonnys_pipeline.calendar.windows import LONGEST_WINDOW, Day, Window, first_kept_day, last_complete_day
from sonnys_pipeline.calendar.windows import Span as ListSpan
from sonnys_pipeline.simulator.api.criteria import Span, months_later, read_criteria
from sonnys_pipeline.simulator.api.errors import ApiError

ZONES = [
    "UTC", "America/Chicago", "America/New_York", "America/Phoenix", "America/Los_Angeles", "Pacific/Honolulu",
    "America/St_Johns", "America/Havana", "America/Santiago", "Asia/Beirut", "Asia/Kathmandu", "Australia/Lord_Howe",
    "Pacific/Chatham", "Pacific/Kiritimati", "Europe/Berlin",
]  # fmt: skip


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("key", "zone", "windows"),
    [
        ("2026-03-10", "UTC", [(utc(2026, 3, 10), utc(2026, 3, 11))]),
        ("2026-06-15", "America/Chicago", [(utc(2026, 6, 15, 5), utc(2026, 6, 16, 5))]),
        # Clocks go forward: 23 hours, one window.
        ("2026-03-08", "America/Chicago", [(utc(2026, 3, 8, 6), utc(2026, 3, 9, 5))]),
        # Clocks go back: 25 hours, two windows, the remainder last.
        (
            "2026-11-01",
            "America/Chicago",
            [(utc(2026, 11, 1, 5), utc(2026, 11, 2, 5)), (utc(2026, 11, 2, 5), utc(2026, 11, 2, 6))],
        ),
        # Clocks jump over midnight: the day begins with the jump.
        ("2026-03-29", "Asia/Beirut", [(utc(2026, 3, 28, 22), utc(2026, 3, 29, 21))]),
        # Half an hour of daylight saving.
        (
            "2026-04-05",
            "Australia/Lord_Howe",
            [(utc(2026, 4, 4, 13), utc(2026, 4, 5, 13)), (utc(2026, 4, 5, 13), utc(2026, 4, 5, 13, 30))],
        ),
    ],
)
def test_days_of_24_23_and_25_hours(key: str, zone: str, windows: list[tuple[datetime, datetime]]) -> None:
    """The windows of ordinary days and of those on which clocks change."""
    day = Day.of(key, zone)
    assert (day.key, day.timezone) == (key, zone)
    assert [(window.start, window.end) for window in day.windows] == windows
    assert (day.start, day.end) == (windows[0][0], windows[-1][1])


@given(day=st.dates(date(2020, 1, 1), date(2035, 12, 30)), zone=st.sampled_from(ZONES))
def test_windows_cover_each_day_exactly(day: date, zone: str) -> None:
    """Windows follow one another without a gap or an overlap, each at most 24 hours, and so do days."""
    today, tomorrow = Day.of(day.isoformat(), zone), Day.of((day + timedelta(days=1)).isoformat(), zone)
    for window, following in zip(today.windows, [*today.windows[1:], tomorrow.windows[0]], strict=True):
        assert timedelta(0) < window.end - window.start <= LONGEST_WINDOW
        assert window.end == following.start
    assert timedelta(hours=23) <= today.end - today.start <= timedelta(hours=25)
    local = ZoneInfo(zone)
    assert today.start.astimezone(local).date() == day
    assert (today.start - timedelta(seconds=1)).astimezone(local).date() == day - timedelta(days=1)
    assert (today.end - timedelta(seconds=1)).astimezone(local).date() == day


@given(
    day=st.dates(date(2020, 1, 2), date(2035, 12, 30)),
    zone=st.sampled_from(ZONES),
    microseconds=st.integers(0, 26 * 3_600_000_000),
)
def test_every_instant_is_in_exactly_one_window(day: date, zone: str, microseconds: int) -> None:
    """Over three consecutive days no instant is lost, and none is counted twice."""
    days = [Day.of((day + timedelta(days=shift)).isoformat(), zone) for shift in (-1, 0, 1)]
    instant = days[1].start + timedelta(microseconds=microseconds)
    holders = [window for one in days for window in one.windows if instant in window]
    assert len(holders) == 1


def test_a_window_is_half_open() -> None:
    """The start belongs to it, the end does not; the last microsecond does."""
    window = Window(utc(2026, 3, 10), utc(2026, 3, 11))
    assert window.start in window
    assert window.end - timedelta(microseconds=1) in window
    assert window.end not in window
    assert window.start - timedelta(microseconds=1) not in window


def test_criteria_are_whole_seconds_with_the_end_as_it_stands() -> None:
    """`[start, end]` is asked for: an end a second earlier would miss a row at 23:59:59.6."""
    assert Window(utc(2026, 3, 10), utc(2026, 3, 11)).params == {"startDate": 1773100800, "endDate": 1773187200}


def test_a_window_writes_itself_as_an_interval() -> None:
    """ISO 8601, for messages and metadata."""
    assert str(Window(utc(2026, 3, 10), utc(2026, 3, 10, 12))) == "2026-03-10T00:00:00Z/2026-03-10T12:00:00Z"


@pytest.mark.parametrize(
    "key",
    ["", "2026-3-10", "20260310", "2026-W11-2", "2026-02-30", "2026-13-01", "10.03.2026", "2026-03-10T00:00", "today"],
)
def test_a_key_is_a_date(key: str) -> None:
    """YYYY-MM-DD, of a day that there is; other spellings would name other folders."""
    with pytest.raises(ValueError, match=r"day|isoformat|month"):
        Day.of(key)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (utc(2026, 3, 10), utc(2026, 3, 11, 0, 0, 1)),
        (utc(2026, 3, 10), utc(2026, 3, 10)),
        (utc(2026, 3, 10), utc(2026, 3, 9)),
        (datetime(2026, 3, 10), datetime(2026, 3, 11)),  # noqa: DTZ001 - naive on purpose
        (utc(2026, 3, 10), utc(2026, 3, 10, 1).replace(microsecond=1)),
        (
            datetime(2026, 3, 10, tzinfo=timezone(timedelta(hours=1))),
            datetime(2026, 3, 10, 5, tzinfo=timezone(timedelta(hours=1))),
        ),
    ],
)
def test_what_the_api_would_refuse_is_no_window(start: datetime, end: datetime) -> None:
    """Longer than 24 hours, empty, backwards, naive, between seconds, not UTC."""
    with pytest.raises(ValueError, match="a window"):
        Window(start, end)


#: Aware UTC; over month ends, leap years and changes of clocks.
INSTANTS = st.datetimes(
    utc(2024, 1, 1).replace(tzinfo=None), utc(2029, 12, 31).replace(tzinfo=None), timezones=st.just(UTC)
)


def simulator_takes(window: Window, now: datetime) -> bool:
    """Whether the simulated API takes a load job of a window."""
    try:
        read_criteria({name: str(value) for name, value in window.params.items()}, frozenset(), now, Span.ONE_DAY)
    except ApiError:
        return False
    return True


@pytest.mark.parametrize(
    ("now", "zone", "first"),
    [
        (utc(2026, 3, 20), "UTC", date(2025, 9, 20)),  # midnight: that day is kept whole
        (utc(2026, 3, 20, 0, 0, 1), "UTC", date(2025, 9, 21)),
        (utc(2026, 3, 20, 12), "America/Chicago", date(2025, 9, 21)),
        (utc(2026, 3, 20, 3), "America/Chicago", date(2025, 9, 20)),  # there it was still the 19th
        (utc(2026, 3, 20, 12), "Pacific/Kiritimati", date(2025, 9, 22)),  # there it was the 21st already
        # February has no 31st: six months before the end of August is the end of February.
        (utc(2026, 8, 31), "UTC", date(2026, 2, 28)),
        (utc(2024, 8, 31, 12), "UTC", date(2024, 3, 1)),
        (utc(2026, 1, 5, 12), "UTC", date(2025, 7, 6)),
    ],
)
def test_the_first_day_that_is_kept_whole(now: datetime, zone: str, first: date) -> None:
    """Six months back by the calendar, to the second, in UTC; then the first local day that begins no earlier."""
    assert first_kept_day(now, zone) == first


@given(
    now=INSTANTS,
    zone=st.sampled_from(ZONES),
    hours=st.integers(-12, 14),
)
def test_the_api_never_refuses_the_first_kept_day(now: datetime, zone: str, hours: int) -> None:
    """Over month ends, leap years and zones, by the simulator's own rule; and the day before is not whole any more.

    It begins before the instant six months ago, so that an API which counts to the second would cut it. In whatever
    zone the clock is read, the answer is the same.
    """
    first = first_kept_day(now, zone)
    day, before = (Day.of((first - timedelta(days=back)).isoformat(), zone) for back in (0, 1))
    assert all(simulator_takes(window, now) for window in day.windows)
    assert day.start >= months_later(now, -6) > before.start
    assert first_kept_day(now.astimezone(timezone(timedelta(hours=hours))), zone) == first
    refused = Day.of((first - timedelta(days=3)).isoformat(), zone)
    assert not simulator_takes(refused.windows[0], now)


@given(now=INSTANTS, zone=st.sampled_from(ZONES))
def test_the_last_complete_day_is_over_and_the_next_one_is_not(now: datetime, zone: str) -> None:
    """The API takes its windows, and refuses those of the day after it, as they end in the future."""
    last = last_complete_day(now, zone)
    day, after = (Day.of((last + timedelta(days=on)).isoformat(), zone) for on in (0, 1))
    assert day.end <= now < after.end
    assert all(simulator_takes(window, now) for window in day.windows)
    assert not simulator_takes(after.windows[-1], now)


def test_a_span_of_a_list_may_hold_28_days() -> None:
    """KT-01: a month by any reading; a window of load jobs stays a day at most."""
    start = datetime(2026, 2, 1, tzinfo=UTC)
    assert ListSpan(start, start + timedelta(days=28)).params["endDate"] == int(
        (start + timedelta(days=28)).timestamp()
    )
    with pytest.raises(ValueError, match="a span lasts up to 672 hours"):
        ListSpan(start, start + timedelta(days=28, seconds=1))
    with pytest.raises(ValueError, match="a window lasts up to 24 hours"):
        Window(start, start + timedelta(days=2))
