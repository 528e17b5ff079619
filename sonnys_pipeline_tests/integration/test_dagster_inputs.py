"""DG-05, DG-02: landed rows as inputs by type annotation; `daily_sales` and `sites`; what cannot be handed out."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa
import pytest

from sonnys_pipeline.orchestration.build import build_defs

DAYS = ("2026-03-10", "2026-03-12")
EACH = ["2026-03-10", "2026-03-11", "2026-03-12"]


@pytest.fixture
def landed(pipeline):
    """The pipeline with three landed days; a day has 120 rows."""
    assert pipeline.run("transactions", days=DAYS).success
    return pipeline


@pytest.fixture
def partitions() -> dg.PartitionsDefinition[str]:
    """The partitions that the product's own assets have."""
    (transactions,) = (asset for asset in build_defs().assets or () if asset.key == dg.AssetKey("transactions"))
    return transactions.partitions_def


def reader(annotation: Any, seen: list[Any], partitions: Any, columns: list[str] | None = None) -> dg.AssetsDefinition:
    """A user's own asset below `transactions`; it puts what it was given into `seen`."""

    def body(transactions):
        seen.append(transactions)
        return dg.MaterializeResult()

    body.__annotations__ = {"transactions": annotation}
    metadata = {"columns": columns} if columns else {}
    return dg.asset(
        name="reader", partitions_def=partitions, ins={"transactions": dg.AssetIn(metadata=metadata)}
    )(body)  # fmt: skip


@pytest.mark.parametrize("days", ["2026-03-11", DAYS], ids=["one day", "range"])
@pytest.mark.parametrize("annotation", [pd.DataFrame, pa.Table])
def test_an_input_comes_as_it_is_annotated(landed, partitions, annotation, days):
    """One partition or a range comes as one table of the annotated kind, `date` first, every column of the file."""
    seen = []

    assert landed.run(reader(annotation, seen, partitions), days=days).success
    (rows,) = seen
    assert type(rows) is annotation
    keys = [days] if isinstance(days, str) else EACH
    assert len(rows) == 120 * len(keys)
    assert sorted(rows["id"].tolist() if annotation is pd.DataFrame else rows["id"].to_pylist()) == landed.landed_ids(
        *keys
    )
    table = landed.lake.read("transactions", keys)
    assert (list(rows.columns) if annotation is pd.DataFrame else rows.column_names) == table.column_names
    assert {str(day) for day in (rows["date"] if annotation is pd.DataFrame else rows["date"].to_pylist())} == set(keys)


@pytest.mark.parametrize("annotation", [pd.DataFrame, pa.Table])
def test_an_input_reads_only_the_columns_that_it_names(landed, partitions, annotation):
    """`columns` in the input's metadata: those and the day, and no other."""
    seen = []

    assert landed.run(reader(annotation, seen, partitions, ["id", "total"]), days=DAYS).success
    (rows,) = seen
    assert list(rows.columns if annotation is pd.DataFrame else rows.column_names) == ["date", "id", "total"]


def test_an_annotation_that_cannot_be_served_says_which_can(landed, partitions):
    """Rows as bytes are not on offer; the error names what is."""
    failure = landed.failure(landed.run(reader(bytes, [], partitions), days=DAYS))

    assert "bytes" in failure
    assert "pandas.DataFrame or pyarrow.Table" in failure


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


def test_daily_sales(pipeline):
    """One file and one materialization a day; transactions per site and day are those of the landed rows."""
    assert pipeline.run("transactions", "daily_sales", days=DAYS).success

    assert pipeline.times_materialized("daily_sales") == dict.fromkeys(EACH, 1)
    rows = pipeline.lake.read("transactions", EACH).to_pylist()
    table = pipeline.lake.read("daily_sales", EACH)
    counted = {(row["business_date"], row["site"]): row["transactions"] for row in table.to_pylist()}
    assert set(counted) == {(row["date"], row["location_code"]) for row in rows}
    assert sum(counted.values()) == 360
    sales = {row["business_date"]: Decimal(0) for row in table.to_pylist()}
    for row in table.to_pylist():
        sales[row["business_date"]] += row["sales"]
    paid = dict.fromkeys(sales, Decimal(0))
    for row in rows:
        redeemed = row["is_recurring_plan_redemption"]
        if not (row["is_recurring_redemption"] if redeemed is None else redeemed):
            paid[row["date"]] += Decimal(str(row["total"]))
    assert sales == paid
    for record in pipeline.materializations("daily_sales"):
        metadata = record.asset_materialization.metadata
        on_day = [row for row in table.to_pylist() if row["business_date"] == date.fromisoformat(record.partition_key)]
        assert metadata["dagster/partition_row_count"].value == len(on_day)
        assert metadata["cars"].value == sum(row["cars"] for row in on_day) > 0
        assert metadata["sales"].value == pytest.approx(float(sum(row["sales"] for row in on_day)))


def test_daily_sales_of_a_single_day_spends_no_request(landed):
    """What stands downstream is computed from files."""
    before = landed.simulator.stats().requests

    assert landed.run("daily_sales", days="2026-03-11").success
    assert landed.times_materialized("daily_sales") == {"2026-03-11": 1}
    assert landed.simulator.stats().requests == before


def test_sites(open_pipeline: Callable[..., Any]):
    """One file without partitions: every site with its zone, the virtual one without code and zone included."""
    pipeline = open_pipeline(sites=4, virtual_site=True)

    assert pipeline.run("sites").success
    rows = pipeline.lake.read("sites").to_pylist()
    assert [(row["name"], row["code"], row["timezone"]) for row in rows] == [
        (site.name, site.code or None, site.timezone) for site in pipeline.simulator.world.sites
    ]
    assert rows[-1]["code"] is None
    (record,) = pipeline.materializations("sites")
    metadata = record.asset_materialization.metadata
    assert metadata["dagster/row_count"].value == 5
    assert metadata["path"].value == str(pipeline.lake.path("sites"))
    assert pipeline.simulator.stats().requests == 1
