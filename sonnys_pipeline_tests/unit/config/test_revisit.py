"""KT-01: the revisit policy as it is written in the settings, and what is refused."""

from fractions import Fraction

import pytest

from sonnys_pipeline.config.revisit import DEFAULT, Look, RevisitPolicy, Rule


def test_the_default_looks_at_each_age_of_six_months() -> None:
    """KT-01: the first days in full, then states twice a week, then counts once a week; each age has one rule."""
    policy = RevisitPolicy.parse(DEFAULT)
    assert policy.rules == (
        Rule(4, Look.FULL, Fraction(1)),
        Rule(35, Look.STATES, Fraction(7, 2)),
        Rule(186, Look.COUNT, Fraction(7)),
    )
    looks = {age: rule and rule.look for age in range(190) for rule in [policy.rule_for(age)]}
    assert looks[0] is None, "today is not over"
    assert (looks[1], looks[4], looks[5], looks[35], looks[36]) == ("full", "full", "states", "states", "count")
    assert (looks[186], looks[187]) == ("count", None)
    assert RevisitPolicy.parse(str(policy)) == policy


def test_two_looks_a_week_are_two_in_any_seven_days() -> None:
    """KT-01: a rule has as many slots as it says, whatever the day on which it is asked."""
    twice = Rule(35, Look.STATES, Fraction(7, 2))
    due = [age for age in range(1, 36) if twice.slot(age) > twice.slot(age - 1)]
    assert all(len([age for age in due if first <= age < first + 7]) == 2 for first in range(1, 29))


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("off", ()),
        (" OFF ", ()),
        ("10 days: Count every 5 days", (Rule(10, Look.COUNT, Fraction(5)),)),
        (
            "1 day: full daily;1 month: states weekly;",
            (Rule(1, Look.FULL, Fraction(1)), Rule(31, Look.STATES, Fraction(7))),
        ),
    ],
)
def test_a_policy_is_read_as_it_is_meant(text: str, rules: tuple[Rule, ...]) -> None:
    """KT-01: upper case, spaces and a last semicolon do not matter."""
    assert RevisitPolicy.parse(text).rules == rules


@pytest.mark.parametrize(
    "text",
    [
        "", ";", "4 days", "4 days: full", "4 days: fully daily", "4 days: full sometimes", "0 days: full daily",
        "4 weeks: full daily", "-4 days: full daily", "4 days: full every 0 days",
        "35 days: states weekly; 4 days: full daily", "4 days: full daily; 4 days: count daily",
        "187 days: count weekly", "7 months: count weekly", "off; 4 days: full daily",
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(text: str) -> None:
    """KT-01: a rule that would never hold, or that asks for days that the API has no more, is an error."""
    with pytest.raises(ValueError, match=r"rule|order|months|1 day old"):
        RevisitPolicy.parse(text)


def test_a_look_is_satisfied_by_a_more_thorough_one() -> None:
    """KT-01: a day that was read in full need not be counted."""
    assert Look.COUNT.satisfied_by == (Look.FULL, Look.STATES, Look.COUNT)
    assert Look.FULL.satisfied_by == (Look.FULL,)
