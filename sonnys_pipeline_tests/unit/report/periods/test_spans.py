"""KPIS: which days a week and a month have, and which days they are compared with."""

from datetime import date

import pytest

from sonnys_pipeline.report.inputs import FARTHEST, days_shown
from sonnys_pipeline.report.periods.spans import Kind, Span


@pytest.mark.parametrize("day", [date(2026, 11, 16), date(2026, 11, 18), date(2026, 11, 22)])
def test_a_week_is_from_monday_to_sunday(day: date) -> None:
    """Whichever of its days is asked for."""
    week = Span.of(Kind.WEEK, day)
    assert (week.first, week.last) == (date(2026, 11, 16), date(2026, 11, 22))
    assert len(week.days) == 7
    assert [each[0].isoformat() for each in week.four_weeks] == ["2026-11-09", "2026-11-02", "2026-10-26", "2026-10-19"]


@pytest.mark.parametrize(
    ("day", "last"), [("2026-02-10", "2026-02-28"), ("2028-02-29", "2028-02-29"), ("2026-12-31", "2026-12-31")]
)
def test_a_month_ends_with_its_last_day(day: str, last: str) -> None:
    """Also in a leap year and in December."""
    month = Span.of(Kind.MONTH, date.fromisoformat(day))
    assert month.last.isoformat() == last
    assert month.first.day == 1


def test_thirteen_months_back_is_the_same_month_of_last_year() -> None:
    """Whole months, across the turn of the year."""
    assert Span.of(Kind.MONTH, date(2026, 3, 31), date(2026, 3, 31)).back(12) == Span.of(Kind.MONTH, date(2025, 3, 1))


def test_a_part_is_compared_with_the_same_days() -> None:
    """March up to the 30th has no like in February: the 29th and 30th are left out on both sides."""
    own, before = Span.of(Kind.MONTH, date(2026, 3, 30), date(2026, 3, 30)).compared_before
    assert (own[-1], before[-1]) == (date(2026, 3, 28), date(2026, 2, 28))
    assert (own[0], before[0]) == (date(2026, 3, 1), date(2026, 2, 1))


def test_whole_months_are_compared_as_they_are() -> None:
    """31 days with 28."""
    own, before = Span.of(Kind.MONTH, date(2026, 3, 5)).compared_before
    assert (len(own), len(before)) == (31, 28)


@pytest.mark.parametrize(
    "day", [date(2026, 3, 1), date(2026, 3, 31), date(2026, 8, 31), date(2026, 11, 20), date(2026, 1, 2)]
)
def test_a_daily_report_shows_no_day_that_its_digest_lacks(day: date) -> None:
    """What week and month to date need is among the days shown, without a hole and within what Dagster waits for."""
    shown = days_shown(day)
    for kind in Kind:
        span = Span.of(kind, day, day)
        assert {*span.days, *span.compared_before[1], *(one for week in span.four_weeks for one in week)} <= set(shown)
    assert shown[-1] == day
    assert (day - shown[0]).days <= FARTHEST
    assert len(shown) == (day - shown[0]).days + 1
