"""DG-01, DG-02, DG-03, DG-05, BM-07: several databases of one operator in one code location, and KPIs across them."""

import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

import dagster as dg
import pyarrow as pa
import pytest

from sonnys_pipeline.config.accounts import ALL_ACCOUNTS
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.orchestration.build import build_defs
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline_tests.support.clock_entries import entry, file_of
from sonnys_pipeline_tests.support.pipelines.chains import DAYS, EACH, MARTS, NAMES, SECRET, Chains, failures
from sonnys_pipeline_tests.support.workspaces import ledger_of

DAY = "2026-03-11"
LANDING = [f"{name}/{asset}" for name in NAMES for asset in ("transactions", "sites", *MARTS)]
ACROSS = [f"{ALL_ACCOUNTS}/{asset}" for asset in MARTS]


def only_200(chains: Chains) -> bool:
    """Whether no request of either account was answered with anything else."""
    return all(set(simulator.stats().by_status) == {"200"} for simulator in chains.simulators.values())


def test_what_is_missing_in_an_accounts_own_lake_is_read_first(chains, monkeypatch):
    """The account's lake says what is missing; the one that accounts share says nothing of it."""
    monkeypatch.setattr("sonnys_pipeline.backfill.workspace._THREADS", 1)  # else a request may overtake another one
    first, last = EACH[0], EACH[-1]
    assert chains.run("north/transactions", days=first).success
    before = len(chains.simulators["north"].log)

    assert chains.run("north/transactions", days=DAYS).success

    asked = [
        parse_qs(record.query) for record in chains.simulators["north"].log[before:] if record.operation == "submit"
    ]
    begins = [datetime.fromtimestamp(int(query["startDate"][0]), UTC).date().isoformat() for query in asked]
    assert begins[0] != first
    assert begins.index(last) < begins.index(first)


def test_what_dagster_shows(chains):
    """Keys with the account before them, a group an account, jobs, schedules and sensors named after it; no secret."""
    defs = build_defs()
    dg.Definitions.validate_loadable(defs)
    made_here = defs.get_repository_def().asset_graph.executable_asset_keys
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs() if spec.key in made_here}

    ours = {"transactions", "transaction_states", "transaction_changes", "sites", "line_items", "tenders", "discounts",
            "site_day_kpis", "site_hour_kpis", "membership_daily", "item_mix", "wash_frequency",
            "daily_report"}  # fmt: skip
    lists = (
        "clock_entries",
        "recurring_billings",
        "recurring_status_changes",
        "sales_outcomes",
        "items",
        "customers",
        "employees",
        "recurring_accounts",
        "washbooks",
        "giftcards",
    )
    of_lists = ("membership_movement", "membership_cohorts", "labor_daily", "giftcard_liability")
    assert set(specs) == {f"{name}/{asset}" for name in NAMES for asset in (*ours, *lists, *of_lists)} | {
        *ACROSS,
        *(f"{ALL_ACCOUNTS}/{asset}" for asset in ("membership_movement", "labor_daily", "giftcard_liability")),
    }
    assert all(spec.group_name == key.partition("/")[0] for key, spec in specs.items())
    assert {job.name for job in defs.jobs} == {
        f"{name}_{job}"
        for name in NAMES
        for job in (
            "daily_transactions",
            "watch",
            "verify_landed_days",
            "reconcile_with_api",
            "daily_dimensions",
            "daily_people",
        )
    }
    assert {one.name for one in defs.schedules} == {
        f"{name}_{schedule}"
        for name in NAMES
        for schedule in (
            "daily_transactions_schedule", "watch_schedule", "verify_landed_days_schedule", "daily_dimensions_schedule",
            "daily_people_schedule",
        )
    }  # fmt: skip
    assert {one.name for one in defs.sensors} == {
        "alerts", "north_marts_auto_materialize", "south_marts_auto_materialize", "all_accounts_marts_auto_materialize",
        "north_missed_mornings", "south_missed_mornings",
    }  # fmt: skip
    for name in NAMES:
        job = defs.resolve_job_def(f"{name}_daily_transactions")
        assert {key.to_user_string() for key in job.asset_layer.executable_asset_keys} == {
            f"{name}/{asset}" for asset in ours
        }
        snapshot = dg.serialize_value(defs.get_repository_def().get_job(job.name).get_job_snapshot())
        assert SECRET not in snapshot
        columns = specs[f"{name}/site_day_kpis"].metadata["dagster/column_lineage"].value.deps_by_column
        assert {dep.asset_key.path[0] for deps in columns.values() for dep in deps} == {name}


@pytest.mark.filterwarnings("ignore:Parameter `backfill_policy`")
def test_assets_of_ones_own_beside_the_accounts(chains, monkeypatch):
    """One under an account's prefix runs with its job; one that reads both, on days of its own, breaks neither job."""
    monkeypatch.setenv("SONNYS_SOUTH__TIMEZONE", "America/Chicago")
    days = dg.DailyPartitionsDefinition("2026-01-01", timezone="UTC")
    north, south = (dg.AssetKey([name, "transactions"]) for name in NAMES)

    @dg.asset(
        key=["north", "big_tickets"],
        group_name="own",
        partitions_def=days,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[north],
    )
    def big_tickets() -> None: ...

    @dg.asset(
        group_name="own",
        partitions_def=days,
        deps=[north, dg.AssetDep(south, partition_mapping=dg.IdentityPartitionMapping())],
    )
    def of_both() -> None: ...

    defs = dg.Definitions.merge(build_defs(), dg.Definitions(assets=[big_tickets, of_both]))

    dg.Definitions.validate_loadable(defs)
    of_north, of_south = (
        defs.resolve_job_def(f"{name}_daily_transactions").asset_layer.executable_asset_keys for name in NAMES
    )
    assert big_tickets.key in of_north
    assert {of_both.key, big_tickets.key}.isdisjoint(of_south)
    assert of_both.key not in of_north


def test_each_account_has_its_own_days(chains, monkeypatch):
    """Zone and first day are the account's; what stands across begins with the first of them, in the shared zone."""
    monkeypatch.setenv("SONNYS_TIMEZONE", "America/Chicago")
    monkeypatch.setenv("SONNYS_START_DATE", "2026-03-01")
    monkeypatch.setenv("SONNYS_SOUTH__TIMEZONE", "Pacific/Honolulu")
    monkeypatch.setenv("SONNYS_SOUTH__START_DATE", "2026-02-14")

    specs = {spec.key.to_user_string(): spec.partitions_def for spec in build_defs().resolve_all_asset_specs()}
    found = {key: (its.get_first_partition_key(), its.timezone) for key, its in specs.items() if its is not None}

    assert found["north/transactions"] == found["north/daily_report"] == ("2026-03-01", "America/Chicago")
    assert found["south/transactions"] == found["south/site_day_kpis"] == ("2026-02-14", "Pacific/Honolulu")
    assert found["all_accounts/site_day_kpis"] == ("2026-02-14", "America/Chicago")
    zones = {schedule.name: schedule.execution_timezone for schedule in build_defs().schedules}
    assert zones["south_watch_schedule"] == "Pacific/Honolulu"


@pytest.fixture(params=["one run", "two runs"])
def both(request: pytest.FixtureRequest) -> Chains:
    """Both accounts and what stands across them, landed in one run or in two."""
    if request.param == "one run":
        return request.getfixturevalue("landed")
    chains = request.getfixturevalue("chains")
    for keys in (LANDING[:4], LANDING[4:]):
        assert chains.run(*keys, days=DAYS).success
    assert chains.run(*ACROSS, days=DAYS).success
    return chains


def test_rows_never_mix(both):
    """Each account's rows land in its own lake, once, in one run or two; each API hears its own credentials."""
    for name in NAMES:
        assert both.landed_ids(name, *EACH) == both.expected_ids(name, *EACH)
        listed = {site.name for site in both.simulators[name].world.sites}
        assert set(both.lake(name).read("sites")["name"].to_pylist()) == listed
    assert only_200(both)
    assert both.landed_ids("north", *EACH) != both.landed_ids("south", *EACH)
    for asset in MARTS:
        rows = both.together(DAY, asset)
        for name in NAMES:
            alone = both.lake(name).read(asset, [DAY]).drop_columns("date").to_pylist()
            assert [row for row in rows if row["account"] == name] == [{"account": name, **row} for row in alone]
        assert {row["account"] for row in rows} == set(NAMES)
    assert next(iter(rows[0])) == "account"


def test_each_account_has_a_budget_and_a_ledger(landed):
    """Two files each in folders of their own; in one run, too, and an account's job is no other's."""
    for name in NAMES:
        assert {"budget.sqlite", "ledger.sqlite", "audit"} <= {
            path.name for path in (landed.folder / "state" / name).iterdir()
        }
        with ledger_of(Settings.load(name)) as jobs:
            (job,) = jobs.list_jobs()
            assert (job.account, job.successful_days) == (name, 3)
            assert f"{name}/transactions" in job.description


def test_a_shared_ledger_keeps_them_apart(open_chains, tmp_path):
    """One run of both, the same days: a job each; neither sees, finds or recovers the other's."""
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    chains = open_chains(LEDGER_URL=url, BUDGET_URL=f"sqlite:///{tmp_path / 'budget.sqlite'}")

    chains.land(*NAMES, marts=False)

    assert only_200(chains)
    seen = {}
    for name in NAMES:
        assert chains.landed_ids(name, *EACH) == chains.expected_ids(name, *EACH)
        with ledger_of(Settings.load(name)) as jobs:
            (seen[name],) = jobs.list_jobs()
            assert jobs.find_job(seen[name].name) == seen[name]
            assert all(f"/{name}/transactions/" in str(row.path) for row in jobs.get_rows(seen[name].id))
    assert seen["north"].id != seen["south"].id
    assert seen["north"].name == seen["south"].name
    with ledger_of(Settings.load("north")) as jobs, pytest.raises(Exception, match="has no job"):
        jobs.get_job(seen["south"].id)


def test_an_outage_of_one_stops_no_day_of_another(chains):
    """The south's API is away: in the same run the north lands and is counted; across accounts the south is named."""
    chains.simulators["south"].stop()

    result = chains.run(*LANDING, days=DAYS)

    assert not result.success
    assert set(failures(result)) == {"south__transactions", "south__sites"}
    assert chains.landed_ids("north", *EACH) == chains.expected_ids("north", *EACH)
    assert chains.lake("north").partitions("site_day_kpis") == list(EACH)
    assert chains.lake("south").partitions("transactions") == []
    across = chains.run(*ACROSS, days=DAYS)
    assert across.success
    assert {row["account"] for row in chains.together(DAY)} == {"north"}
    record = next(
        one
        for one in chains.instance.fetch_materializations(dg.AssetKey(["all_accounts", "site_day_kpis"]), 10).records
        if one.partition_key == DAY
    )
    told = record.asset_materialization.metadata["accounts_missing"].value
    assert told == [f"south: site_day_kpis of {DAY} is not landed"]
    checked = [one for one in across.get_asset_check_evaluations() if one.partition is None]
    assert {(one.check_name, one.passed, one.severity) for one in checked} == {
        ("accounts_complete", False, dg.AssetCheckSeverity.WARN)
    }
    assert all(f"south: {one.asset_key.path[-1]} of {DAY} is not landed" in one.description for one in checked)


def test_what_stands_across_follows(chains):
    """Nothing for a day that is read again and the same; exactly the days that an account counts otherwise.

    What is checked in an account is not asked for here: its days land without their checks.
    """
    assert chains.tick() == {}
    chains.land("north", checks=False)
    assert chains.tick() == {name: list(EACH) for name in ACROSS}
    assert chains.tick() == {}
    assert chains.run(*ACROSS, days=DAYS).success

    chains.land("south", checks=False)
    assert chains.tick() == {name: list(EACH) for name in ACROSS}
    assert chains.run(*ACROSS, days=DAYS).success
    assert {row["account"] for row in chains.together(DAY)} == set(NAMES)

    for simulator in chains.simulators.values():
        simulator.advance(1300)  # hashes expire: what is read again is read anew
    chains.land(*NAMES, checks=False)
    assert chains.tick() == {}

    for simulator in chains.simulators.values():
        simulator.advance(1300)
    chains.simulators["south"].world.add_late_rows(datetime(2026, 3, 11, 20, tzinfo=UTC))
    chains.land("south", marts=False, checks=False)
    asked = chains.tick()
    assert set(asked) == {f"south/{asset}" for asset in MARTS}
    assert chains.run(*asked, days=DAYS, checks=False).success
    assert chains.tick() == {name: asked[f"south/{name.partition('/')[2]}"] for name in ACROSS}


def test_accounts_of_other_zones_and_beginnings(copied, monkeypatch):
    """A day before the south began is complete without it; the south's own clock does not keep the day from being."""
    monkeypatch.setenv("SONNYS_SOUTH__START_DATE", "2026-03-11")
    monkeypatch.setenv("SONNYS_SOUTH__TIMEZONE", "America/Chicago")
    for name in ("south", ALL_ACCOUNTS):  # of days of another zone
        shutil.rmtree(copied.folder / "data" / name)
    copied.land("south", days=("2026-03-11", "2026-03-12"))

    across = copied.run(*ACROSS, days=DAYS)

    assert across.success
    assert {row["account"] for row in copied.together("2026-03-10")} == {"north"}
    assert {row["account"] for row in copied.together("2026-03-11")} == set(NAMES)
    assert all(one.passed for one in across.get_asset_check_evaluations())


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("SONNYS_SOUTH__API_KEY", None, "SONNYS_SOUTH__API_KEY not set"),
        ("SONNYS_SOUTH__TIMEZONE", "Middle/Earth", "SONNYS_SOUTH__TIMEZONE: 'Middle/Earth' is not a time zone"),
        ("SONNYS_SOUTH__API_KYE", "x", "SONNYS_SOUTH__API_KYE: no such setting"),
    ],
)
def test_broken_settings_of_one_stop_nothing_else(chains, monkeypatch, variable, value, said):
    """The code location loads; only the south's steps fail, with the name of the variable and no value of a secret."""
    monkeypatch.delenv(variable, raising=False)
    if value is not None:
        monkeypatch.setenv(variable, value)

    result = chains.run("north/transactions", "north/sites", "south/transactions", days=DAY)

    found = failures(result)
    assert set(found) == {"south__transactions"}
    assert said in found["south__transactions"]
    assert SECRET not in found["south__transactions"]
    assert chains.landed_ids("north", DAY) == chains.expected_ids("north", DAY)
    assert chains.simulators["south"].stats().requests == 0


def test_an_asset_of_ones_own_reads_any_account(copied):
    """By the input's key: one account's rows, another's, and the table across them, in one asset of its own group."""
    seen: dict[str, Any] = {}

    @dg.asset(
        group_name="own",
        partitions_def=dg.DailyPartitionsDefinition("2026-01-01", timezone="UTC"),
        io_manager_key="lake_io",
        ins={
            "north": dg.AssetIn(key=["north", "transactions"]),
            "south": dg.AssetIn(key=["south", "transactions"]),
            "both": dg.AssetIn(key=["all_accounts", "site_day_kpis"]),
        },
    )
    def rows_of_both(
        context: dg.AssetExecutionContext, lake: LakeResource, north: pa.Table, south: pa.Table, both: pa.Table
    ) -> dg.MaterializeResult[Any]:
        seen.update(north=north, south=south, both=both)
        lake.open_lake().land("rows_of_both", north.select(["id"]), partition=context.partition_key)
        return dg.MaterializeResult()

    assert copied.run(days=DAY, own=[rows_of_both]).success
    for name in NAMES:
        assert sorted(seen[name]["id"].to_pylist()) == copied.expected_ids(name, DAY)
    assert set(seen["both"]["account"].to_pylist()) == set(NAMES)
    assert (copied.folder / "data" / "rows_of_both" / f"date={DAY}" / "part-0.parquet").exists()


def test_nothing_that_is_kept_has_a_secret(landed):
    """State, lake and everything that the instance remembers, searched for each account's credentials."""
    kept = b"".join(path.read_bytes() for path in sorted(landed.folder.rglob("*")) if path.is_file())
    record = "\n".join(
        entry.to_json() for run in landed.instance.get_runs() for entry in landed.instance.all_logs(run.run_id)
    )
    assert len(kept) > 1000
    assert SECRET.encode() not in kept
    assert SECRET not in record


def test_without_accounts_nothing_stands_across(open_pipeline: Callable[..., Any]):
    """One account: keys, groups and names are those that they have always been."""
    open_pipeline()
    defs = build_defs()
    made_here = defs.get_repository_def().asset_graph.executable_asset_keys
    specs = [spec for spec in defs.resolve_all_asset_specs() if spec.key in made_here]
    assert {len(spec.key.path) for spec in specs} == {1}
    assert {spec.group_name for spec in specs} == {"landing", "dimensions", "people", "tables", "marts", "reports"}


def test_labor_of_all_accounts(copied):
    """RS-03: an account whose clock entries are landed is in the table; the other one is named, not counted as 0."""
    shift = entry(1, f"{EACH[1]}T15:00:00Z", f"{EACH[1]}T19:00:00Z")
    read_at = datetime(2026, 3, 12, 12, tzinfo=UTC)
    copied.lake("north").land("clock_entries", file_of([shift], read_at), partition=EACH[1])
    assert copied.run("north/labor_daily", days=EACH[1]).success

    assert copied.run("all_accounts/labor_daily", days=EACH[1]).success

    rows = copied.lake(ALL_ACCOUNTS).read("labor_daily", [EACH[1]]).to_pylist()
    assert {row["account"] for row in rows} == {"north"}
    assert sum(row["labor_hours"] for row in rows) == 4
    [record] = copied.instance.fetch_materializations(dg.AssetKey([ALL_ACCOUNTS, "labor_daily"]), limit=1).records
    assert record.asset_materialization.metadata["accounts_missing"].value == [
        f"south: labor_daily of {EACH[1]} is not landed"
    ]
