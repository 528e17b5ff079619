"""EC-02: days that Dagster lands as tables of Iceberg, a mart of them, and SQL on both, are as in plain Parquet."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sonnys_pipeline.cli import main
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.iceberg.storage import IcebergStorage
from sonnys_pipeline.lake.scans import landed_assets

DAYS = ("2026-03-15", "2026-03-16", "2026-03-17")
#: Columns that say when rows were read or counted.
_WHEN = ("read_at",)


@pytest.fixture(params=["folder", pytest.param("bucket", marks=pytest.mark.s3)])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """Where the days are landed in each format; tables in a folder, or in an object store."""
    bucket = f"{request.getfixturevalue('s3_url')}/lake" if request.param == "bucket" else ""
    return {"parquet": str(tmp_path / "parquet"), "iceberg": bucket or str(tmp_path / "iceberg")}


def test_the_same_days_in_both_formats(
    open_pipeline: Callable[..., Any], places: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rows, the same figures, the same answers to SQL; a lake is refused under the other setting."""
    lakes, answers = {}, {}
    for name, place in places.items():
        monkeypatch.setenv("SONNYS_LAKE_FORMAT", name)
        pipeline = open_pipeline(data_url=place, rows_per_day=40)
        assert pipeline.run("transactions", "sites", days=(DAYS[0], DAYS[-1])).success
        assert pipeline.run("site_day_kpis", days=DAYS[1]).success
        lakes[name] = Lake(place)
        asked = "SELECT date, count(*) AS rows, sum(total::DECIMAL(9, 2)) FROM transactions GROUP BY ALL ORDER BY ALL"
        answers[name] = CliRunner().invoke(main, ["sql", "-c", asked, "--format", "csv"])
        assert answers[name].exit_code == 0, answers[name].output

    plain, tables = lakes["parquet"], lakes["iceberg"]
    assert isinstance(tables.storage, IcebergStorage)
    assert not isinstance(plain.storage, IcebergStorage)
    assert landed_assets(tables) == landed_assets(plain)
    for asset in landed_assets(plain):
        days = plain.partitions(asset)
        assert tables.partitions(asset) == days
        ours, theirs = (lake.read(asset, days or None) for lake in (tables, plain))
        kept = [column for column in theirs.column_names if column not in _WHEN]
        if not asset.endswith("_raw"):  # pages, in the order of the answers
            assert ours.select(kept).equals(theirs.select(kept)), asset
    landed = tables.read("transactions", DAYS, ["id"])["id"].to_pylist()
    assert sorted(landed) == sorted(id_ for day in DAYS for id_ in pipeline.expected_ids(day))
    assert answers["iceberg"].output == answers["parquet"].output

    monkeypatch.setenv("SONNYS_LAKE_FORMAT", "parquet")
    refused = CliRunner().invoke(main, ["sql", "-c", "SELECT 1"])
    assert refused.exit_code != 0
    assert "is a lake of Iceberg tables; set SONNYS_LAKE_FORMAT=iceberg" in " ".join(refused.output.split())
