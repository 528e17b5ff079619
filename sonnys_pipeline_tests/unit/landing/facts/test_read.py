"""RS-02: which days are read together."""

from datetime import date, timedelta

import pytest

from sonnys_pipeline.client.lists.spans import CLOCK_DAYS, OUTCOME_DAYS
from sonnys_pipeline.landing.facts.read import parts_of
from sonnys_pipeline.landing.facts.tables import CLOCK_ENTRIES, READ_FACTS, SALES_OUTCOMES, STATUS_CHANGES, Fact

YEAR = [date(2026, 1, 1) + timedelta(days=number) for number in range(365)]


@pytest.mark.parametrize("fact", READ_FACTS, ids=lambda one: one.asset)
def test_a_span_and_its_margins_are_what_one_request_takes(fact: Fact) -> None:
    """Each day is in one span; changes of status of any number of days are one."""
    parts = list(parts_of(YEAR, fact.longest))
    assert [day for part in parts for day in part] == YEAR
    longest = max((part[-1] - part[0]).days + 3 for part in parts)
    expected = {CLOCK_ENTRIES: (31, CLOCK_DAYS), SALES_OUTCOMES: (3, OUTCOME_DAYS), STATUS_CHANGES: (1, 367)}
    assert (len(parts), longest) == expected[fact]


def test_days_with_gaps_are_read_apart_where_a_request_does_not_reach() -> None:
    """A span is counted from its first day."""
    days = [YEAR[0], YEAR[11], YEAR[12], YEAR[40]]
    assert list(parts_of(days, CLOCK_ENTRIES.longest)) == [days[:2], days[2:3], days[3:]]
    assert list(parts_of([], CLOCK_ENTRIES.longest)) == []
