"""KT-02, decision 6: a version that adds a column reads old and new files together, in every way."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.landed_rows import landed_rows
from sonnys_pipeline.lake.scans import scan
from sonnys_pipeline.lake.sql import open_judged
from sonnys_pipeline.lake.states import STATES, TRANSACTION_STATES
from sonnys_pipeline.lake.transactions import ASSET
from sonnys_pipeline.landing.transactions import Source, land_day
from sonnys_pipeline.marts.flat_tables import line_items
from sonnys_pipeline.marts.kpis import site_day_kpis
from sonnys_pipeline.orchestration.io_manager import form_of
from sonnys_pipeline_tests.support.archived_days import KEY, read_day

OLD, NEW = "2026-03-10", "2026-03-11"
DAYS = [OLD, NEW]
#: Columns that the version that landed the first day did not have.
ADDED = ["transaction_status", "employee_greeter"]
SOURCE = Source("0123456789abcdef")

Row = dict[str, Any]
MakeRow = Callable[..., Row]


def without_field(table: pa.Table, column: str, name: str) -> pa.Table:
    """A list of structs without one of their fields, as an earlier version landed it."""
    place, kind = table.schema.get_field_index(column), table.schema.field(column).type
    fields = [field for field in kind.value_type if field.name != name]
    values = [[{key: part[key] for key in part if key != name} for part in row] for row in table[column].to_pylist()]
    return table.set_column(place, column, pa.array(values, pa.list_(pa.struct(fields))))


@pytest.fixture
def rows(make_row: MakeRow) -> list[Row]:
    return [make_row(number, locationCode="MAIN" if number % 2 else "EAST") for number in range(4)]


@pytest.fixture
def lake(tmp_path: Path, rows: list[Row]) -> Lake:
    """A day of the earlier version, with a field less in its items, and one of this version."""
    lake = Lake(tmp_path / "data")
    land_day(lake, read_day(rows), source=SOURCE)
    whole, metadata = lake.read(ASSET, [OLD]).drop_columns("date"), lake.metadata(ASSET, OLD)
    lake.land(ASSET, without_field(whole.drop_columns(ADDED), "items", "sku"), partition=OLD, metadata=metadata)
    later = [f"later-{row_id}" for row_id in whole["id"].to_pylist()]
    lake.land(ASSET, whole.set_column(0, whole.schema.field("id"), pa.array(later)), partition=NEW, metadata=metadata)
    return lake


@pytest.mark.parametrize(
    "kind", ["pandas.DataFrame", "pyarrow.Table", "duckdb.DuckDBPyRelation", "polars.LazyFrame", "polars.DataFrame"]
)
@pytest.mark.parametrize("days", [DAYS, DAYS[::-1]], ids=["old first", "new first"])
def test_inputs_by_annotation_are_one_table(lake: Lake, kind: str, days: list[str]) -> None:
    """What the old file lacks is null, nested fields too; the other rows keep their values."""
    module, name = kind.split(".")
    found = form_of(getattr(pytest.importorskip(module), name))(scan(lake, ASSET, days))
    as_arrow = {"pandas": pa.Table.from_pandas, "duckdb": lambda one: one.to_arrow_table()}
    table = found if module == "pyarrow" else as_arrow.get(module, lambda one: one.lazy().collect().to_arrow())(found)
    assert set(ADDED) <= set(table.column_names)
    read = {row["id"]: row for row in table.to_pylist()}
    assert len(read) == 8
    assert [read[f"{number}:1"]["employee_greeter"] for number in range(4)] == [None] * 4
    assert {item["sku"] for number in range(4) for item in read[f"{number}:1"]["items"]} == {None}
    assert all(read[f"later-{number}:1"]["items"][0]["sku"] for number in range(4))


@pytest.mark.parametrize("days", [[OLD], DAYS, DAYS[::-1]], ids=["old alone", "old first", "new first"])
@pytest.mark.parametrize("with_states", [False, True])
def test_marts_count_old_and_new_days(lake: Lake, days: list[str], *, with_states: bool) -> None:
    """Also a range of old days only, which no file tells that the column exists."""
    if with_states:
        lake.land(STATES, TRANSACTION_STATES.empty_table(), partition=OLD)
    with open_judged(landed_rows(lake, days)) as connection:
        counted = connection.execute("SELECT count(*), count(transaction_status) FROM judged").fetchone()
    assert counted is not None
    assert counted[0] == 4 * len(days)
    sites = pa.table({"code": ["MAIN", "EAST"], "timezone": ["UTC", "UTC"]})
    dates = [date.fromisoformat(day) for day in days]
    mart = site_day_kpis(landed_rows(lake, days), sites, dates[:1], landed=dates, timezone="UTC")
    assert mart.table.num_rows == 2
    assert line_items(landed_rows(lake, days)).num_rows >= 4 * len(days)


def test_a_site_joins_a_file_of_an_earlier_version(lake: Lake, rows: list[Row]) -> None:
    """The other sites' rows get nulls in the new columns; the file is one of this version."""
    changed = [{**row, "employeeGreeter": "Grace"} for row in rows if row["locationCode"] == "EAST"]
    land_day(lake, read_day(changed, site="EAST", number=1), source=SOURCE)
    landed = lake.read(ASSET, [KEY]).to_pylist()
    assert {(row["location_code"], row["employee_greeter"]) for row in landed} == {("EAST", "Grace"), ("MAIN", None)}
    assert [row["id"] for row in landed] == ["0:1", "2:1", "1:1", "3:1"]
