"""The assets as dbt sources and exposures: columns, descriptions, tests and keys, from their definitions (EC-02)."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import yaml

from sonnys_pipeline.client.lists.fields import STATUSES
from sonnys_pipeline.config.given import GivenSettings
from sonnys_pipeline.lake.changes import CHANGES, Change
from sonnys_pipeline.landing.dimensions.tables import DIMENSIONS
from sonnys_pipeline.orchestration.build import build_defs
from sonnys_pipeline.orchestration.catalog import in_words
from sonnys_pipeline.quality.rules import KNOWN_VALUES

#: Columns that identify a row.
KEYS: Mapping[str, tuple[str, ...]] = {
    "transactions": ("id",),
    **{one.asset: (*one.key, "valid_from") for one in DIMENSIONS},
    "sites": ("site", "valid_from"),
    **dict.fromkeys(("line_items", "tenders", "discounts"), ("transaction_id", "position")),
    **dict.fromkeys(
        ("site_day_kpis", "membership_daily", "labor_daily", "giftcard_liability"), ("business_date", "site")
    ),
    "site_hour_kpis": ("business_date", "site", "hour"),
    "membership_movement": ("business_date", "site", "plan"),
    "membership_cohorts": ("cohort", "site", "plan", "months_since"),
}
#: Values of a column that the API may add to: others are a warning.
_OPEN_VALUES: Mapping[tuple[str, str], Sequence[str]] = {
    **{("transactions", column): sorted(KNOWN_VALUES[column]) for column in ("type", "transaction_status")},
    **{("tenders", column): sorted(KNOWN_VALUES[column]) for column in ("tender", "tender_sub_type")},
    ("recurring_accounts", "status"): STATUSES,
}
#: Values of a column that is ours.
_OWN_VALUES: Mapping[tuple[str, str], Sequence[str]] = {(CHANGES, "change"): [one.value for one in Change]}
#: Arrow types as DuckDB calls them; others, such as lists, are left out.
_TYPES = {
    "string": "varchar",
    "int32": "integer",
    "int64": "bigint",
    "double": "double",
    "bool": "boolean",
    "date32[day]": "date",
    "timestamp[us, tz=UTC]": "timestamp with time zone",
}
_DECIMAL = re.compile(r"decimal128\((\d+), (\d+)\)")
_HEAD = "# Made by `sonnys dbt-sources`; make it again instead of editing it.\n"


def sources_yaml(source: str, key_prefix: Sequence[str] = (), tables: Sequence[str] = ()) -> str:
    """A properties file of dbt: one source with the tables, and an exposure for each report that reads them.

    The files are found below dbt's variable `<source>_lake`, the account's lake. Each table names its asset's key, as
    dagster-dbt reads it, so that models depend on the assets.

    Args:
        source: name of the source in dbt, usually the account.
        key_prefix: begins the keys of the assets.
        tables: their names; none for all.

    Raises:
        ValueError: a name is not that of a table.
    """
    specs = {spec.key.path[-1]: spec for spec in build_defs(settings=GivenSettings.of()).resolve_all_asset_specs()}
    there = sorted(name for name, spec in specs.items() if "dagster/column_schema" in spec.metadata)
    if unknown := [name for name in tables if name not in there]:
        raise ValueError(f"{', '.join(unknown)}: no such table; tables are {', '.join(there)}")
    chosen = list(dict.fromkeys(tables)) or there
    lake = "{{ var('" + source + "_lake') }}"
    read = f"read_parquet('{lake}/{{name}}/**/*.parquet', hive_partitioning = true, union_by_name = true)"
    document = {
        "version": 2,
        "sources": [
            {
                "name": source,
                "description": "Landed by sonnys-pipeline; each column means what its asset says.",
                "config": {"meta": {"external_location": read}},
                "tables": [_table(specs[name], source, key_prefix) for name in chosen],
            }
        ],
        "exposures": [
            _exposure(specs[name], source, read_from)
            for name in sorted(specs.keys() - set(there))
            if (read_from := [dep.asset_key.path[-1] for dep in specs[name].deps if dep.asset_key.path[-1] in chosen])
        ],
    }
    return _HEAD + yaml.safe_dump(document, sort_keys=False, width=120, allow_unicode=True)


def _table(spec: dg.AssetSpec, source: str, key_prefix: Sequence[str]) -> dict[str, Any]:
    name = spec.key.path[-1]
    columns = list(spec.metadata["dagster/column_schema"].schema.columns)
    key = KEYS.get(name, ())
    found: dict[str, Any] = {
        "name": name,
        "description": in_words(spec),
        "config": {"meta": {"dagster": {"asset_key": [*key_prefix, name]}}},
    }
    if len(key) > 1:  # of a row as a whole, null for none of its values
        found["data_tests"] = [
            {"unique": {"name": f"unique_{source}_{name}", "arguments": {"column_name": f"row({', '.join(key)})"}}}
        ]
    found["columns"] = [_column(name, column, is_key=key == (column.name,)) for column in columns]
    return found


def _column(table: str, column: dg.TableColumn, *, is_key: bool) -> dict[str, Any]:
    kind = _DECIMAL.sub(r"decimal(\1, \2)", column.type)
    tests: list[Any] = [] if column.constraints.nullable else ["not_null"]
    if is_key:
        tests.append("unique")
    values = (table, column.name)
    if values in _OWN_VALUES:
        tests.append({"accepted_values": {"arguments": {"values": list(_OWN_VALUES[values])}}})
    if values in _OPEN_VALUES:
        known = {"arguments": {"values": list(_OPEN_VALUES[values])}, "config": {"severity": "warn"}}
        tests.append({"accepted_values": known})
    return {
        "name": column.name,
        **({"data_type": _TYPES.get(kind, kind)} if kind in _TYPES or kind.startswith("decimal") else {}),
        "description": column.description or "",
        **({"data_tests": tests} if tests else {}),
    }


def _exposure(spec: dg.AssetSpec, source: str, tables: Sequence[str]) -> dict[str, Any]:
    owner = next(iter(spec.owners), "").removeprefix("team:")
    return {
        "name": f"{source}_{spec.key.path[-1]}",
        "type": "dashboard",
        "description": in_words(spec),
        "owner": {"name": owner},
        "depends_on": [f"source('{source}', '{name}')" for name in tables],
    }
