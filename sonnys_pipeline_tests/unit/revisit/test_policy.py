"""KT-01: which look a landed day is due for, and what a policy costs."""

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from sonnys_pipeline.config.revisit import DEFAULT, Look, RevisitPolicy
from sonnys_pipeline.landing.verified import Result, Verification, Verifications
from sonnys_pipeline.revisit.policy import due_look, price

POLICY = RevisitPolicy.parse(DEFAULT)
TODAY = date(2026, 6, 30)


def due(age: int, *looks: Verification, policy: RevisitPolicy = POLICY) -> Look | None:
    """The look that a day of an age is due for after these."""
    day = (TODAY - timedelta(days=age)).isoformat()
    return due_look(policy, day, TODAY, Verifications({(day, one.look): replace(one, day=day) for one in looks}), "UTC")


def looked(look: Look, days_ago: int, result: Result = Result.SAME) -> Verification:
    """A look at any day, so many days ago."""
    moment = datetime(2026, 6, 30, 7, tzinfo=UTC) - timedelta(days=days_ago)
    return Verification("2026-06-01", look, moment, result)


def test_a_day_that_was_never_looked_at_is_due_by_its_age() -> None:
    """KT-01: each age gets the look of its rule; today and days that the API has no more get none."""
    assert [due(age) for age in (0, 1, 4, 5, 35, 36, 186, 187)] == [
        None, Look.FULL, Look.FULL, Look.STATES, Look.STATES, Look.COUNT, Look.COUNT, None,
    ]  # fmt: skip


def test_the_mornings_read_is_a_full_look() -> None:
    """KT-01: a day that was landed today is not read again by the sweep; one whose morning failed is."""
    assert due(2, looked(Look.FULL, 0)) is None
    assert due(2, looked(Look.FULL, 1)) is Look.FULL


@pytest.mark.parametrize(
    ("age", "days_ago", "expected"), [(7, 1, Look.STATES), (8, 1, None), (10, 3, None), (11, 4, Look.STATES)]
)
def test_two_looks_a_week_have_slots_by_age(age: int, days_ago: int, expected: Look | None) -> None:
    """KT-01: a look in an earlier slot leaves a day due, whichever weekday it is."""
    assert due(age, looked(Look.STATES, days_ago)) is expected


def test_a_weaker_look_does_not_satisfy_a_rule_and_a_thorough_one_does() -> None:
    """KT-01: a count of yesterday is no `version-2`; a full read spares the count of the week."""
    assert due(11, looked(Look.COUNT, 0)) is Look.STATES
    assert due(100, looked(Look.FULL, 1)) is None


def test_a_difference_that_was_not_repaired_stays_due() -> None:
    """KT-02: until a later look finds it gone."""
    assert due(10, looked(Look.STATES, 0, Result.DIFFERENT)) is Look.STATES
    assert due(10, looked(Look.STATES, 0, Result.REPAIRED)) is None
    assert due(3, looked(Look.FULL, 0), looked(Look.STATES, -1, Result.DIFFERENT)) is Look.FULL
    assert due(3, looked(Look.FULL, -2), looked(Look.STATES, -1, Result.DIFFERENT)) is None
    assert due(99, looked(Look.STATES, 1, Result.DIFFERENT), looked(Look.COUNT, 0)) is Look.STATES


def test_a_missed_sweep_is_made_up_for() -> None:
    """KT-01: each day between 5 and 35 days of age is looked at twice a week, and later if the machine was off."""
    days = dict.fromkeys(range(5, 36), -100)
    seen = []
    for age in range(5, 36):
        last = days[age]
        if due(age, *([looked(Look.STATES, age - last)] if last > 0 else [looked(Look.FULL, age - 4)])):
            seen.append(age)
        days = dict.fromkeys(days, seen[-1] if seen else -100)
    assert seen == [7, 11, 14, 18, 21, 25, 28, 32, 35]


def test_a_policy_that_is_off_asks_for_nothing() -> None:
    """KT-01: no look, no request."""
    assert due(2, policy=RevisitPolicy()) is None
    assert price(RevisitPolicy(), 20, 800).total == 0


def test_the_price_is_that_of_each_look() -> None:
    """KT-01: 20 sites of 800 rows: 4 full reads a day, 31 days by states, 148 by count, as often as the rules say."""
    found = price(POLICY, 20, 800)
    assert found.full == 4 * (2 * 160 + 1 + 160)
    assert found.states == pytest.approx(31 * 160 / 3.5)
    assert found.count == pytest.approx(148 / 7)
    by_site = price(POLICY, 20, 820, lists_need_site=True)
    assert by_site.count == pytest.approx(20 * 148 / 7)
    assert by_site.states == pytest.approx(31 * 20 * 9 / 3.5)


def test_the_documents_tell_the_price_of_the_policies() -> None:
    """KT-01: docs/operations.md: for 1, 20, 150 and 500 sites of 800 rows, as `price` computes it."""
    text = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    for sites in (1, 20, 150, 500):
        one = price(POLICY, sites, 800)
        assert f"| {sites} | {one.full:,.0f} | {one.states:,.0f} | {one.count:,.0f} | {one.total:,} |" in text
    told = re.findall(r"^\| `(\d[^`]+)` \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", text, re.MULTILINE)
    assert DEFAULT in [policy for policy, *_ in told]
    for policy, *prices in told:
        computed = [f"{price(RevisitPolicy.parse(policy), sites, 800).total:,}" for sites in (1, 20, 150, 500)]
        assert prices == computed, policy
