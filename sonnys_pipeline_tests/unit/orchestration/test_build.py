"""DG-01, DG-03, DG-04: what Dagster is shown: definitions that load, assets, partitions, resources without secrets."""

import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pyarrow as pa
import pytest
import yaml

import sonnys_pipeline.definitions
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.lake.schema import TRANSACTIONS
from sonnys_pipeline.orchestration.build import build_defs
from sonnys_pipeline.orchestration.events.metadata import totals
from sonnys_pipeline.orchestration.resources import SonnysResource

ROOT = Path(__file__).parents[3]
LISTS = ("items", "customers", "employees", "recurring_accounts", "washbooks", "giftcards")
FACTS = ("clock_entries", "recurring_billings", "recurring_status_changes", "sales_outcomes")
TABLES = ("line_items", "tenders", "discounts")
MARTS = ("site_day_kpis", "site_hour_kpis", "membership_daily", "item_mix", "wash_frequency")
#: Marts of lists, and the lists that they are computed from.
OF_LISTS = ("membership_movement", "membership_cohorts")
READ_BY_MARTS = ("recurring_accounts", "recurring_status_changes", "recurring_billings")


@pytest.fixture(autouse=True)
def _no_env_file(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def specs(defs: dg.Definitions) -> dict[str, dg.AssetSpec]:
    """Each asset's specification by name."""
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def test_definitions_load_without_credentials():
    """The code location comes up, whole and consistent, before anybody has set anything."""
    dg.Definitions.validate_loadable(build_defs())


def test_the_module_that_dagster_is_pointed_to_has_the_definitions():
    """workspace.yaml, `[tool.dagster]` and `-m sonnys_pipeline.definitions` all name the same module."""
    (location,) = yaml.safe_load((ROOT / "workspace.yaml").read_text())["load_from"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert location["python_module"]["module_name"] == "sonnys_pipeline.definitions"
    assert project["tool"]["dagster"]["module_name"] == "sonnys_pipeline.definitions"
    assert isinstance(sonnys_pipeline.definitions.defs, dg.Definitions)


def test_assets():
    """Daily ones take whole ranges in one run, `sites` has no partitions, and all are described."""
    found = specs(build_defs())

    assert {"transactions", "sites", *TABLES, *MARTS} <= set(found)
    assert found["sites"].partitions_def is None
    for name in (*TABLES, *MARTS):
        assert found[name].partitions_def == found["transactions"].partitions_def
    for name in TABLES:
        assert [dep.asset_key.to_user_string() for dep in found[name].deps] == ["transactions"]
    for name in MARTS:
        assert {dep.asset_key.to_user_string() for dep in found[name].deps} == {
            "transactions",
            "transaction_states",
            "sites",
            *({"clock_entries"} if name == "site_hour_kpis" else ()),
        }
    movement, cohorts = ({dep.asset_key.to_user_string() for dep in found[name].deps} for name in OF_LISTS)
    assert movement == {"sites", *READ_BY_MARTS[:2]}
    assert cohorts == {"membership_movement", READ_BY_MARTS[0], READ_BY_MARTS[2]}
    assert found["membership_movement"].partitions_def == found["transactions"].partitions_def
    assert found["membership_cohorts"].partitions_def is None
    for asset in build_defs().assets:
        assert asset.descriptions_by_key[asset.key]
        if asset.partitions_def is not None:
            assert asset.backfill_policy == dg.BackfillPolicy.single_run()


def test_partitions_follow_the_settings(monkeypatch):
    """First day and zone come from the environment; the last one is the last day that is over in that zone."""
    monkeypatch.setenv("SONNYS_START_DATE", "2026-03-01")
    monkeypatch.setenv("SONNYS_TIMEZONE", "America/Chicago")

    partitions = specs(build_defs())["transactions"].partitions_def

    evening_there = datetime(2026, 3, 11, 4, 30, tzinfo=UTC)  # 23:30 on the 10th in Chicago
    keys = partitions.get_partition_keys(current_time=evening_there)
    assert keys == [f"2026-03-{day:02d}" for day in range(1, 10)]
    keys = partitions.get_partition_keys(current_time=evening_there + timedelta(hours=1))
    assert keys[-1] == "2026-03-10"
    short, long = (partitions.time_window_for_partition_key(key) for key in ("2026-03-08", "2026-11-01"))
    assert short.end.timestamp() - short.start.timestamp() == 23 * 3600
    assert long.end.timestamp() - long.start.timestamp() == 25 * 3600


def test_settings_given_go_before_the_environment(monkeypatch):
    """`build_defs(settings=…)` serves callers that have settings already."""
    monkeypatch.setenv("SONNYS_START_DATE", "2026-03-01")

    defs = build_defs(settings=Settings(start_date=date(2026, 2, 14), timezone="Pacific/Honolulu"))

    partitions = specs(defs)["transactions"].partitions_def
    assert partitions.get_first_partition_key() == "2026-02-14"
    assert partitions.timezone == "Pacific/Honolulu"


def test_a_bad_setting_is_named_when_the_location_loads(monkeypatch):
    """A zone that does not exist: the error names variable, value and form, instead of a stack of Dagster's own."""
    monkeypatch.setenv("SONNYS_TIMEZONE", "Middle/Earth")

    with pytest.raises(ValueError, match=r"SONNYS_TIMEZONE: .*'Middle/Earth'.*America/Chicago"):
        build_defs()


def test_the_daily_job_covers_landing_and_what_stands_downstream():
    """Job and schedule are there, and the job selects every asset of the product so far."""
    defs = build_defs()
    job = defs.resolve_job_def("daily_transactions")

    assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} >= {
        "transactions",
        "sites",
        *TABLES,
        *MARTS,
    }
    assert [schedule.job_name for schedule in defs.schedules] == [
        "daily_transactions", "watch", "verify_landed_days", "daily_dimensions", "daily_people",
    ]  # fmt: skip


def test_only_what_makes_numbers_wrong_blocks():
    """Nothing is computed from a day that does not hold; what is odd and may be true only warns."""
    checks = [check for definition in build_defs().asset_checks for check in definition.check_specs]

    assert {check.name for check in checks if check.blocking} == {"complete_and_unique", "inside_the_day"}
    assert all(check.asset_key.to_user_string() == "transactions" for check in checks if check.blocking)
    assert {check.name for check in checks if not check.blocking} >= {
        "tenders_add_up", "items_add_up", "known_values", "settled", "usual_volume", "all_sites", "same_ids_as_listed",
        "washes_agree", "freshness", "ageing", "one_day_each", "verified", "every_site_counted", "every_figure_known",
        "members_add_up",
        "site_list", "item_prices",
        "plausible_amounts",
    }  # fmt: skip
    assert all(check.description for check in checks)


def test_what_runs_by_itself_spends_no_request():
    """With a daemon marts follow, checks watch, failures are told; morning's run and sweep wait for a person."""
    defs = build_defs()

    on = {sensor.name for sensor in defs.sensors if sensor.default_status is dg.DefaultSensorStatus.RUNNING}
    assert on == {"marts_auto_materialize", "alerts", "missed_mornings"}  # the last one waits for the schedule
    running = dg.DefaultScheduleStatus.RUNNING
    assert [schedule.name for schedule in defs.schedules if schedule.default_status is running] == ["watch_schedule"]
    watch = defs.resolve_job_def("watch")
    assert {node.name for node in watch.nodes} == {"landing_watch", "sites_site_list", "transactions_verified"}


@pytest.mark.parametrize("name", TABLES + MARTS + OF_LISTS)
def test_computed_columns_tell_what_they_are_and_where_they_come_from(name):
    """Before anything is computed: each column has a description and a lineage, KPIs their status as well."""
    metadata = specs(build_defs())[name].metadata

    columns = {column.name: column.description for column in metadata["dagster/column_schema"].value.columns}
    lineage = metadata["dagster/column_lineage"].value.deps_by_column
    assert columns.keys() == lineage.keys()
    assert all(columns.values())
    sources = {dep.asset_key.to_user_string() for deps in lineage.values() for dep in deps}
    assert sources <= {"transactions", "transaction_states", "sites", *READ_BY_MARTS, "clock_entries"}
    if name in MARTS + OF_LISTS:
        figures = set(columns) - {"site", "business_date", "hour", "plan", "cohort", "months_since", "as_of"}
        figures -= {"department", "item", "sku", "customer_id"}
        assert all(columns[column].endswith(")") and "[" not in columns[column] for column in figures)


def test_resources_show_variables_and_no_values(monkeypatch):
    """Dagster's launchpad shows `{"env": "SONNYS_API_KEY"}`; the values are nowhere in the definitions."""
    monkeypatch.setenv("SONNYS_API_ID", "id-that-must-not-show")
    monkeypatch.setenv("SONNYS_API_KEY", "key-that-must-not-show")
    defs = build_defs()

    snapshot = dg.serialize_value(defs.get_repository_def().get_job("daily_transactions").get_job_snapshot())

    assert "SONNYS_API_KEY" in snapshot
    assert "that-must-not-show" not in snapshot
    assert "that-must-not-show" not in repr(defs.resources)


def test_a_resource_with_credentials_shows_neither():
    """What `repr` and `str` give is what logs and error pages print; the fields are not in them."""
    resource = SonnysResource(api_id="id-that-must-not-show", api_key="key-that-must-not-show", site_code="MAIN")

    assert "that-must-not-show" not in f"{resource!r} {resource} {[resource]} {resource.settings()!r}"
    with resource.open_client() as client:
        assert "that-must-not-show" not in repr(client)


def test_a_resource_falls_back_to_the_environment(monkeypatch):
    """Fields that are set win; those left out are read from the variables of the same name."""
    monkeypatch.setenv("SONNYS_SITE_CODE", "MAIN")
    monkeypatch.setenv("SONNYS_JOB_TIMEOUT", "11")

    settings = SonnysResource(api_id="id", api_key="key", job_timeout=22.0).settings()

    assert (settings.site_code, settings.job_timeout, settings.poll_interval) == ("MAIN", 22.0, 2.0)


def test_zone_of_the_day_is_the_zone_of_the_schedule(monkeypatch):
    """The morning run starts by the clock of the same zone whose midnights cut the days."""
    monkeypatch.setenv("SONNYS_TIMEZONE", "America/Los_Angeles")

    assert {ZoneInfo(schedule.execution_timezone) for schedule in build_defs().schedules} == {
        ZoneInfo("America/Los_Angeles")
    }


#: Ids of requirements and letters of statuses, which mean nothing to whoever reads the catalog.
INTERNAL = re.compile(r"\b[A-Z]{2}-\d\d\b|\[[A-Z]\]|\bKPIS\b|\bDESIGN\b")


def shown(defs: dg.Definitions) -> Iterator[tuple[str, str]]:
    """Every text of ours that the catalog shows, with where it stands."""
    for spec in defs.resolve_all_asset_specs():
        yield spec.key.to_user_string(), spec.description or ""
        schema = spec.metadata.get("dagster/column_schema")
        for column in schema.value.columns if schema else ():
            yield f"{spec.key.to_user_string()}.{column.name}", column.description or ""
    for check in defs.asset_checks:
        for spec in check.check_specs:
            yield spec.name, spec.description or ""
    for each in [*defs.jobs, *defs.schedules, *defs.sensors]:
        yield each.name, each.description or ""
    for name, resource in defs.resources.items():
        yield name, type(resource).__doc__ or ""
        for field, info in type(resource).model_fields.items():
            if field != "lake":
                yield f"{name}.{field}", info.description or ""


def test_everything_that_the_catalog_shows_says_what_it_is():
    """Assets, columns, checks, jobs, schedules, sensors, resources and their fields; in words that mean something."""
    texts = dict(shown(build_defs()))

    assert {f"transactions.{name}" for name in TRANSACTIONS.names} <= texts.keys()
    assert {f"sites.{name}" for name in ("site_id", "code", "name", "timezone", "extra")} <= texts.keys()
    assert [where for where, text in texts.items() if not text] == []
    assert {where: text for where, text in texts.items() if INTERNAL.search(text)} == {}


def test_every_asset_has_an_owner_and_tags():
    """Which assets spend requests and hold personal data is seen before one is materialized."""
    found = specs(build_defs())

    assert all(spec.owners == ["team:sonnys-pipeline"] for spec in found.values())
    spends = {name for name, spec in found.items() if spec.tags["requests"] == "spends"}
    personal = {name for name, spec in found.items() if spec.tags["personal_data"] == "by_policy"}
    assert spends == {"transactions", "transaction_states", "sites", *LISTS, *FACTS} - {"recurring_billings"}
    assert personal == {
        "transactions", "transaction_states", "transaction_changes", "line_items", "tenders", "discounts",
        *LISTS, *FACTS,
    } - {"items"}  # fmt: skip


def test_kinds_name_the_format_and_the_engine_that_are_set(monkeypatch):
    """Under Spark and Iceberg nothing says DuckDB or Parquet; an asset of several kinds keeps its other ones."""
    as_usual = {name: spec.kinds for name, spec in specs(build_defs()).items()}
    monkeypatch.setenv("SONNYS_LAKE_FORMAT", "iceberg")
    monkeypatch.setenv("SONNYS_ENGINE", "spark")
    found = {name: spec.kinds for name, spec in specs(build_defs()).items()}

    assert (as_usual["site_day_kpis"], found["site_day_kpis"]) == ({"parquet", "duckdb"}, {"iceberg", "spark"})
    assert (as_usual["daily_report"], found["daily_report"]) == ({"html"}, {"html"})
    assert {kind for kinds in found.values() for kind in kinds} == {"iceberg", "spark", "html"}


def test_sums_of_an_incomplete_day_are_not_plotted():
    """As numbers they would look like a bad day."""
    rows = pa.table({"cars": [1, 2]})

    assert totals(rows, ["cars"]) == {"cars": dg.MetadataValue.int(3)}
    assert totals(rows, ["cars"], complete=False) == {"cars": dg.MetadataValue.text("3 without what is missing")}
