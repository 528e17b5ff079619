"""RS-03, DG-02: days of `labor_daily` that have to be computed: changed shifts, cars or zones, and nothing else."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.incremental.inputs import FIGURES_DIGEST, metadata_of
from sonnys_pipeline.marts.people.inputs import LaborInputs, inputs_of, outdated_days
from sonnys_pipeline_tests.support.clock_entries import entry, file_of

DAY, NEXT = "2026-03-10", "2026-03-11"
MORNING, NOON = datetime(2026, 3, 11, 12, tzinfo=UTC), datetime(2026, 3, 11, 17, tzinfo=UTC)
EIGHT, FIVE = "2026-03-10T13:00:00.000Z", "2026-03-10T22:00:00.000Z"
CLOSED, OPEN = entry(1, EIGHT, FIVE), entry(2, EIGHT, None)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """One site, whose one finished shift of the day is landed with its 90 cars."""
    lake = Lake(tmp_path)
    lake.land("sites", pa.table({"code": ["MAIN"], "name": ["Main Street"], "timezone": ["America/Chicago"]}))
    lake.land("clock_entries", file_of([CLOSED], MORNING), partition=DAY)
    land_cars(lake, 90)
    return lake


def land_cars(lake: Lake, cars: int) -> None:
    """The columns of `site_day_kpis` that labor needs."""
    row = {"site": "MAIN", "business_date": date(2026, 3, 10), "total_cars": cars, "sales": Decimal("900.00")}
    lake.land("site_day_kpis", pa.Table.from_pylist([row]), partition=DAY, metadata={FIGURES_DIGEST: str(cars)})


def outdated(lake: Lake) -> list[str]:
    """Days to compute."""
    return list(outdated_days(lake, "labor_daily", LaborInputs(lake, "America/Chicago"), [DAY, NEXT]))


def land_labor(lake: Lake) -> None:
    """The mart as its asset lands it."""
    inputs = LaborInputs(lake, "America/Chicago")
    rows = inputs.count([DAY])
    kept = metadata_of(inputs.digests([DAY])[DAY], inputs_of(inputs, DAY), rows=rows)
    lake.land("labor_daily", rows, partition=DAY, metadata=kept)


def test_a_day_with_clock_entries_is_computed_once(lake: Lake) -> None:
    """Days without are left alone, so that a lake without these lists computes nothing."""
    assert outdated(lake) == [DAY]
    land_labor(lake)
    assert outdated(lake) == []
    [row] = lake.read("labor_daily", [DAY]).to_pylist()
    assert (row["labor_hours"], row["labor_cost_per_car"]) == (Decimal(9), Decimal("1.50"))


def test_entries_read_again_without_a_change_make_nothing_stale(lake: Lake) -> None:
    """Nor does another order of the rows: only the time of the reading differs."""
    land_labor(lake)
    lake.land("clock_entries", file_of([CLOSED], NOON), partition=DAY)
    assert outdated(lake) == []


@pytest.mark.parametrize("changed", [[{**CLOSED, "regularHours": 8.5}], [CLOSED, OPEN], []], ids=str)
def test_a_correction_makes_the_day_stale(lake: Lake, changed: list[dict[str, object]]) -> None:
    """Hours that a person has corrected, a shift more or less."""
    land_labor(lake)
    lake.land("clock_entries", file_of(changed, NOON), partition=DAY)
    assert outdated(lake) == [DAY]


def test_an_open_shift_grows_with_each_reading(lake: Lake) -> None:
    """It counts up to the reading, so a later reading is other figures."""
    lake.land("clock_entries", file_of([OPEN], MORNING), partition=DAY)
    land_labor(lake)
    assert outdated(lake) == []
    lake.land("clock_entries", file_of([OPEN], NOON), partition=DAY)
    assert outdated(lake) == [DAY]


def test_a_day_that_was_read_too_early_is_computed_again(lake: Lake) -> None:
    """The same entries, but now the day was over: what was not known is."""
    early = datetime(2026, 3, 11, 4, tzinfo=UTC)
    lake.land("clock_entries", file_of([CLOSED], early), partition=DAY, metadata={"read_at": early.isoformat()})
    land_labor(lake)
    assert lake.read("labor_daily", [DAY])["labor_hours"].to_pylist() == [None]
    for at in (MORNING, NOON):
        lake.land("clock_entries", file_of([CLOSED], at), partition=DAY, metadata={"read_at": at.isoformat()})
        assert outdated(lake) == ([DAY] if at == MORNING else [])
        land_labor(lake)
    assert lake.read("labor_daily", [DAY])["labor_hours"].to_pylist() == [Decimal(9)]


def test_cars_and_zones_make_the_day_stale(lake: Lake) -> None:
    """Other cars; then another zone of the site."""
    land_labor(lake)
    land_cars(lake, 91)
    assert outdated(lake) == [DAY]
    land_labor(lake)
    lake.land("sites", pa.table({"code": ["MAIN"], "name": ["Main Street"], "timezone": ["America/Denver"]}))
    assert outdated(lake) == [DAY]


def test_another_version_makes_the_day_stale(lake: Lake) -> None:
    """A file of an older definition, and one that says nothing of its inputs."""
    land_labor(lake)
    rows, kept = lake.read("labor_daily", [DAY]).drop_columns("date"), lake.metadata("labor_daily", DAY)
    older = {**kept, "inputs": json.dumps({**json.loads(kept["inputs"]), "version": "0"}), "input_digest": "other"}
    for metadata in (older, {}):
        lake.land("labor_daily", rows, partition=DAY, metadata=metadata)
        assert outdated(lake) == [DAY]


def test_a_file_that_cannot_be_read_is_named(lake: Lake) -> None:
    """The day is left out with a sentence; landing it again is the remedy."""
    path = Path(str(lake.path("clock_entries", DAY)))
    path.write_bytes(b"PAR1" + b"\0" * 40)
    said: list[str] = []
    inputs = LaborInputs(lake, "America/Chicago")
    assert outdated_days(lake, "labor_daily", inputs, [DAY], said.append) == {}
    [sentence] = said
    assert sentence.startswith(f"labor_daily {DAY}: ")
    assert str(path) in sentence
