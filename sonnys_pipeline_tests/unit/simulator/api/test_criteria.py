"""Query parameters: what is read, what is refused, and in which words.

Covers the contract, "Batch jobs" (parameters) and "Lists" (span of a list); LJ-06 relies on these answers.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sonnys_pipeline.simulator.api.criteria import Span, months_later, read_criteria
from sonnys_pipeline.simulator.api.errors import ApiError

NOW = datetime(2026, 11, 5, 12, tzinfo=UTC)
SITES = frozenset({"MAIN"})
YESTERDAY = datetime(2026, 11, 4, tzinfo=UTC)


def query(start: datetime, end: datetime, **more: str) -> dict[str, str]:
    return {"startDate": str(int(start.timestamp())), "endDate": str(int(end.timestamp())), **more}


def findings(sent: dict[str, str], longest: Span = Span.ONE_DAY) -> list[str]:
    with pytest.raises(ApiError) as caught:
        read_criteria(sent, SITES, NOW, longest)
    assert (caught.value.status, caught.value.error_type) == (422, "PayloadValidationError")
    assert list(caught.value.messages) == caught.value.body()["messages"]
    return list(caught.value.messages)


def test_a_whole_day_is_read():
    criteria = read_criteria(
        query(YESTERDAY, YESTERDAY + timedelta(hours=24), limit="100", offset="2"), SITES, NOW, Span.ONE_DAY
    )
    assert criteria.start == YESTERDAY
    assert criteria.end_ms - criteria.start_ms == 86_400_000
    assert (criteria.limit, criteria.page, criteria.sites) == (100, 2, SITES)


def test_left_out_parameters_mean_today_page_one_and_ten_rows():
    criteria = read_criteria({}, SITES, NOW, Span.ONE_DAY)
    assert criteria.start == NOW.replace(hour=0)
    assert criteria.end_ms == NOW.timestamp() * 1000
    assert (criteria.limit, criteria.page) == (10, 1)


def test_a_day_and_a_second_is_too_long_for_a_load_job_and_not_for_a_list():
    sent = query(YESTERDAY - timedelta(days=1), YESTERDAY + timedelta(seconds=1))
    assert findings(sent) == ["endDate: the period must not be longer than 24 hours."]
    assert read_criteria(sent, SITES, NOW, Span.ONE_MONTH).limit == 10


def test_a_list_takes_a_month_and_no_second_more():
    start = datetime(2026, 9, 30, tzinfo=UTC)
    assert read_criteria(query(start, datetime(2026, 10, 30, tzinfo=UTC)), SITES, NOW, Span.ONE_MONTH)
    sent = query(start, datetime(2026, 10, 30, 0, 0, 1, tzinfo=UTC))
    assert findings(sent, Span.ONE_MONTH) == ["endDate: the period must not be longer than one month."]


def test_a_live_list_takes_31_days_whatever_the_month():
    """L10."""
    start = datetime(2026, 9, 30, tzinfo=UTC)
    last = start + timedelta(days=31)
    assert read_criteria(query(start, last), SITES, NOW, Span.DAYS_31)
    assert findings(query(start, last + timedelta(seconds=1)), Span.DAYS_31) == [
        "endDate: the period must not be longer than 31 days."
    ]


@pytest.mark.parametrize(("ends", "cut"), [("both", (0, 0)), ("start", (0, 1)), ("neither", (1, 1))])
def test_ends_of_a_period_are_included_as_set(ends, cut):
    criteria = read_criteria(query(YESTERDAY, YESTERDAY + timedelta(hours=1)), SITES, NOW, Span.ONE_DAY, ends=ends)
    first = int(YESTERDAY.timestamp()) * 1000
    assert (criteria.start_ms - first, first + 3_600_000 - criteria.end_ms) == cut


def test_what_was_wrong_before_is_told_with_the_rest():
    with pytest.raises(ApiError) as caught:
        read_criteria({"limit": "0"}, SITES, NOW, Span.ONE_DAY, errors=["site: no."])
    assert caught.value.messages == ("site: no.", "limit: must be between 1 and 100.")


def test_an_end_in_the_future_is_refused():
    assert findings(query(YESTERDAY + timedelta(days=1), NOW + timedelta(seconds=1))) == [
        "endDate: must not be in the future."
    ]
    assert read_criteria(query(YESTERDAY + timedelta(days=1), NOW), SITES, NOW, Span.ONE_DAY)


def test_six_months_back_is_the_end():
    oldest = datetime(2026, 5, 5, tzinfo=UTC)
    assert read_criteria(query(oldest, oldest + timedelta(hours=1)), SITES, NOW, Span.ONE_DAY)
    older = oldest - timedelta(seconds=1)
    assert findings(query(older, oldest)) == ["startDate: must not be more than 6 months ago."]


def test_an_end_before_the_start_is_refused():
    assert findings(query(YESTERDAY, YESTERDAY - timedelta(seconds=1))) == ["endDate: must not be before startDate."]


@pytest.mark.parametrize("value", ["yesterday", "2026-11-04", "-5", "1e9", "nan", "٣٣٣", "1" * 12])
def test_a_time_that_is_no_number_is_refused(value):
    assert findings({"startDate": value}) == ["startDate: must be a Unix timestamp in seconds."]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("limit", "0", "between 1 and 100"),
        ("limit", "101", "between 1 and 100"),
        ("limit", "-1", "between 1 and 100"),
        ("limit", "ten", "whole number"),
        ("limit", "1.5", "whole number"),
        ("offset", "0", "page number"),
        ("offset", "-3", "page number"),
        ("offset", "", ""),
        ("offset", "x", "whole number"),
        ("region", "NORTH", "no region"),
    ],
)
def test_paging_out_of_range_is_refused(name, value, words):
    if not value:
        assert read_criteria({name: value}, SITES, NOW, Span.ONE_DAY).page == 1
        return
    (message,) = findings({name: value})
    assert message.startswith(f"{name}: ")
    assert words in message


def test_every_finding_is_told_at_once():
    assert len(findings({"startDate": "x", "endDate": "y", "limit": "0", "offset": "0"})) == 4


@pytest.mark.parametrize(
    ("moment", "months", "expected"),
    [
        (datetime(2026, 8, 31, tzinfo=UTC), -6, datetime(2026, 2, 28, tzinfo=UTC)),
        (datetime(2026, 1, 31, tzinfo=UTC), 1, datetime(2026, 2, 28, tzinfo=UTC)),
        (datetime(2026, 12, 15, tzinfo=UTC), 1, datetime(2027, 1, 15, tzinfo=UTC)),
        (datetime(2026, 3, 15, tzinfo=UTC), -3, datetime(2025, 12, 15, tzinfo=UTC)),
    ],
)
def test_months_end_where_the_calendar_does(moment, months, expected):
    assert months_later(moment, months) == expected
