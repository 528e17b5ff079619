"""BX-02: what a plan says, which days it asks about, and what it costs."""

from collections import Counter
from dataclasses import replace
from datetime import date
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonnys_pipeline.backfill.plan import (
    SAMPLE_ROWS,
    Estimate,
    estimator,
    pages_of,
    sample,
)
from sonnys_pipeline.client import RequestRate
from sonnys_pipeline.ledger.models import RowSpec
from sonnys_pipeline_tests.support.plans import OF_TWO_SITES, SCOPE, planned
from sonnys_pipeline_tests.unit.conftest import specs


@pytest.mark.parametrize("days", [1, 19, 20, 21, 500])
def test_twenty_rows_at_most_are_asked_about(days: int) -> None:
    """Each once, in order, from the whole span; the others are estimates and say so."""
    asked: list[str] = []

    def size(spec: RowSpec) -> int:
        asked.append(spec.day)
        return 250

    plan = planned(specs(days), size)
    assert SAMPLE_ROWS == 20
    assert len(asked) == len(set(asked)) == min(days, 20)
    assert asked == sorted(asked)
    assert [row.day for row in plan.rows] == [spec.day for spec in specs(days)]
    assert [row.day for row in plan.sized] == asked
    assert plan.estimate.rows == 250 * days


def test_the_sample_is_spread_over_span_and_weekdays() -> None:
    """Of half a year not its first 20 days: each month and each weekday is asked about, the latter about equally."""
    asked = [date.fromisoformat(spec.day) for spec in sample(specs(181))]
    assert {day.month for day in asked} == set(range(1, 7))
    assert set(Counter(day.weekday() for day in asked).values()) <= {2, 3}


@pytest.mark.parametrize("sites", [2, 5, 20])
def test_the_sample_is_spread_over_sites(sites: int) -> None:
    """Every site is asked about, about equally often, and not always on the same weekday."""
    days = [spec.day for spec in specs(60)]
    asked = sample([RowSpec(day, f"S{number}") for day in days for number in range(sites)])
    counts = Counter(spec.site for spec in asked)
    assert len(counts) == sites
    assert max(counts.values()) - min(counts.values()) <= 1
    assert len({date.fromisoformat(spec.day).weekday() for spec in asked}) >= min(7, 20 // sites)


def test_a_season_is_seen_by_the_estimate() -> None:
    """Winter days have ten times the rows of summer days: the first 20 days would be ten times off."""

    def size(spec: RowSpec) -> int:
        return 1000 if date.fromisoformat(spec.day).month <= 3 else 100

    plan = planned(specs(181), size)
    true = sum(map(size, specs(181)))
    assert plan.estimate.rows == pytest.approx(true, rel=0.1)


def test_what_was_asked_stands_as_it_was_answered() -> None:
    """No estimate takes its place, however far off the others it is."""
    plan = planned(specs(21), lambda spec: int(spec.day[-2:]) * 10)
    assert [row.rows for row in plan.sized] == [int(row.day[-2:]) * 10 for row in plan.sized]


def test_a_day_is_estimated_by_its_weekday() -> None:
    """A wash has its week: a Saturday to come is taken to be like the Saturdays that were asked about."""

    def size(spec: RowSpec) -> int:
        return 900 + int(spec.day[-2:]) if date.fromisoformat(spec.day).weekday() == 5 else 300

    plan = planned(specs(40, "2026-01-01"), size)
    saturdays = [row for row in plan.rows if date.fromisoformat(row.day).weekday() == 5]
    known = [row.rows for row in saturdays if row.sized]
    assert known
    for row in plan.rows:
        if not row.sized:
            assert row.rows == (round(fmean(known)) if row in saturdays else 300)


def test_a_weekday_that_was_not_asked_about_is_an_average_day() -> None:
    """Of the same site, if one of its days was asked about; else of all."""
    estimate = estimator({RowSpec("2026-01-05", "EAST"): 100, RowSpec("2026-01-05", "WEST"): 400})  # a Monday
    wednesday = [RowSpec("2026-04-01", site) for site in ("EAST", "WEST", "NEW")]
    assert [estimate(spec) for spec in wednesday] == [100, 400, 250]


@given(
    sizes=st.lists(st.integers(0, 5000), min_size=1, max_size=60),
    rate=st.builds(RequestRate, st.integers(1, 60), st.floats(0.1, 60.0)),
)
def test_the_bill_adds_up(sizes: list[int], rate: RequestRate) -> None:
    """Two requests a page; the first block of them is free to go at once, each further one takes its time.

    An estimate lies between the least and the most that was answered.
    """
    requested = specs(len(sizes))
    answers = dict(zip(requested, sizes, strict=True))
    plan = planned(requested, answers.__getitem__, rate=rate)
    bill = plan.estimate
    assert bill.rows == sum(row.rows for row in plan.rows)
    assert bill.pages == sum(row.pages for row in plan.rows)
    assert bill.requests == 2 * bill.pages
    blocks = -(-bill.requests // rate.requests)
    assert (blocks - 1) * rate.seconds <= bill.seconds < (blocks - 1) * rate.seconds + 1
    known = [row.rows for row in plan.sized]
    assert all(min(known) <= row.rows <= max(known) for row in plan.rows)


@pytest.mark.parametrize(("rows", "pages"), [(0, 1), (1, 1), (99, 1), (100, 1), (101, 2), (200, 2), (201, 3), (799, 8)])
def test_pages_of_a_day(rows: int, pages: int) -> None:
    """A hundred a page; a day without rows takes one page to find that out."""
    assert pages_of(rows, "2026-03-10", "UTC") == pages


def test_a_day_of_two_windows_takes_a_page_more() -> None:
    """25 hours are two load jobs at least (contract: 24 hours at most); 23 hours are one."""
    assert pages_of(0, "2026-11-01", "America/Chicago") == 2
    assert pages_of(100, "2026-11-01", "America/Chicago") == 2
    assert pages_of(101, "2026-11-01", "America/Chicago") == 3
    assert pages_of(100, "2026-03-08", "America/Chicago") == 1
    chicago = replace(SCOPE, timezone="America/Chicago")
    plan = planned(specs(3, "2026-10-31"), lambda _: 50, scope=chicago)
    assert [row.pages for row in plan.rows] == [1, 2, 1]
    assert plan.estimate == Estimate(150, 4, 8, 0)


def test_days_that_are_too_old_are_named_and_not_asked_about() -> None:
    """The first day that is kept is read; whether older ones are landed does not matter."""
    asked: list[RowSpec] = []
    requested = specs(5)
    plan = planned(
        requested,
        lambda spec: asked.append(spec) or 10,  # type: ignore[func-returns-value]
        first_kept=date(2026, 1, 3),
        landed_rows=lambda _: 7,
    )
    assert plan.too_old == tuple(requested[:2])
    assert asked == requested[2:]
    assert [row.day for row in plan.rows] == ["2026-01-03", "2026-01-04", "2026-01-05"]


def test_only_what_is_missing() -> None:
    """Landed days are left out and named, those without rows too; else they are read again, and the plan says so."""
    landed = {"2026-01-02": 40, "2026-01-04": 0}
    requested = specs(5)
    plan = planned(requested, landed_rows=lambda spec: landed.get(spec.day), missing_only=True)
    assert plan.left_out == (requested[1], requested[3])
    assert [row.day[-2:] for row in plan.rows] == ["01", "03", "05"]
    again = planned(requested, landed_rows=lambda spec: landed.get(spec.day))
    assert again.left_out == ()
    assert [row.landed_rows for row in again.rows] == [None, 40, None, 0, None]


def test_nothing_to_read_is_a_plan_without_a_bill() -> None:
    """All landed, only missing ones wanted: nothing is asked, nothing costs."""

    def size(spec: RowSpec) -> int:
        raise AssertionError(spec)

    plan = planned(specs(3), size, landed_rows=lambda _: 1, missing_only=True)
    assert (plan.rows, plan.estimate) == ((), Estimate(0, 0, 0, 0))


@pytest.mark.parametrize(("sites", "pages"), [((), 3), (("A",), 3), (("A", "B", "C", "D"), 4)])
def test_the_bill_counts_a_page_for_each_site_and_the_lists(sites: tuple[str, ...], pages: int) -> None:
    """250 rows: three pages in one job, half a page more for each site; a count, and three requests of states."""
    scope = replace(OF_TWO_SITES, sites=sites)
    plan = planned(specs(1), scope=scope)
    assert (plan.estimate.pages, plan.estimate.lists) == (pages, 4)
    assert plan.estimate.requests == 2 * pages + 4
