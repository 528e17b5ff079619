"""KPIS: the digest of a page covers every day that it shows, and nothing that it does not show."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.marts.incremental.inputs import metadata_of
from sonnys_pipeline.marts.kpi_columns import SITE_DAY_KPIS
from sonnys_pipeline.report.inputs import MART, ShownMarts, days_shown
from sonnys_pipeline_tests.support.clock_entries import entry, file_of
from sonnys_pipeline_tests.support.report_marts import site_day

OWN = date(2026, 3, 20)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    for day in days_shown(OWN):
        land(lake, day)
    return lake


def land(lake: Lake, day: date, rows_digest: str = "rows", sales: str = "1000.00") -> None:
    rows = pa.Table.from_pylist([site_day("MAIN", day, sales=Decimal(sales))], schema=SITE_DAY_KPIS)
    lake.land(MART, rows, partition=day.isoformat(), metadata=metadata_of(rows_digest, {}, rows=rows))


def land_entries(lake: Lake, day: date, shift: dict[str, Any], hour: int = 12) -> None:
    read_at = datetime(2026, 3, 21, hour, tzinfo=UTC)
    lake.land("clock_entries", file_of([shift], read_at), partition=day.isoformat())


def digest(lake: Lake) -> str:
    return ShownMarts(lake).digest(OWN)


@pytest.mark.parametrize("back", [0, 1, 7, 28, 35, 47])
def test_a_figure_of_any_day_that_is_shown_changes_it(lake: Lake, back: int) -> None:
    """The own day, last week, the four weeks, the trend, the month before."""
    before = digest(lake)
    land(lake, OWN - timedelta(days=back), "other rows", "1007.00")
    assert digest(lake) != before


def test_rows_without_effect_on_figures_count_on_the_own_day_only(lake: Lake) -> None:
    """Tenders, hours and discounts of the own day are shown; of other days only figures are."""
    before = digest(lake)
    land(lake, OWN - timedelta(days=7), "a name was corrected")
    assert digest(lake) == before
    land(lake, OWN, "a name was corrected")
    assert digest(lake) != before


def test_days_that_are_not_shown_do_not_change_it(lake: Lake) -> None:
    """The day after, and the one before the first."""
    before = digest(lake)
    land(lake, OWN + timedelta(days=1))
    land(lake, days_shown(OWN)[0] - timedelta(days=1))
    assert digest(lake) == before


def test_a_day_that_is_landed_later_changes_it(lake: Lake) -> None:
    """A gap in the trend is filled."""
    lake.remove(MART, (OWN - timedelta(days=3)).isoformat())
    before = digest(lake)
    land(lake, OWN - timedelta(days=3))
    assert digest(lake) != before


def test_clock_entries_of_the_day_and_a_week_before_change_it(lake: Lake) -> None:
    """RS-03: the labor that the page shows; entries of other days, and a day read again, change nothing."""
    before = digest(lake)
    shift = entry(1, f"{OWN}T13:00:00Z", f"{OWN}T21:00:00Z")
    land_entries(lake, OWN - timedelta(days=1), shift)
    assert digest(lake) == before
    land_entries(lake, OWN, shift)
    with_labor = digest(lake)
    assert with_labor != before
    land_entries(lake, OWN, shift, hour=18)
    assert digest(lake) == with_labor
    land_entries(lake, OWN - timedelta(days=7), shift)
    assert digest(lake) != with_labor
    lake.path("clock_entries", OWN.isoformat()).write_bytes(b"not parquet at all")
    assert digest(lake) not in {before, with_labor}


def test_without_the_own_mart_there_is_none(lake: Lake) -> None:
    """No mart, no digest; a damaged one is an error, a damaged one of an earlier day is not."""
    lake.path(MART, "2026-03-18").write_bytes(b"not parquet at all")
    assert digest(lake)
    lake.path(MART, OWN.isoformat()).write_bytes(b"not parquet at all")
    with pytest.raises(LakeError):
        digest(lake)
    lake.remove(MART, OWN.isoformat())
    assert digest(lake) == ""
