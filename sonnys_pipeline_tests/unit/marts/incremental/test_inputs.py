"""DG-02: which landed partitions a mart's day is read from, whatever zones the sites are in."""

from datetime import date

import pyarrow as pa
import pytest

from sonnys_pipeline.calendar.business_days import partitions_needed
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.incremental.inputs import MartInputs, Recipe

DAYS = ["2026-03-07", "2026-03-08", "2026-03-09", "2026-03-10"]
ZONES = ["America/Chicago", "America/Chicago", "Pacific/Honolulu", "Pacific/Auckland", "Not/AZone", "", "UTC"]


@pytest.fixture
def sites() -> pa.Table:
    """More sites than zones, one of them without a zone, one with none that is known, and the one without a code."""
    codes = [*(f"S{number}" for number in range(len(ZONES) - 1)), ""]
    return pa.table({"code": codes, "timezone": ZONES})


@pytest.mark.parametrize("timezone", ["UTC", "America/Chicago", "Pacific/Auckland"])
@pytest.mark.parametrize("missing", [set(), {"2026-03-08"}])
def test_a_zone_decides_and_no_site_is_forgotten(tmp_path, sites, timezone, missing):
    """One site a zone is asked: the answer is that of all sites, around a change of clocks and around a gap too."""
    lake = Lake(tmp_path)
    lake.land("sites", sites)
    landed = {"2026-03-06", *DAYS, "2026-03-11"} - missing
    for day in landed:
        lake.land("transactions", pa.table({"id": ["1"]}), partition=day)
    expected = {day: {day} & landed for day in DAYS}
    for one in partitions_needed([date.fromisoformat(day) for day in DAYS], sites, timezone):
        keys = {key.isoformat() for key in one.partitions}
        if keys <= landed:
            expected[one.business_date.isoformat()] |= keys

    found = MartInputs(lake, timezone).landed_for(Recipe("site_day_kpis", "1", by_site_day=True), DAYS)

    assert found == {day: sorted(keys) for day, keys in expected.items()}
