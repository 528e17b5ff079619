"""EC-02: the example query of each table runs, and stands on the page of its asset."""

import re

import dagster as dg
import duckdb
import pytest

from sonnys_pipeline.config.given import GivenSettings
from sonnys_pipeline.lake.query.examples import EXAMPLES, example_of
from sonnys_pipeline.lake.schema import TRANSACTIONS
from sonnys_pipeline.orchestration.build import build_defs
from sonnys_pipeline.orchestration.catalog import in_words, table_schema

TYPES = {
    "string": "VARCHAR", "int32": "INTEGER", "int64": "BIGINT", "double": "DOUBLE", "bool": "BOOLEAN",
    "date32[day]": "DATE", "timestamp[us, tz=UTC]": "TIMESTAMPTZ", "list of structs": "STRUCT(name VARCHAR)[]",
}  # fmt: skip


def specs(settings: GivenSettings) -> dict[str, dg.AssetSpec]:
    """Assets that are tables, by name."""
    defs = build_defs(settings=settings)
    found = {spec.key.path[-1]: spec for spec in defs.resolve_all_asset_specs()}
    return {name: spec for name, spec in found.items() if "dagster/table_name" in spec.metadata}


def columns_of(name: str) -> list[dg.TableColumn]:
    """Its columns; the table of the day so far is an asset only where it is switched on."""
    known = specs(GivenSettings.of()).get(name)
    schema = table_schema(TRANSACTIONS) if known is None else known.metadata["dagster/column_schema"].schema
    return list(schema.columns)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name: str) -> None:
    """On a table with the columns that the asset names and the day of the partition."""
    columns = {
        column.name: TYPES.get(column.type) or re.sub(r"decimal\d+", "DECIMAL", column.type)
        for column in columns_of(name)
    }
    made = ", ".join(f'"{column}" {kind}' for column, kind in ({"date": "DATE"} | columns).items())
    query = example_of(name, f"north.{name}")
    assert query is not None
    with duckdb.connect() as connection:
        connection.execute(f"CREATE SCHEMA north; CREATE TABLE north.{name} ({made})")
        assert len(connection.sql(query).columns) >= 2


def test_each_table_shows_its_example() -> None:
    """Below what it is, and by the name that `sonnys sql` knows it by: with the account, where there are several."""
    found = specs(GivenSettings.of("north", api_id="id", api_key="key"))
    assert found.keys() >= EXAMPLES.keys() - {"transactions_today"}
    for name, spec in found.items():
        assert in_words(spec)
        query, asked = (spec.description or "").removeprefix(in_words(spec)).strip().split("\n\n")
        assert query == f"```sql\n{example_of(name, f'north.{name}')}\n```"
        assert asked == "Ask it with `sonnys sql`."
