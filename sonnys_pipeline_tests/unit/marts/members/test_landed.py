"""RS-03, DG-02: which landed files a day of the marts of memberships is made of, and when it has to be made again."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, NotLandedError
from sonnys_pipeline.marts.members.landed import LandedMembers
from sonnys_pipeline.marts.members.movement import membership_movement
from sonnys_pipeline_tests.support.members import Club, account, change, days

CHICAGO = "America/Chicago"
MARCH = days(date(2026, 2, 28), date(2026, 3, 10))
NAMES = [day.isoformat() for day in MARCH[1:]]
CHANGED = [
    change(1, "2026-03-05T18:00:00Z", "Active", "Declined"),
    change(1, "2026-03-07T18:00:00Z", "Declined", "Active"),
]
CLUB = Club(
    [(day, [account(1, status="Declined" if 5 < day.day < 8 else "Active"), account(2)]) for day in MARCH],
    MARCH,
    CHANGED,
    read_at=datetime(2026, 3, 11, 12, tzinfo=UTC),
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "data")


def states(lake: Lake) -> dict[str, str]:
    return LandedMembers(lake, CHICAGO).states(NAMES, "1")


def changed_days(lake: Lake, club: Club) -> list[str]:
    """Days whose state is another one after a club is landed."""
    before = states(lake)
    club.land(lake)
    return [day for day, state in states(lake).items() if state != before[day]]


def test_what_is_landed_counts_like_the_tables(lake: Lake) -> None:
    """The files that a day needs are enough for it."""
    CLUB.land(lake)
    wanted = [date(2026, 3, 6)]
    made = membership_movement(LandedMembers(lake, CHICAGO).members(["2026-03-06"]), wanted)
    assert made.table == membership_movement(CLUB.members(), wanted).table
    assert made.table["active"].to_pylist() == [1]


def test_days_that_are_over_are_due(lake: Lake) -> None:
    """Their changes are landed, and the accounts were read after their end."""
    replace(CLUB, landed=MARCH[:-2], read_at=datetime(2026, 3, 6, 12, tzinfo=UTC)).land(lake)
    assert LandedMembers(lake, CHICAGO).due(NAMES) == NAMES[:5]
    replace(CLUB, landed=MARCH[:-2]).land(lake)
    assert LandedMembers(lake, CHICAGO).due(NAMES) == NAMES[:-2]


def test_another_reading_without_news_changes_no_day(lake: Lake) -> None:
    """New files with the same rows, of a later time."""
    CLUB.land(lake)
    later = CLUB.read_at + timedelta(hours=2)
    assert changed_days(lake, replace(CLUB, read_at=later)) == []


def test_a_late_change_reaches_the_days_that_it_is_counted_in(lake: Lake) -> None:
    """On the 6th: that day, the day after, and the churn of the rest of the month."""
    CLUB.land(lake)
    late = change(2, "2026-03-06T18:00:00Z", "Active", "Suspended")
    assert changed_days(lake, replace(CLUB, changed=[*CHANGED, late])) == NAMES[5:]


def test_a_new_account_reaches_the_days_since_its_sign_up(lake: Lake) -> None:
    """Also the day before it was first listed."""
    CLUB.land(lake)
    new = account(3, sign_up_date=datetime(2026, 3, 9, 20, tzinfo=UTC))
    readings = [(day, [*listed, new] if day.day == 10 else listed) for day, listed in CLUB.readings]
    assert changed_days(lake, replace(CLUB, readings=readings)) == NAMES[8:]


def test_an_old_account_that_surfaces_reaches_the_days_before_it(lake: Lake) -> None:
    """First listed, or only seen, when it leaves: the days since its sign-up, and again when that change is landed."""
    replace(CLUB, landed=MARCH[:-2]).land(lake)
    old = account(3, status="Declined")
    readings = [(day, [*listed, old] if day.day == 9 else listed) for day, listed in CLUB.readings[:-1]]
    listed = replace(CLUB, readings=readings, landed=MARCH[:-2])
    assert changed_days(lake, listed) == NAMES
    left = change(3, "2026-03-09T10:00:00Z", "Active", "Declined")
    assert changed_days(lake, replace(listed, landed=MARCH[:-1], changed=[*CHANGED, left])) == NAMES
    unseen = change(4, "2026-03-09T11:00:00Z", "Active", "Cancelled")
    assert changed_days(lake, replace(listed, landed=MARCH[:-1], changed=[*CHANGED, left, unseen])) == NAMES


def test_another_definition_changes_every_day(lake: Lake) -> None:
    """A new version makes all files stale."""
    CLUB.land(lake)
    landed = LandedMembers(lake, CHICAGO)
    old, new = landed.states(NAMES, "1"), landed.states(NAMES, "2")
    assert all(old[day] != new[day] for day in NAMES)


@pytest.mark.parametrize(("metadata", "error"), [(None, NotLandedError), ({}, LakeError)])
def test_accounts_that_are_not_landed_or_do_not_say_when(lake: Lake, metadata: Any, error: type[Exception]) -> None:
    """Both are named with the remedy."""
    if metadata is not None:
        lake.land("recurring_accounts", CLUB.members().accounts, metadata=metadata)
    with pytest.raises(error, match="materialize"):
        LandedMembers(lake, CHICAGO)
