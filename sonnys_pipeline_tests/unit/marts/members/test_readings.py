"""KPIS "Members": which reading, and which days of changes, tell the status at the end of a day."""

from datetime import UTC, date, datetime

import pyarrow as pa

from sonnys_pipeline.marts.members.readings import Readings, days_from
from sonnys_pipeline_tests.support.members import all_read_after

CHICAGO, LOS_ANGELES, NEW_YORK = "America/Chicago", "America/Los_Angeles", "America/New_York"


def march(day: int) -> date:
    return date(2026, 3, day)


def readings(*begun: int, landed: tuple[int, int], hour: int = 13) -> Readings:
    """Versions begun on these days of March; the last one at this hour in UTC."""
    history = pa.table(
        {
            "valid_from": pa.array([march(day) for day in begun], pa.date32()),
            "valid_to": pa.nulls(len(begun), pa.date32()),
        }
    )
    read_at = datetime(2026, 3, begun[-1], hour, tzinfo=UTC)
    return Readings(history, read_at, all_read_after(days_from(march(landed[0]), march(landed[1]))), CHICAGO)


def test_forward_from_the_reading_of_the_same_day() -> None:
    """Only the day itself is needed: its last change, or else what the reading said."""
    walk = readings(9, 10, 11, landed=(10, 10)).walk(march(10), CHICAGO)
    assert walk is not None
    assert (walk.reading, walk.forward, walk.first, walk.last, walk.missing) == (
        march(10), True, march(10), march(10), (),
    )  # fmt: skip


def test_backward_where_days_before_are_missing() -> None:
    """Before the first reading, and wherever the way forward is not landed."""
    walk = readings(5, 20, landed=(11, 20)).walk(march(10), CHICAGO)
    assert walk is not None
    assert (walk.reading, walk.forward, walk.first, walk.last, walk.missing) == (
        march(20), False, march(11), march(20), (),
    )  # fmt: skip


def test_what_lacks_the_fewest_days_is_named() -> None:
    """Neither way is landed: two days lack forward, one backward."""
    walk = readings(8, 12, landed=(10, 11)).walk(march(10), CHICAGO)
    assert walk is not None
    assert walk.missing == (march(12),)


def test_elsewhere_a_reading_may_have_been_on_another_local_day() -> None:
    """West of the account's clocks it may have been the day before; east of them the day after."""
    found = readings(9, 10, 11, landed=(1, 31))
    west, east = found.walk(march(10), LOS_ANGELES), found.walk(march(10), NEW_YORK)
    assert west is not None
    assert east is not None
    assert (west.reading, west.first, west.last) == (march(10), march(9), march(10))
    assert (east.reading, east.first, east.last) == (march(9), march(9), march(10))


def test_the_time_of_the_last_reading_is_known() -> None:
    """At 06:00 UTC it is past midnight in Chicago, and the evening before in Los Angeles."""
    found = readings(10, landed=(1, 31), hour=6)
    assert found.is_after(march(9), CHICAGO)
    assert not found.is_after(march(9), LOS_ANGELES)
    walk = found.walk(march(9), LOS_ANGELES)
    assert walk is not None
    assert (walk.forward, walk.first, walk.last) == (True, march(9), march(9))
