"""BM-01, BM-07, BX-02, JS-04: the arithmetic of large chains, on the virtual clock of `benchmarks/scale.py`."""

import pytest

from benchmarks.scale import DAYS_A_MORNING, DayFigures, simulate, two_years
from benchmarks.scale_files import look_at_files, one_day, plan_days


def test_a_morning_costs_two_requests_a_page_and_fifteen_seconds_for_twenty():
    """Hours are arithmetic: what stands above the floor is the margin; yesterday is landed after a quarter of it."""
    morning = simulate("a morning", 20, DAYS_A_MORNING, newest_first=True)

    assert morning.pages == 20 * 8 * DAYS_A_MORNING
    assert morning.refused == 0
    assert morning.requests == pytest.approx(2 * morning.pages, rel=0.01)
    assert morning.hours == pytest.approx(morning.requests * 15 / 20 / 3600, rel=0.05)
    assert morning.newest_hours == pytest.approx(morning.hours / DAYS_A_MORNING, rel=0.1)


def test_a_late_row_costs_minutes_and_not_the_day():
    """A day of 320 pages is read in slices: a row that arrives in mid-run makes one of them read again, no more."""
    quiet = simulate("quiet", 40, 1)
    disturbed = simulate("late rows", 40, 1, late_rows=2)

    assert quiet.requests == pytest.approx(2 * quiet.rows / 100, rel=0.02)
    assert disturbed.requests < 1.6 * quiet.requests
    assert disturbed.refused == 0


def test_two_years_are_a_multiplication():
    """180 days once, 550 mornings of four days; accounts divide hours and nothing else but files."""
    morning, backfill = simulate("a morning", 4, DAYS_A_MORNING), simulate("backfill", 4, 2)
    day = DayFigures(4, 3200, 32, 1.0, 1.0, 1.0, 1.0, 40.0, 6000.0, 1.0)
    one, fifty = (two_years(500, accounts, morning, backfill, day) for accounts in (1, 50))

    assert one.rows == 500 * 800 * 730
    assert one.pages == 500 * 8 * (180 + 550 * 4)
    assert one.requests == pytest.approx(2 * one.pages, rel=0.01)
    assert one.morning_hours == pytest.approx(4 * 8000 * 0.75 / 3600, rel=0.07)
    assert one.backfill_hours == pytest.approx(180 * 8000 * 0.75 / 3600, rel=0.07)
    assert fifty.morning_hours == pytest.approx(one.morning_hours / 50)
    assert (fifty.rows, fifty.requests, fifty.lake_gb) == (one.rows, one.requests, one.lake_gb)
    assert fifty.files == 50 * one.files
    assert one.lake_gb == pytest.approx(one.rows * 40 / 1e9)


def test_the_parts_agree_with_what_they_were_given():
    """A real day and a plan have all of their rows, and a look at sound marts finds nothing stale."""
    day = one_day(20, 50)
    assert (day.rows, day.pages) == (1000, 10)
    plan = plan_days("a row a site", 3, 6, a_row_a_site=True)
    assert plan.rows == 18
    assert plan.write_back_seconds > 0
    assert look_at_files(6, 5).kpi_rows > 0
