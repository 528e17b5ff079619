"""RS-03: members of a day are those of the day before, plus and minus who came and went."""

from sonnys_pipeline.marts.members.balance import imbalances
from sonnys_pipeline_tests.support.landed_members import movement


def test_what_adds_up_says_nothing() -> None:
    """One more, two switched in and one out; a plan that is new; figures that are not known."""
    before = [movement("MAIN", active=98), movement("MAIN", "Gold", active=None)]
    after = [
        movement("MAIN", switched_in=2, switched_out=1),
        movement("MAIN", "Gold"),
        movement("MAIN", "New", active=1),
        movement("MESA", active=None, mrr=None),
    ]
    assert imbalances(before, after) == []


def test_a_change_that_is_missing_is_named() -> None:
    """With site and plan, both figures, and what to do."""
    [said] = imbalances([movement("MAIN", active=98)], [movement("MAIN")])
    assert said.startswith("MAIN, Basic: 100 active, but 99 by the day before and its changes; read ")
    [said] = imbalances([], [movement("", None, active=3)])
    assert said.startswith("(no code), no plan: 3 active, but 1 by")
