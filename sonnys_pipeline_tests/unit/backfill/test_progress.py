"""BM-09: a long run says where it stands, when it will likely end, and not too often."""

import pytest

from sonnys_pipeline.backfill.progress import Progress, ProgressReport, duration


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (0.4, "0 s"),
        (42.4, "42 s"),
        (59.6, "1 min 0 s"),
        (425.0, "7 min 5 s"),
        (3599.4, "59 min 59 s"),
        (3600.0, "1 h 0 min"),
        (12_000.0, "3 h 20 min"),
        (100_000.0, "27 h 46 min"),
    ],
)
def test_durations_are_for_persons(seconds: float, text: str) -> None:
    """Two units at most."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (Progress(30), "0 of 30 days, 0 pages, 0 rows, 0 requests in 0 s"),
        (
            Progress(30, days_done=10, rows=7_990, pages=80, requests=1_165, seconds=125.0),
            "10 of 30 days, 80 pages, 7,990 rows, 1,165 requests in 2 min 5 s, about 4 min 10 s left",
        ),
        (
            Progress(30, days_done=10, days_failed=2, pages=64, rows=6392, requests=190, seconds=3600.0),
            "10 of 30 days (2 failed), 64 pages, 6,392 rows, 190 requests in 1 h 0 min, about 2 h 0 min left",
        ),
        (
            Progress(1, days_done=1, pages=8, rows=799, requests=16, seconds=9.0),
            "1 of 1 days, 8 pages, 799 rows, 16 requests in 9 s",
        ),
    ],
)
def test_progress_is_a_line(progress: Progress, text: str) -> None:
    """Days, pages, rows, requests, time, and what is left of it once a day is done."""
    assert str(progress) == text


def test_the_expected_end_is_that_of_the_days_so_far() -> None:
    """Unknown before the first day; then as many seconds a day as until now."""
    assert Progress(10, seconds=100.0).seconds_left is None
    assert Progress(10, days_done=4, seconds=100.0).seconds_left == pytest.approx(150.0)
    assert Progress(10, days_done=10, seconds=100.0).seconds_left == 0.0


def test_each_day_that_ends_is_told() -> None:
    """With everything up to it."""
    clock, told = Clock(), list[Progress]()
    report = ProgressReport(3, told.append, clock)
    report.request_answered(20)
    clock.seconds += 5.0
    report.day_ended(rows=799, pages=8, failed=False)
    clock.seconds += 5.0
    report.day_ended(rows=0, pages=0, failed=True)
    assert told == [
        Progress(3, days_done=1, rows=799, pages=8, requests=20, seconds=5.0),
        Progress(3, days_done=2, days_failed=1, rows=799, pages=8, requests=20, seconds=10.0),
    ]
    assert report.now == told[-1]


def test_between_days_it_speaks_up_at_intervals() -> None:
    """A day of an hour is not an hour of silence, and a request is not a line."""
    clock, told = Clock(), list[Progress]()
    report = ProgressReport(3, told.append, clock, interval=30.0)
    for number in range(1, 101):
        clock.seconds += 1.0
        report.request_answered(number)
    assert [(progress.requests, progress.seconds) for progress in told] == [(30, 30.0), (60, 60.0), (90, 90.0)]


def test_a_day_begins_the_interval_anew() -> None:
    """Whoever has just been told is not told again at once."""
    clock, told = Clock(), list[Progress]()
    report = ProgressReport(3, told.append, clock, interval=30.0)
    clock.seconds += 29.0
    report.day_ended(rows=1, pages=1, failed=False)
    clock.seconds += 29.0
    report.request_answered(7)
    assert len(told) == 1
    clock.seconds += 1.0
    report.request_answered(8)
    assert [progress.requests for progress in told] == [0, 8]
