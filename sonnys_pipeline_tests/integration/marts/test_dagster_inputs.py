"""DG-05, DG-02: landed rows as inputs by type annotation; `sites`; what cannot be handed out."""

from collections.abc import Callable
from typing import Any

import dagster as dg
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sonnys_pipeline_tests.support.pipelines.definitions import built_defs

DAYS = ("2026-03-10", "2026-03-12")
EACH = ["2026-03-10", "2026-03-11", "2026-03-12"]
FORMS = [pd.DataFrame, pa.Table, duckdb.DuckDBPyRelation, pl.LazyFrame, pl.DataFrame]


def as_arrow(rows: Any) -> pa.Table:
    """Whatever form the rows have come in, so that they can be compared."""
    if isinstance(rows, pd.DataFrame):
        return pa.Table.from_pandas(rows, preserve_index=False)
    if isinstance(rows, duckdb.DuckDBPyRelation):
        return rows.to_arrow_table()
    if isinstance(rows, pl.LazyFrame):
        return rows.collect().to_arrow()
    return rows.to_arrow() if isinstance(rows, pl.DataFrame) else rows


@pytest.fixture
def landed(open_pipeline, beginning):
    """A pipeline of three sites with three landed days; a day has 120 rows."""
    pipeline = open_pipeline(midnight_row=True, sites=3)
    assert beginning.of(pipeline, lambda: pipeline.run("transactions", days=DAYS).success)
    return pipeline


@pytest.fixture
def partitions() -> dg.PartitionsDefinition[str]:
    """The partitions that the product's own assets have."""
    (transactions,) = (asset for asset in built_defs().assets or () if asset.key == dg.AssetKey("transactions"))
    return transactions.partitions_def


def reader(
    annotation: Any, seen: list[Any], partitions: Any, upstream: str = "transactions", **metadata: Any
) -> dg.AssetsDefinition:
    """A user's own asset below another one; it puts what it was given into `seen`."""

    def body(rows):
        seen.append(rows)
        return dg.MaterializeResult()

    body.__annotations__ = {"rows": annotation}
    ins = {"rows": dg.AssetIn(upstream, metadata=metadata)}
    return dg.asset(name="reader", partitions_def=partitions, ins=ins)(body)


def taken(
    pipeline, annotation: Any, partitions: Any, days: Any, upstream: str = "transactions", **metadata: Any
) -> Any:
    """What an input is given when its asset is run for these days."""
    seen: list[Any] = []
    assert pipeline.run(reader(annotation, seen, partitions, upstream, **metadata), days=days).success
    (rows,) = seen
    return rows


@pytest.mark.parametrize("days", ["2026-03-11", DAYS], ids=["one day", "range"])
def test_an_input_comes_as_it_is_annotated(landed, partitions, days):
    """One partition or a range comes as one table of the annotated kind, `date` first, every column of the file."""
    keys = [days] if isinstance(days, str) else EACH
    table = landed.lake.read("transactions", keys)
    wanted = ["date", "id", "complete_date", "location_code", "total", "is_recurring_plan_sale"]
    expected = table.select(wanted).sort_by("id").to_pylist()
    assert len(expected) == 120 * len(keys)
    for annotation in FORMS:
        rows = taken(landed, annotation, partitions, days)

        assert type(rows) is annotation
        found = as_arrow(rows)
        assert found.column_names == table.column_names, annotation
        assert found.select(wanted).sort_by("id").to_pylist() == expected, annotation


def test_an_input_has_only_the_columns_and_sites_that_it_names(landed, partitions):
    """`columns` and `sites` in the input's metadata: those, the day, and no others."""
    rows = landed.lake.read("transactions", EACH).to_pylist()
    expected = sorted(row["id"] for row in rows if row["location_code"] in {"MAIN", "SUNSET"})
    assert 0 < len(expected) < len(rows)
    for annotation in FORMS:
        found = as_arrow(
            taken(landed, annotation, partitions, DAYS, columns=["total", "id"], sites=["MAIN", "SUNSET"])
        )  # fmt: skip

        assert found.column_names == ["date", "total", "id"], annotation
        assert sorted(found["id"].to_pylist()) == expected, annotation


def test_an_asset_without_partitions_comes_too(landed, partitions):
    """`sites` has no day and so no `date`; a site is chosen by its `code`."""
    assert landed.run("sites").success
    (expected,) = [site.name for site in landed.simulator.world.sites if site.code == "MAIN"]
    for annotation in FORMS:
        rows = taken(landed, annotation, partitions, "2026-03-11", "sites", columns=["name"], sites=["MAIN"])

        assert as_arrow(rows).to_pylist() == [{"name": expected}], annotation


def test_a_lazy_input_has_not_read_its_rows(landed, partitions):
    """The files are taken away after the asset has run: whoever asks for rows then finds none, so none were read."""
    lazy = [taken(landed, annotation, partitions, DAYS) for annotation in (duckdb.DuckDBPyRelation, pl.LazyFrame)]
    for day in EACH:
        landed.lake.path("transactions", day).unlink()

    for rows in lazy:
        with pytest.raises((duckdb.Error, pl.exceptions.ComputeError, FileNotFoundError)):
            as_arrow(rows)


def test_an_input_that_is_not_annotated_is_an_arrow_table(landed, partitions):
    """Nothing said is nothing converted."""
    assert type(taken(landed, Any, partitions, "2026-03-11")) is pa.Table


def test_an_annotation_that_cannot_be_served_says_which_can(landed, partitions):
    """Rows as bytes are not on offer; the error names what is."""
    failure = landed.failure(landed.run(reader(bytes, [], partitions), days=DAYS))

    assert "bytes" in failure
    assert "pandas.DataFrame, pyarrow.Table, duckdb.DuckDBPyRelation, polars.LazyFrame or polars.DataFrame" in failure


def test_metadata_that_is_no_list_says_how_to_write_it(landed, partitions):
    """A single name is refused instead of being read letter by letter."""
    failure = landed.failure(landed.run(reader(pa.Table, [], partitions, columns="id"), days=DAYS))

    assert 'dg.AssetIn(metadata={"columns": [...]})' in failure


def test_an_input_that_has_not_landed_names_the_days(landed, partitions):
    """A range that goes beyond what has landed fails by naming exactly the missing days."""
    failure = landed.failure(landed.run(reader(pa.Table, [], partitions), days=("2026-03-11", "2026-03-14")))

    assert "2026-03-13, 2026-03-14" in failure
    assert "materialize them first" in failure


def test_an_asset_that_returns_rows_is_told_to_land_them(pipeline):
    """Returned rows would vanish, since assets land their own files: an error says what to do instead."""

    @dg.asset(io_manager_key="lake_io")
    def forgetful() -> pd.DataFrame:
        return pd.DataFrame({"id": ["1:1"]})

    failure = pipeline.failure(pipeline.run(forgetful))

    assert "forgetful returned a DataFrame" in failure
    assert "LakeResource.open_lake().land" in failure


def test_sites(open_pipeline: Callable[..., Any]):
    """One file without partitions: every site with its zone, those without a code or a zone included."""
    pipeline = open_pipeline(sites=4, virtual_site=True)

    assert pipeline.run("sites").success
    rows = pipeline.lake.read("sites").to_pylist()
    assert [(row["name"], row["code"], row["timezone"]) for row in rows] == [
        (site.name, site.code or None, site.timezone) for site in pipeline.simulator.world.sites
    ]
    assert rows[-1]["code"] is None
    (record,) = pipeline.materializations("sites")
    metadata = record.asset_materialization.metadata
    assert metadata["dagster/row_count"].value == 6
    assert metadata["path"].value == str(pipeline.lake.path("sites"))
    assert pipeline.simulator.stats().requests == 1
