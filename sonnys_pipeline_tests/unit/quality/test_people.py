"""The rules behind the checks of clock entries and memberships."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from sonnys_pipeline.landing.facts.tables import CLOCK_ENTRIES, STATUS_CHANGES
from sonnys_pipeline.quality.people import implausible_shifts, unknown_sites, unlisted_customers

SIX = datetime(2026, 11, 10, 6, tzinfo=UTC)
READ_AT = SIX + timedelta(days=2)


def shift(employee: str, begin: float, end: float | None) -> dict[str, Any]:
    """A shift; hours from six in the morning."""
    return {
        "employee_id": employee,
        "clock_in": SIX + timedelta(hours=begin),
        "clock_out": None if end is None else SIX + timedelta(hours=end),
        "read_at": READ_AT,
    }


def entries(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), CLOCK_ENTRIES.schema)


@pytest.mark.parametrize(
    ("shifts", "problems"),
    [
        ([("1", 0, 16), ("1", 16, 20), ("2", 2, 9)], []),
        ([("1", 3, 3)], ["do not end after they begin: 1 id: 1 at 2026-11-10 09:00 UTC"]),
        ([("1", 3, 1)], ["do not end after they begin: 1 id: 1 at 2026-11-10 09:00 UTC"]),
        ([("1", 0, 16.1)], ["longer than 16 hours: 1 id: 1 at 2026-11-10 06:00 UTC"]),
        (
            [("1", 0, 8), ("1", 7, 12), ("2", 7, 12)],
            ["at the same time as another shift of the employee: 1 id: 1 at 2026-11-10 13:00 UTC"],
        ),
        ([("1", 0, None), ("1", 24, 30)], ["without a clock-out: 1 id: 1 at 2026-11-10 06:00 UTC"]),
        ([("1", 40, None)], []),
        (
            [("1", 40, None), ("1", 41, 45)],
            ["at the same time as another shift of the employee: 1 id: 1 at 2026-11-11 23:00 UTC"],
        ),
    ],
    ids=[
        "one after the other, the longest that is plausible", "no time", "backwards", "too long", "overlapping",
        "forgotten clock-out, and a later shift that is right", "open when it was read", "another while one is open",
    ],
)  # fmt: skip
def test_shifts_that_cannot_be_right_are_named(
    shifts: list[tuple[str, float, float | None]], problems: list[str]
) -> None:
    """By employee and beginning, once for each thing that is wrong."""
    found = implausible_shifts(entries(*(shift(*one) for one in shifts)), READ_AT)
    assert (found.sentences, found.checked, found.passed) == (problems, len(shifts), not problems)


def test_changes_of_unknown_sites_are_named() -> None:
    """Codes in any case are known; a change without a site is of none."""
    rows = [{"washbook_account_id": "1", "site_code": code} for code in ("JOLIET", "joliet", None, "ELGIN")]
    found = unknown_sites(pa.Table.from_pylist(rows, STATUS_CHANGES.schema), "site_code", ["Joliet", ""])
    assert found.sentences == ["of a site that is not listed: 1 id: ELGIN"]
    assert found.checked == 4


def test_present_memberships_have_a_listed_customer() -> None:
    """Not those that are no longer current, nor those that do not say whose they are."""
    accounts = pa.table(
        {"id": ["1", "2", "3", "4"], "customer_id": ["a", "b", None, "c"], "is_current": [True, True, True, False]}
    )
    found = unlisted_customers(accounts, pa.table({"customer_id": ["a"]}))
    assert found.sentences == ["without a listed customer: 1 id: 2"]
    assert found.checked == 2
