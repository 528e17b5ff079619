"""docs/replay.md, KT-02: landed days are cut at the midnights of another zone without a request, and no row is lost."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.extract.pages.pii import Privacy
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.states import STATES, TRANSACTION_STATES
from sonnys_pipeline.lake.transactions import ASSET, promised_rows
from sonnys_pipeline.landing import archive, rezone
from sonnys_pipeline.landing.replay import Outcome, replay_day
from sonnys_pipeline.landing.rezone import PAGES, NotRezonableError
from sonnys_pipeline.landing.transactions import Source, land_day
from sonnys_pipeline_tests.support.archived_days import read_day

SOURCE = Source("0123456789abcdef")
KEEP = Privacy()
CHICAGO, TOKYO = "America/Chicago", "Asia/Tokyo"
#: Over the end of daylight saving time in Chicago, which is on the first.
FIRST, DAYS = "2026-10-30", 5

MakeRow = Callable[..., dict[str, Any]]


def keys(first: str, count: int) -> list[str]:
    return [f"{datetime.fromisoformat(first) + timedelta(days=step):%Y-%m-%d}" for step in range(count)]


@pytest.fixture
def lake(tmp_path: Path, make_row: MakeRow) -> Lake:
    """Five days in UTC, a row every three hours, all with states."""
    lake, number = Lake(tmp_path / "data"), 0
    for key in keys(FIRST, DAYS):
        day, rows = Day.of(key), []
        for hour in range(0, 24, 3):
            number += 1
            rows.append(make_row(number, completeDate=f"{day.start + timedelta(hours=hour):%Y-%m-%dT%H:%M:%S.000Z}"))
        land_day(lake, read_day(rows, day=day), source=SOURCE)
        states = [{"transaction_id": row["id"], "read_at": day.end, "total": 7.0} for row in rows]
        lake.land(STATES, pa.Table.from_pylist(states, TRANSACTION_STATES), partition=key)
    return lake


def landed(lake: Lake) -> dict[str, list[datetime]]:
    """The instants of each landed day."""
    return {
        key: sorted(lake.read(ASSET, [key], ["complete_date"])["complete_date"].to_pylist())
        for key in lake.partitions(ASSET)
    }


@pytest.mark.parametrize("zone", [CHICAGO, TOKYO, "Asia/Kolkata", "Pacific/Honolulu"])
def test_days_begin_at_other_midnights(lake: Lake, zone: str) -> None:
    """West and east, by half hours, over a clock change: every row of a whole day once, in its own day."""
    before = [instant for instants in landed(lake).values() for instant in instants]
    done = rezone.rezone(lake, zone, KEEP)

    after = landed(lake)
    assert list(after) == list(done.landed) == keys(after and min(after), DAYS - 1)
    for key, instants in after.items():
        day = Day.of(key, zone)
        assert instants == [instant for instant in before if day.start <= instant < day.end]
        metadata = lake.metadata(ASSET, key)
        assert (metadata["timezone"], promised_rows(metadata)) == (zone, len(instants))
        states = lake.read(STATES, [key], ["transaction_id"])["transaction_id"].to_pylist()
        assert sorted(states) == sorted(lake.read(ASSET, [key], ["id"])["id"].to_pylist())
    assert len(done.to_read) == 2
    assert done.before == ("UTC",)


def test_a_day_that_was_cut_can_be_replayed(lake: Lake) -> None:
    """Its archive makes it again, byte for byte."""
    rezone.rezone(lake, CHICAGO, KEEP)
    key = "2026-11-01"
    before = lake.path(ASSET, key).read_bytes()
    assert replay_day(lake, key, KEEP).outcome is Outcome.UNCHANGED
    lake.remove(ASSET, key)
    assert replay_day(lake, key, KEEP).outcome is Outcome.LANDED
    assert lake.path(ASSET, key).read_bytes() == before


def test_pages_that_make_no_whole_day_are_kept(lake: Lake) -> None:
    """Those of the first and the last day; the others are in the archives of the new days alone."""
    rezone.rezone(lake, CHICAGO, KEEP)
    assert lake.partitions(PAGES) == [FIRST, keys(FIRST, DAYS)[-1]]
    assert lake.partitions(archive.ARCHIVE) == lake.partitions(ASSET)


def test_there_and_back(lake: Lake) -> None:
    """What was cut twice has every row of the days that were whole both times, once."""
    before = landed(lake)
    rezone.rezone(lake, CHICAGO, KEEP)
    rezone.rezone(lake, "UTC", KEEP)
    after = landed(lake)
    assert {key: before[key] for key in after} == after
    assert set(keys(FIRST, DAYS)[1:-1]) <= set(after)


def test_a_day_that_was_read_anew_since_is_not_cut_back(lake: Lake, make_row: MakeRow) -> None:
    """Its pages and those of the days beside it overlap: nobody guesses which row counts."""
    rezone.rezone(lake, CHICAGO, KEEP)
    rows = [make_row("900:1", completeDate="2026-11-01T12:00:00.000Z")]
    land_day(lake, read_day(rows, number=1, day=Day.of("2026-11-01", CHICAGO)), source=SOURCE)
    with pytest.raises(NotRezonableError, match=r"2026-11-01.*parts of it were read again since the last rezone"):
        rezone.rezone(lake, "UTC", KEEP)
    assert lake.metadata(ASSET, "2026-10-31")["timezone"] == CHICAGO


def test_a_second_time_changes_nothing(lake: Lake) -> None:
    """Days of the new zone stay, the file itself included."""
    first = rezone.rezone(lake, CHICAGO, KEEP)
    age = lake.path(ASSET, "2026-11-01").stat().st_mtime_ns
    again = rezone.rezone(lake, CHICAGO, KEEP)
    assert (again.landed, again.unchanged) == ((), first.landed)
    assert lake.path(ASSET, "2026-11-01").stat().st_mtime_ns == age


@pytest.mark.parametrize("writes", range(1, 30, 4))
def test_a_run_that_was_killed_is_repeated(lake: Lake, monkeypatch: pytest.MonkeyPatch, writes: int) -> None:
    """Whatever file it was at: the second run brings what one alone would have."""
    expected = {
        zone_day: [i for instants in landed(lake).values() for i in instants if _in(zone_day, i)]
        for zone_day in keys(FIRST, DAYS - 1)
    }
    left = writes
    land, remove = Lake.land, Lake.remove

    def dying(method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            return method(*args, **options)

        return call

    with monkeypatch.context() as killing:
        killing.setattr(Lake, "land", dying(land))
        killing.setattr(Lake, "remove", dying(remove))
        with pytest.raises(KeyboardInterrupt):
            rezone.rezone(lake, CHICAGO, KEEP)
    rezone.rezone(lake, CHICAGO, KEEP)
    assert landed(lake) == expected
    counted = Counter(lake.read(ASSET, list(expected), ["id"])["id"].to_pylist())
    assert set(counted.values()) == {1}


def _in(key: str, instant: datetime) -> bool:
    day = Day.of(key, CHICAGO)
    return day.start <= instant.astimezone(UTC) < day.end


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda lake: lake.remove(archive.ARCHIVE, "2026-11-01"), "2026-11-01: its pages are not archived"),
        (
            lambda lake: lake.land(
                ASSET,
                lake.read(ASSET, ["2026-11-01"]),
                partition="2026-11-01",
                metadata={**lake.metadata(ASSET, "2026-11-01"), "loaded_at": "2027-01-01T00:00:00+00:00"},
            ),
            "2026-11-01: its archive is older than the day",
        ),
    ],
    ids=["no pages", "older pages"],
)
def test_days_whose_pages_are_lacking_are_named(lake: Lake, spoil: Callable[[Lake], Any], said: str) -> None:
    """All or nothing: not a file is touched."""
    spoil(lake)
    files = {path: path.read_bytes() for path in Path(str(lake.root)).rglob("*.parquet")}
    with pytest.raises(NotRezonableError, match=said) as caught:
        rezone.rezone(lake, CHICAGO, KEEP)
    assert "Nothing was changed" in str(caught.value)
    assert {path: path.read_bytes() for path in Path(str(lake.root)).rglob("*.parquet")} == files


def test_one_site_alone_is_not_cut(lake: Lake, make_row: MakeRow) -> None:
    """A day that was read for one site once more has pages of two kinds."""
    rows = [make_row("900:1", completeDate="2026-11-01T12:00:00.000Z", locationCode="MAIN")]
    land_day(lake, read_day(rows, site="MAIN", number=1, day=Day.of("2026-11-01")), source=SOURCE)
    with pytest.raises(NotRezonableError, match="2026-11-01: one of its sites was read again after the whole day"):
        rezone.rezone(lake, CHICAGO, KEEP)
    assert json.loads(lake.metadata(ASSET, "2026-11-01")["windows"])[0]["site"] is None
