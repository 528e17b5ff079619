"""KT-02: how late edits come, by which look they are found, and which policy fits."""

from datetime import UTC, date, datetime, timedelta

import pyarrow as pa
import pytest

from sonnys_pipeline.config.revisit import DEFAULT, RevisitPolicy
from sonnys_pipeline.lake.changes import TRANSACTION_CHANGES
from sonnys_pipeline.quality.late_edits import Looks, late_edits

DAY = date(2026, 3, 10)
END = datetime(2026, 3, 11, tzinfo=UTC)


def changes(*rows: tuple[str, float, str, str, str]) -> pa.Table:
    """Changes: id, hours after the day, look, kind, field."""
    return pa.Table.from_pylist(
        [
            {
                "transaction_id": row_id,
                "day": DAY,
                "change": kind,
                "field": field,
                "first_seen": END + timedelta(hours=hours),
                "hours_after_day": hours,
                "found_by": look,
                "pii": "keep",
                "pii_key": "",
            }
            for row_id, hours, look, kind, field in rows
        ],
        TRANSACTION_CHANGES,
    )


def edits(count: int, last_age: int, field: str) -> pa.Table:
    """So many edits of a field, the last one of a day of this age."""
    ages = [1] * (count - 1) + [last_age]
    return changes(*((f"{n}:1", age * 24 - 18.0, "full", "edited", field) for n, age in enumerate(ages)))


def test_nothing_found_says_so() -> None:
    """No figure is invented."""
    found = late_edits(TRANSACTION_CHANGES.empty_table())
    assert (found.changed, found.p50_hours, found.last_hours) == (0, None, None)
    assert found.sentences == ["no landed transaction was found changed so far"]
    assert found.recommended == Looks()


def test_a_transaction_counts_once_for_each_read() -> None:
    """Three fields of one edit are one change; the same row edited again is another."""
    found = late_edits(
        changes(
            ("1:1", 6, "morning", "edited", "total"),
            ("1:1", 6, "morning", "edited", "items"),
            ("1:1", 30, "states", "edited", "total"),
            ("2:1", 100, "count", "removed", "total"),
        )
    )
    assert (found.changed, found.p50_hours, found.p95_hours, found.last_hours) == (3, 30, 100, 100)
    assert found.by_look == {"morning": 1, "states": 1, "count": 1}
    assert found.sentences[0] == (
        "3 landed transactions were found changed: half of them within 30 hours after the end of their day, "
        "95 % within 100, the last after 100"
    )


@pytest.mark.parametrize(
    ("kind", "field", "last"),
    [
        ("edited", "tenders", 4),
        ("edited", "total", 35),
        ("edited", "transaction_status", 35),
        ("removed", "total", 183),
    ],
)
def test_a_change_is_late_if_no_look_at_its_age_would_see_it(kind: str, field: str, last: int) -> None:
    """Tenders only a full read shows, totals and statuses the list too, and what came or went a count."""
    in_time = changes(("1:1", last * 24 - 18.0, "full", kind, field))
    assert not late_edits(in_time).too_late
    found = late_edits(changes(("1:1", last * 24 + 6.0, "full", kind, field)))
    assert [(one.id, one.age) for one in found.too_late] == [("1:1", last + 1)]
    assert found.sentences[-1] == (
        f"1 came later than such changes are looked for: 1:1 of 2026-03-10 after {last + 1} days"
    )


@pytest.mark.parametrize(
    ("found", "full", "states"),
    [
        (edits(19, 4, "items"), 4, 35),  # too few to say
        (edits(20, 4, "items"), 8, 35),  # still found at the last age
        (edits(20, 3, "items"), 4, 35),
        (edits(20, 1, "items"), 2, 35),
        (edits(20, 2, "total"), 4, 7),  # never below a week
        (edits(20, 10, "total"), 4, 20),
        (edits(20, 40, "total"), 4, 80),
        (edits(20, 150, "total"), 4, 183),  # no longer than the API keeps
    ],
)
def test_the_policy_follows_the_last_change_found(found: pa.Table, full: int, states: int) -> None:
    """Twice as long where changes are found to the end, twice the last one's age where that is much less."""
    assert late_edits(found).recommended == Looks(full, states, 183)


def test_the_ages_of_a_policy() -> None:
    """KT-01: up to which age a look sees a change; a more thorough look sees what a weaker one would."""
    assert Looks.of(RevisitPolicy.parse(DEFAULT)) == Looks()
    assert Looks.of(RevisitPolicy.parse("9 days: full daily; 60 days: count weekly")) == Looks(9, 9, 60)
    assert Looks.of(RevisitPolicy()) == Looks(0, 0, 0)
