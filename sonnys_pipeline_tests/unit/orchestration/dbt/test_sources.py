"""EC-02: dbt's sources say what the assets' definitions say."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sonnys_pipeline.lake.schema import TRANSACTIONS
from sonnys_pipeline.marts.columns import descriptions_of
from sonnys_pipeline.marts.kpi_columns import SITE_DAY_KPIS
from sonnys_pipeline.orchestration.catalog import LANDED_COLUMNS
from sonnys_pipeline.orchestration.dbt.sources import KEYS, sources_yaml

EXAMPLE = Path(__file__).parents[4] / "examples" / "dbt" / "dbt" / "models" / "sonnys.yml"


def read(text: str) -> tuple[dict[str, dict[str, Any]], list[dict[str, Any]]]:
    """Tables by name, and exposures."""
    document = yaml.safe_load(text)
    (source,) = document["sources"]
    return {table["name"]: table for table in source["tables"]}, document["exposures"]


def test_the_example_has_what_the_definitions_say() -> None:
    """A definition that changes is written again with the command that its README names."""
    names = ["transactions", "sites", "site_day_kpis", "membership_movement"]

    assert EXAMPLE.read_text(encoding="utf-8") == sources_yaml("north", ["north"], names)


def test_columns_have_descriptions_types_and_tests() -> None:
    """Each column of the schema, in its order; what cannot be null, is a key or has known values is tested."""
    tables, _ = read(sources_yaml("north"))

    columns = tables["transactions"]["columns"]
    assert [one["name"] for one in columns] == TRANSACTIONS.names
    by_name = {one["name"]: one for one in columns}
    assert by_name["id"] == {
        "name": "id",
        "data_type": "varchar",
        "description": LANDED_COLUMNS["id"],
        "data_tests": ["not_null", "unique"],
    }
    assert "data_tests" not in by_name["customer_id"], "it may be null"
    not_null, values = by_name["type"]["data_tests"]
    assert not_null == "not_null"
    assert values["accepted_values"]["arguments"]["values"] == ["Return", "Rewash", "Sale"]
    assert values["accepted_values"]["config"] == {"severity": "warn"}, "the API may add others"
    (own,) = (one for one in tables["transaction_changes"]["columns"] if one["name"] == "change")
    assert "config" not in own["data_tests"][1]["accepted_values"], "these are ours"
    kinds = {one["name"]: one.get("data_type") for one in tables["site_day_kpis"]["columns"]}
    assert (kinds["business_date"], kinds["total_cars"], kinds["sales"]) == ("date", "bigint", "decimal(18, 2)")
    assert len(kinds) == len(descriptions_of(SITE_DAY_KPIS))


def test_rows_of_a_history_or_a_mart_are_unique_by_all_columns_of_the_key() -> None:
    """The id of a history has a row for each version; each key is made of columns that the table has."""
    tables, _ = read(sources_yaml("north"))

    assert tables["recurring_accounts"]["data_tests"] == [
        {"unique": {"name": "unique_north_recurring_accounts", "arguments": {"column_name": "row(id, valid_from)"}}}
    ]
    (account_id,) = (one for one in tables["recurring_accounts"]["columns"] if one["name"] == "id")
    assert account_id["data_tests"] == ["not_null"]
    for name, key in KEYS.items():
        assert set(key) <= {one["name"] for one in tables[name]["columns"]}, name


def test_keys_of_assets_have_the_prefix_and_reports_are_exposures() -> None:
    """A chosen table only; the report depends on those of its inputs that are chosen."""
    tables, (report,) = read(sources_yaml("south", ["washes", "south"], ["site_day_kpis", "items"]))

    keys = {name: table["config"]["meta"]["dagster"]["asset_key"] for name, table in tables.items()}
    assert keys == {"site_day_kpis": ["washes", "south", "site_day_kpis"], "items": ["washes", "south", "items"]}
    assert (report["name"], report["type"]) == ("south_daily_report", "dashboard")
    assert report["depends_on"] == ["source('south', 'site_day_kpis')"]
    assert report["owner"]["name"]


def test_an_unknown_table_is_refused() -> None:
    """The message names those that there are; a page is no table."""
    with pytest.raises(ValueError, match=r"daily_report, sales: no such table; tables are .*site_day_kpis"):
        sources_yaml("north", tables=["daily_report", "sites", "sales"])
