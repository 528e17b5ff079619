"""RS-02: rows are cut into local days, and a landed day is replaced by what a later reading says."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sonnys_pipeline.extract.lists.policy import ListPolicy
from sonnys_pipeline.extract.pages.pii import Privacy
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import OtherSourceError
from sonnys_pipeline.landing.facts.land import DaySource, LandedDay, SitePlaces, by_day, land_days
from sonnys_pipeline.landing.facts.tables import CLOCK_ENTRIES
from sonnys_pipeline.landing.transactions import Source

CHICAGO = "America/Chicago"
DAY = date(2026, 11, 10)
NOON = datetime(2026, 11, 10, 18, tzinfo=UTC)
READ_AT = datetime(2026, 11, 11, 14, tzinfo=UTC)
OF = DaySource(Source("digest"), CHICAGO, ListPolicy(Privacy()))


def shift(employee: str, begin: datetime = NOON, **fields: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(CLOCK_ENTRIES.schema.names)
    return {**row, "employee_id": employee, "clock_in": begin, "site_code": "MAIN", **fields}


def landed(lake: Lake, *rows: dict[str, Any], of: DaySource = OF, **options: Any) -> LandedDay:
    days, refused = land_days(lake, CLOCK_ENTRIES, {DAY: rows}, of, read_at=READ_AT, **options)
    assert not refused
    return days[DAY]


def test_rows_that_are_others_now_are_counted(tmp_path: Path) -> None:
    """A clock-out that is entered later is a change; another beginning is a row that came and one that went."""
    lake = Lake(str(tmp_path))
    closed = NOON + timedelta(hours=8)
    first = landed(lake, shift("1"), shift("2"), shift("3"), shift("4"), shift("4"))
    assert (first.added, first.changed, first.gone) == (5, 0, 0)
    later = NOON + timedelta(minutes=5)
    again = landed(lake, shift("1", clock_out=closed), shift("2", later), shift("3"), shift("4"), shift("5"))
    assert (again.added, again.changed, again.gone) == (2, 1, 2)
    rows = lake.read("clock_entries", [DAY.isoformat()]).to_pylist()
    assert [(row["employee_id"], row["clock_out"]) for row in rows] == [
        ("1", closed), ("2", None), ("3", None), ("4", None), ("5", None),
    ]  # fmt: skip


def test_the_day_says_when_it_was_read_last(tmp_path: Path) -> None:
    """Also where nothing has changed: a shift that is still open was open then."""
    lake = Lake(str(tmp_path))
    landed(lake, shift("1"))
    later = READ_AT + timedelta(days=1)
    days, _ = land_days(lake, CLOCK_ENTRIES, {DAY: [shift("1")]}, OF, read_at=later)
    assert (days[DAY].added, days[DAY].changed, days[DAY].gone) == (0, 0, 0)
    assert lake.metadata("clock_entries", DAY.isoformat())["read_at"] == later.isoformat()
    assert lake.read("clock_entries", [DAY.isoformat()])["read_at"].to_pylist() == [later]


def test_a_refused_day_holds_up_no_other(tmp_path: Path) -> None:
    """The message names it and the remedy; an empty day may stay empty."""
    lake, next_day = Lake(str(tmp_path)), DAY + timedelta(days=1)
    landed(lake, shift("1"))
    nothing: dict[date, list[dict[str, Any]]] = {DAY: [], next_day: []}
    days, refused = land_days(lake, CLOCK_ENTRIES, nothing, OF, read_at=READ_AT)
    assert list(days) == [next_day]
    assert str(refused[DAY]) == (
        "clock_entries 2026-11-10: 1 rows are landed and none were read; they stay. If the day is really empty now, "
        "run it once with accept_empty in its configuration"
    )
    assert lake.rows("clock_entries", DAY.isoformat()) == 1
    assert landed(lake, accept_empty=True).gone == 1


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (DaySource(Source("another"), CHICAGO, OF.policy), "account"),
        (DaySource(Source("digest", "MAIN"), CHICAGO, OF.policy), "site_code"),
        (DaySource(Source("digest"), "America/New_York", OF.policy), "timezone"),
    ],
)
def test_days_of_another_account_site_or_zone_stay(tmp_path: Path, other: DaySource, name: str) -> None:
    lake = Lake(str(tmp_path))
    landed(lake, shift("1"))
    with pytest.raises(OtherSourceError, match=f"the landed day has {name}"):
        landed(lake, shift("2"), of=other)
    assert lake.read("clock_entries", [DAY.isoformat()])["employee_id"].to_pylist() == ["1"]


def test_every_instant_is_in_one_local_day(tmp_path: Path) -> None:
    """Quarter hours around both changes of the clocks, at sites of three zones and at one that no list has."""
    lake = Lake(str(tmp_path))
    zones = {"EAST": "America/New_York", "MAIN": CHICAGO, "WEST": "Pacific/Honolulu"}
    lake.land("sites", pa.table({"code": list(zones), "timezone": list(zones.values())}))
    places = SitePlaces(lake, CHICAGO)
    for changed, hours in ((date(2026, 3, 8), 23), (date(2026, 11, 1), 25)):
        begin = datetime(changed.year, changed.month, changed.day, tzinfo=UTC) - timedelta(days=2)
        instants = [begin + timedelta(minutes=15 * number) for number in range(4 * 24 * 5)]
        for code, day_hours in {"EAST": hours, "MAIN": hours, "main": hours, "WEST": 24, "GONE": hours}.items():
            rows = [shift(str(number), at, site_code=code) for number, at in enumerate(instants)]
            found = by_day(rows, CLOCK_ENTRIES, places)
            assert sum(len(there) for there in found.values()) == len(rows)
            assert len(found[changed]) == 4 * day_hours


def test_rows_without_an_instant_are_in_no_day(tmp_path: Path) -> None:
    """They are kept apart, so that a reading can count them."""
    undated = shift("1") | {"clock_in": None}
    found = by_day([undated, shift("2")], CLOCK_ENTRIES, SitePlaces(Lake(str(tmp_path)), CHICAGO))
    assert found == {None: [undated], DAY: [shift("2")]}
