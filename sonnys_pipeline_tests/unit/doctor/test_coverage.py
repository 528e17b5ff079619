"""KT-03: days that are missing among the landed ones are named, with the command that reads them."""

import json
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from sonnys_pipeline.doctor.coverage import check_landed_days, missing_since_first, not_landed, spans
from sonnys_pipeline.doctor.machine import State
from sonnys_pipeline.lake.dataset import Lake

START, KEPT = date(2026, 3, 1), date(2026, 2, 1)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake in a folder."""
    return Lake(tmp_path / "data")


def land(lake: Lake, *numbers: int, sites: list[str] | None = None) -> None:
    """Days of March, of all sites or of some."""
    for number in numbers:
        metadata = {"sites": json.dumps(sites)}
        lake.land("transactions", pa.table({"id": ["1"]}), partition=f"2026-03-{number:02d}", metadata=metadata)


def test_a_range_without_holes(lake: Lake) -> None:
    """Nothing is missing, whatever lies before the first landed day."""
    assert missing_since_first(lake, START, date(2026, 3, 7)) == []
    land(lake, 5, 6, 7)
    assert missing_since_first(lake, START, date(2026, 3, 7)) == []
    found = check_landed_days(lake, START, kept_from=KEPT, through=date(2026, 3, 7))
    assert (found.state, found.detail) == (State.OK, "3 from 2026-03-05 to 2026-03-07, none missing")


def test_a_hole_is_named(lake: Lake) -> None:
    """Seven days, one that is landed for some sites only, and one whose file is damaged."""
    land(lake, 2, 10, 12, 14)
    land(lake, 11, sites=["MAIN"])
    Path(str(lake.path("transactions", "2026-03-12"))).write_bytes(b"not parquet")
    missing = [f"2026-03-{day:02d}" for day in (3, 4, 5, 6, 7, 8, 9, 11, 12, 13)]
    assert missing_since_first(lake, START, date(2026, 3, 10)) == missing
    assert not_landed(lake, date(2026, 3, 9), date(2026, 3, 16)) == [*missing[-4:], "2026-03-15"]
    found = check_landed_days(lake, START, kept_from=KEPT, through=date(2026, 3, 14))
    assert found.state is State.WARNING
    assert found.detail == (
        "3 from 2026-03-02 to 2026-03-14, not landed for all sites: 2026-03-03 … 2026-03-09, 2026-03-11 … 2026-03-13"
    )
    assert found.remedy == "sonnys backfill preview --start 2026-03-03 --end 2026-03-13 --missing-only"


def test_days_up_to_the_last_expected_one_are_missing_too(lake: Lake) -> None:
    """KT-03: nine mornings without a daemon are no shorter range, but nine missing days."""
    land(lake, 2, 3)
    found = check_landed_days(lake, START, kept_from=KEPT, through=date(2026, 3, 12))
    assert found.state is State.WARNING
    assert "2026-03-04 … 2026-03-12" in found.detail
    assert found.remedy == "sonnys backfill preview --start 2026-03-04 --end 2026-03-12 --missing-only"


def test_days_before_the_first_partition_are_nobodys_task(lake: Lake) -> None:
    """A start date behind a hole leaves it alone."""
    land(lake, 2, 10, 11)
    through = date(2026, 3, 11)
    assert missing_since_first(lake, date(2026, 3, 9), through) == []
    late = check_landed_days(lake, date(2026, 3, 20), kept_from=KEPT, through=through)
    assert late.detail == "none since 2026-03-20"


def test_days_that_the_api_has_forgotten_have_another_remedy(lake: Lake) -> None:
    """They can be restored or given up; the others can be read."""
    land(lake, 2, 6)
    found = check_landed_days(lake, START, kept_from=date(2026, 3, 5), through=date(2026, 3, 6))
    assert found.remedy.startswith("sonnys backfill preview --start 2026-03-05 --end 2026-03-05 --missing-only; ")
    assert "the API no longer has 2026-03-03 … 2026-03-04: restore them" in found.remedy


def test_days_in_words() -> None:
    """Those that follow each other are a span; of many spans the first are named."""
    assert spans(["2026-03-31", "2026-04-01", "2026-04-03"]) == "2026-03-31 … 2026-04-01, 2026-04-03"
    odd = [f"2026-03-{day:02d}" for day in range(1, 17, 2)]
    assert spans(odd) == f"{', '.join(odd[:5])} and 3 more"
