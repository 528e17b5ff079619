"""KT-02: a transaction that stands in several landed days is found, and its stale day is read again."""

import logging
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.locks.files import FileLocks
from sonnys_pipeline.quality import moved
from sonnys_pipeline.quality.moved import LandedIds, MovedId, days_to_read_again, described, moved_ids

DAYS = [f"2026-03-{day:02d}" for day in range(10, 15)]


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.s3)])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """Five days, read one after the other on the 20th; `1` and `2` stay in the days where they are."""
    if request.param == "folder":
        lake = Lake(tmp_path / "date=2020-01-01" / "data")
    else:
        url = f"{request.getfixturevalue('s3_url')}/data"
        lake = Lake(url, locks=FileLocks(tmp_path / "locks", of=url))
    for number, day in enumerate(DAYS):
        land(lake, day, [f"{number}:1", f"{number}:2"], hour=number)
    return lake


def land(lake: Lake, day: str, ids: list[str], hour: int | None) -> None:
    """A day of these ids, read at this hour of the 20th; without one its file does not tell."""
    metadata = {} if hour is None else {"loaded_at": f"2026-03-20T{hour:02d}:00:00+00:00"}
    lake.land("transactions", pa.table({"id": ids, "total": [1.5] * len(ids)}), partition=day, metadata=metadata)


def test_ids_of_one_day_each_are_fine(lake: Lake) -> None:
    """Nothing has moved; nor has an id that is twice in one day, which another check tells."""
    land(lake, DAYS[0], ["0:1", "0:1"], hour=9)
    assert moved_ids(lake) == []
    assert days_to_read_again(lake, within=DAYS) == []


@pytest.mark.parametrize("at_once", [2_000_000, 3])
def test_the_day_that_was_read_earlier_is_stale(lake: Lake, monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """Far from each other, and from the days of any one run; in one pass over the ids or in several."""
    monkeypatch.setattr(moved, "_AT_ONCE", at_once)
    land(lake, DAYS[4], ["4:1", "0:2", "3:1"], hour=12)
    land(lake, DAYS[1], ["1:1", "4:1"], hour=11)
    found = [
        MovedId("0:2", (DAYS[0], DAYS[4]), stale=(DAYS[0],)),
        MovedId("3:1", (DAYS[3], DAYS[4]), stale=(DAYS[3],)),
        MovedId("4:1", (DAYS[1], DAYS[4]), stale=(DAYS[1],)),
    ]
    assert moved_ids(lake) == found
    assert moved_ids(lake, [DAYS[0], DAYS[3]]) == found[:2]
    assert moved_ids(lake, [DAYS[2]]) == []
    assert days_to_read_again(lake, within=DAYS) == [DAYS[0], DAYS[1], DAYS[3]]
    assert days_to_read_again(lake, within=DAYS[1:]) == [DAYS[1], DAYS[3]]


def test_reading_the_stale_day_again_ends_it(lake: Lake) -> None:
    """One more read, of that day alone, and every id stands in one day."""
    land(lake, DAYS[3], ["3:1", "3:2", "1:1"], hour=12)
    assert days_to_read_again(lake, within=DAYS) == [DAYS[1]]
    land(lake, DAYS[1], ["1:2"], hour=13)
    assert moved_ids(lake) == []


def test_where_the_files_do_not_tell_all_of_the_days_are_read_again(lake: Lake) -> None:
    """Two that were read at one moment, or do not say when; a file that says so is newer than one that does not."""
    land(lake, DAYS[2], ["2:1", "0:1"], hour=0)
    assert moved_ids(lake) == [MovedId("0:1", (DAYS[0], DAYS[2]), stale=(DAYS[0], DAYS[2]))]
    land(lake, DAYS[2], ["2:1", "0:1"], hour=None)
    assert moved_ids(lake)[0].stale == (DAYS[2],)
    land(lake, DAYS[0], ["0:1"], hour=None)
    assert moved_ids(lake)[0].stale == (DAYS[0], DAYS[2])


def test_three_days_of_one_id(lake: Lake) -> None:
    """All but the newest are stale."""
    for number in (2, 4):
        land(lake, DAYS[number], ["1:1"], hour=10 + number)
    assert moved_ids(lake) == [MovedId("1:1", (DAYS[1], DAYS[2], DAYS[4]), stale=(DAYS[1], DAYS[2]))]


def test_the_sentence_names_ids_days_and_what_to_do() -> None:
    """In one line; of many ids the first ones."""
    one = MovedId("876:1001", ("2026-03-10", "2026-03-12"), stale=("2026-03-10",))
    assert described([one]) == (
        "1 transaction is in more than one day (876:1001 in 2026-03-10 and 2026-03-12): read 2026-03-10 again"
    )
    many = described([one] * 8)
    assert many.startswith("8 transactions are in more than one day (")
    assert "; and 3 more): read 2026-03-10 again" in many


def test_a_damaged_day_is_named_and_keeps_no_morning_from_its_days(
    lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    """The check fails over it; the morning goes on, and the log says what was not looked for."""
    lake.path("transactions", DAYS[2]).write_bytes(b"not parquet")
    with pytest.raises(LakeError, match=DAYS[2]):
        moved_ids(lake)
    with caplog.at_level(logging.WARNING):
        assert days_to_read_again(lake, within=DAYS) == []
    assert "cannot check for transactions that moved" in caplog.text
    assert DAYS[2] in caplog.text


def test_nothing_landed_is_nothing_moved(tmp_path: Path) -> None:
    """No day, and one day."""
    lake = Lake(tmp_path)
    assert moved_ids(lake) == []
    land(lake, DAYS[0], ["1:1"], hour=1)
    assert moved_ids(lake) == []


@pytest.mark.parametrize("kept", [1_000_000, 0])
def test_ids_of_landed_days_are_kept_until_a_day_is_landed_again(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    """Each file is read once, and a replaced one again; with more rows than are kept, every file each time."""
    monkeypatch.setattr(moved, "_KEPT", kept)
    read: list[str] = []

    def reading(lake: Lake, day: str, look: Callable[[Lake, str], pa.Table] = moved._ids_and_sites) -> pa.Table:
        read.append(day)
        return look(lake, day)

    monkeypatch.setattr(moved, "_ids_and_sites", reading)
    for day in DAYS:
        land_at_sites(lake, day, {f"{day}:1": "MAIN", f"{day}:2": None})
    ids = LandedIds()
    wanted = [f"{DAYS[1]}:1", f"{DAYS[3]}:2", f"{DAYS[4]}:1"]
    found = {wanted[0]: [(DAYS[1], "MAIN")], wanted[1]: [(DAYS[3], "")]}

    assert ids.elsewhere(lake, wanted, DAYS[4], oldest=DAYS[1]) == found
    assert sorted(read) == DAYS[1:4]
    assert ids.elsewhere(lake, wanted, DAYS[4], oldest=DAYS[0]) == found
    assert sorted(read) == sorted(DAYS[:4] if kept else DAYS[1:4] + DAYS[:4])

    land_at_sites(lake, DAYS[1], {f"{DAYS[1]}:2": "MAIN"})
    land_at_sites(lake, DAYS[2], {f"{DAYS[1]}:1": "EAST", wanted[2]: "MAIN"})
    read.clear()

    found = {wanted[0]: [(DAYS[2], "EAST")], wanted[1]: [(DAYS[3], "")], wanted[2]: [(DAYS[2], "MAIN")]}
    assert ids.elsewhere(lake, wanted, DAYS[4], oldest=DAYS[0]) == found
    assert sorted(read) == (DAYS[1:3] if kept else DAYS[:4])


def test_a_file_without_sites_is_compared_with_the_others(lake: Lake) -> None:
    """A column that some days lack is null in them; a damaged day is an error."""
    land_at_sites(lake, DAYS[0], {"0:1": "MAIN"})
    ids = LandedIds()

    assert ids.elsewhere(lake, ["0:1", "1:1"], DAYS[4], oldest=DAYS[0]) == {
        "0:1": [(DAYS[0], "MAIN")],
        "1:1": [(DAYS[1], "")],
    }

    lake.storage.put(lake.path("transactions", DAYS[2]), lambda file: file.write(b"no Parquet"))

    with pytest.raises(LakeError, match=DAYS[2]):
        ids.elsewhere(lake, ["0:1"], DAYS[4], oldest=DAYS[0])


def land_at_sites(lake: Lake, day: str, rows: dict[str, str | None]) -> None:
    """A day of these ids, each with its site."""
    columns = {"id": list(rows), "location_code": pa.array(rows.values(), pa.string())}
    lake.land("transactions", pa.table(columns), partition=day)
