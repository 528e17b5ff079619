"""A day's rows against the same weekdays before it: robust against a holiday, silent where nothing is known."""

from datetime import date, timedelta

import pytest

from sonnys_pipeline.quality.volume import unusual_volume

TUESDAY = date(2026, 3, 10)
USUAL = (800, 820, 790, 810, 805, 795, 815, 800)


def counts(today: int, earlier=USUAL) -> dict[date, int]:
    """Rows of the Tuesdays before, the latest last, and of the day itself."""
    weeks = {TUESDAY - timedelta(weeks=back): rows for back, rows in enumerate(reversed(earlier), start=1)}
    return {**weeks, TUESDAY: today}


def test_a_usual_day_passes() -> None:
    """Eight Tuesdays say what is usual; the range is around their median."""
    found = unusual_volume(TUESDAY, counts(812))
    assert found.passed
    assert found.expected is not None
    low, high = found.expected
    assert low < min(USUAL) < max(USUAL) < high
    assert found.compared_with == tuple(TUESDAY - timedelta(weeks=back) for back in range(8, 0, -1))


@pytest.mark.parametrize("rows", [0, 400, 1600])
def test_a_day_of_half_or_twice_the_rows_is_unusual(rows: int) -> None:
    """The sentence says how many there are and how many are usual."""
    found = unusual_volume(TUESDAY, counts(rows))
    assert found.expected is not None
    low, high = found.expected
    [problem] = found.problems
    assert problem == (
        f"2026-03-10: {rows} rows; {low} to {high} are usual on a Tuesday (median 802.5 of 8). "
        "Read the day again, or find out what happened"
    )


def test_the_ends_of_the_range_are_usual() -> None:
    """Both included; one row beyond is not."""
    expected = unusual_volume(TUESDAY, counts(800)).expected
    assert expected is not None
    assert [unusual_volume(TUESDAY, counts(rows)).passed for rows in (expected[0] - 1, *expected, expected[1] + 1)] == [
        False, True, True, False,
    ]  # fmt: skip


def test_one_holiday_moves_nothing() -> None:
    """A closed Tuesday among the eight leaves half a day as unusual as before."""
    assert not unusual_volume(TUESDAY, counts(400, (*USUAL[:-1], 0))).passed
    assert unusual_volume(TUESDAY, counts(805, (*USUAL[:-1], 0))).passed


def test_no_rows_are_never_usual_where_each_day_had_some() -> None:
    """Even where days differ so much that the range would reach down to 0."""
    wild = (10, 900, 30, 700, 20, 800, 5, 1000)
    assert not unusual_volume(TUESDAY, counts(0, wild)).passed
    assert unusual_volume(TUESDAY, counts(0, (*wild[:-1], 0))).passed


def test_other_weekdays_and_older_weeks_are_not_asked() -> None:
    """Only the same weekday of the last weeks counts."""
    rows = {TUESDAY: 800, **{TUESDAY - timedelta(days=back): 50 for back in range(1, 7)}}
    rows |= {TUESDAY - timedelta(weeks=back): 5 for back in range(9, 30)}
    assert unusual_volume(TUESDAY, rows).expected is None


def test_too_few_days_say_nothing() -> None:
    """Three Tuesdays are no measure, four are."""
    assert unusual_volume(TUESDAY, counts(1, USUAL[:3])).passed
    assert not unusual_volume(TUESDAY, counts(1, USUAL[:4])).passed


def test_a_day_that_is_not_landed_is_refused() -> None:
    """It has no number of rows, which is not 0 rows."""
    with pytest.raises(KeyError):
        unusual_volume(TUESDAY, {})
