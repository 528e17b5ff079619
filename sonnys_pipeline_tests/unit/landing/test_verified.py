"""KT-01: what was verified when, by which look, with which result, stands beside the days."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from sonnys_pipeline.config.revisit import Look
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.transactions import WHOLE_READ_AT
from sonnys_pipeline.landing.verified import VERIFICATIONS, Result, Verification, record, verifications

DAY = "2026-06-01"
LOADED = datetime(2026, 6, 2, 6, tzinfo=UTC)


def landed(folder: Path) -> Lake:
    """A lake with one day, read in full at `LOADED`."""
    lake = Lake(folder)
    rows = pa.table({"id": ["1:1"]})
    lake.land("transactions", rows, partition=DAY, metadata={"loaded_at": LOADED.isoformat()})
    return lake


def look(hours: int, by: Look, result: Result = Result.SAME) -> Verification:
    """A look so many hours after the day was landed."""
    return Verification(DAY, by, LOADED + timedelta(hours=hours), result)


def test_landing_is_a_full_look(tmp_path: Path) -> None:
    """KT-01: without any file of looks a day is complete as of its landing; a later look moves that on."""
    lake = landed(tmp_path)
    assert verifications(lake, "UTC", [DAY]).complete_as_of(DAY) == look(0, Look.FULL)
    record(lake, "UTC", [look(5, Look.COUNT)])
    assert verifications(lake, "UTC", [DAY]).complete_as_of(DAY) == look(5, Look.COUNT)
    assert verifications(lake, "UTC", []).complete_as_of("2026-06-09") is None


def test_a_site_that_was_read_again_alone_is_no_full_look(tmp_path: Path) -> None:
    """KT-01: the day's other rows are as old as before, so that its next look is not put off."""
    lake = landed(tmp_path)
    later = LOADED + timedelta(days=3)
    kept = {"loaded_at": later.isoformat(), WHOLE_READ_AT: LOADED.isoformat()}
    lake.land("transactions", pa.table({"id": ["1:1"]}), partition=DAY, metadata=kept)
    assert verifications(lake, "UTC", [DAY]).complete_as_of(DAY) == look(0, Look.FULL)


def test_each_look_replaces_the_one_before_of_its_kind(tmp_path: Path) -> None:
    """KT-01: the table has a row for each day and look, which any tool can read; the day's own file is not written."""
    lake = landed(tmp_path)
    version = lake.version("transactions", DAY)
    record(lake, "UTC", [look(1, Look.STATES), look(2, Look.COUNT)])
    record(lake, "UTC", [look(9, Look.STATES, Result.REPAIRED)])
    kept = lake.read(VERIFICATIONS, columns=["look", "result"]).to_pylist()
    assert kept == [{"look": "count", "result": "same"}, {"look": "states", "result": "repaired"}]
    assert lake.version("transactions", DAY) == version


def test_an_open_difference_is_closed_by_a_look_as_thorough(tmp_path: Path) -> None:
    """KT-02: a count says nothing of an edited total; another `version-2`, a full read or a new landing does."""
    lake = landed(tmp_path)
    record(lake, "UTC", [look(1, Look.STATES, Result.DIFFERENT), look(2, Look.COUNT)])
    looks = verifications(lake, "UTC", [DAY])
    assert (looks.complete_as_of(DAY), looks.open_difference(DAY)) == (None, Look.STATES)
    record(lake, "UTC", [look(3, Look.FULL)])
    looks = verifications(lake, "UTC", [DAY])
    assert (looks.complete_as_of(DAY), looks.open_difference(DAY)) == (look(3, Look.FULL), None)


def test_looks_at_days_of_another_zone_do_not_count(tmp_path: Path) -> None:
    """KT-01: the days were cut at other midnights then."""
    lake = landed(tmp_path)
    record(lake, "UTC", [look(5, Look.COUNT)])
    assert verifications(lake, "America/Chicago", [DAY]).complete_as_of(DAY) == look(0, Look.FULL)
