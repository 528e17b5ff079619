"""EC-01: Dagster components that `dg` lists, scaffolds, checks and documents; definitions merge into a user's own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from importlib.metadata import entry_points

import dagster as dg
import pytest
import yaml
from dagster.components.core.component_tree import ComponentTree
from dagster.components.core.package_entry import discover_entry_point_package_objects
from dagster.components.resolved.errors import ResolutionException
from dagster_shared.serdes.objects import EnvRegistryKey
from dagster_shared.yaml_utils.sample_yaml import generate_sample_yaml

from sonnys_pipeline import SonnysAccountComponent
from sonnys_pipeline.config.given import GivenSettings
from sonnys_pipeline.config.settings import SettingsError
from sonnys_pipeline.orchestration.account import Account
from sonnys_pipeline.orchestration.build import build_defs
from sonnys_pipeline.orchestration.components.component import SonnysAccountScaffolder, SonnysAsset

#: Looks like a number, which Dagster's own rendering would make of it.
KEY = "1e5"
SECRET = "that-must-not-show"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORTH_API_ID", SECRET)
    monkeypatch.setenv("NORTH_API_KEY", KEY)
    # The component reads none of these, right or wrong.
    monkeypatch.setenv("SONNYS_ACCOUNTS", "No Name")
    monkeypatch.setenv("SONNYS_START_DATE", "never")


def component(account: str = "north", **attributes: object) -> SonnysAccountComponent:
    """A component as `defs.yaml` makes it."""
    credentials = {"api_id": "{{ env.NORTH_API_ID }}", "api_key": "{{ env.NORTH_API_KEY }}"}
    return SonnysAccountComponent.from_attributes_dict(attributes={"account": account, **credentials, **attributes})


def built(account: str = "north", **attributes: object) -> dg.Definitions:
    """Its definitions, in a project at the folder of Dagster's test projects."""
    return component(account, **attributes).build_defs(ComponentTree.for_test().load_context)


def specs(defs: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}


def names(defs: dg.Definitions) -> Iterator[tuple[str, str]]:
    """Kind and name of everything that clashes in a project when two are called alike."""
    repository = defs.get_repository_def()
    yield from (("asset", key.to_user_string()) for key in repository.asset_graph.executable_asset_keys)
    yield from (
        ("check", f"{key.asset_key.to_user_string()} {key.name}") for key in repository.asset_graph.asset_check_keys
    )
    made_here = [one for one in [*(defs.assets or ()), *(defs.asset_checks or ())] if one.is_executable]
    yield from (("op", one.node_def.name) for one in made_here)
    for kind in ("jobs", "schedules", "sensors"):
        yield from ((kind, one.name) for one in getattr(defs, kind) or ())
    yield from (("resource", name) for name in defs.resources or ())


def test_dg_finds_it_and_importing_the_package_imports_no_dagster():
    """By the entry point that the installed Dagster reads; who wants the client only does not pay for it."""
    (ours,) = entry_points(group="dagster_dg_cli.registry_modules", name="sonnys_pipeline")
    assert ours.value == "sonnys_pipeline"
    found = discover_entry_point_package_objects()
    assert found[EnvRegistryKey(namespace="sonnys_pipeline", name="SonnysAccountComponent")] is SonnysAccountComponent
    code = (
        "import sys, sonnys_pipeline as p; sys.exit('SonnysAccountComponent' not in dir(p) or 'dagster' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_lists_and_the_docs_tab_show():
    """A summary, and a sentence about every attribute that can be written."""
    assert (SonnysAccountComponent.get_description() or "").startswith("One account of the Sonny's car-wash Data API")
    properties = SonnysAccountComponent.model().model_json_schema()["properties"]
    assert {name for name, one in properties.items() if not one.get("description")} == set()
    assert {"account", "api_id", "timezone", "resources", "marts", "key_prefix", "translation"} <= set(properties)


def test_the_example_of_the_docs_tab_loads():
    """Dagster makes it of each attribute's example; where one has none it would write `...`."""
    schema = SonnysAccountComponent.model().model_json_schema()
    written = yaml.safe_load(generate_sample_yaml("sonnys_pipeline.SonnysAccountComponent", schema))["attributes"]

    assert written.keys() == schema["properties"].keys()
    assert "..." not in str(written)
    mart = specs(built(**written))["washes/north/site_day_kpis"]
    assert mart.freshness_policy == dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=36))
    assert (mart.description or "").endswith("(of north)")
    assert mart.owners == ["team:analytics"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, {"timezone": "America/Chicago", "data_url": "data"}),
        (
            {"timezone": "America/Denver", "start_date": "2026-03-01", "data_url": "s3://bucket/lake"},
            {"timezone": "America/Denver", "start_date": "2026-03-01", "data_url": "s3://bucket/lake"},
        ),
    ],
)
def test_a_scaffolded_file_is_one_that_loads(tmp_path, options, expected):
    """`dg scaffold defs … north` writes an account called north with its own variables, and the options given."""
    folder = tmp_path / "north"
    folder.mkdir()
    typename = "sonnys_pipeline.SonnysAccountComponent"
    params = SonnysAccountScaffolder.get_scaffold_params()
    SonnysAccountScaffolder().scaffold(
        dg.ScaffoldRequest(
            type_name=typename,
            target_path=folder,
            scaffold_format="yaml",
            project_root=tmp_path,
            params=options and params(**options),
            append=False,
        )
    )

    text = (folder / "defs.yaml").read_text()
    written = yaml.safe_load(text)

    assert len(text.splitlines()) < 10
    assert written["type"] == typename
    assert written["attributes"]["api_key"] == "{{ env.NORTH_API_KEY }}"
    assert expected.items() <= written["attributes"].items()
    assert component(**written["attributes"]).account == "north"


def test_several_in_one_project_clash_in_nothing():
    """Two accounts, the code location's own definitions with a prefix, and a user's: all names differ."""
    own = dg.Definitions(
        assets=[dg.asset(name="mine", deps=[dg.AssetKey(["north", "transactions"])])(lambda: None)],
        resources={"lake": "the user's"},
        executor=dg.multiprocess_executor,
    )
    north, south = built("north"), built("south", resources=["items"])
    one = build_defs(settings=GivenSettings.of(), account=Account(prefix="wash"), embedded=True)

    merged = dg.Definitions.merge(north, south, one, own)

    dg.Definitions.validate_loadable(merged)
    found = [pair for defs in (north, south, one) for pair in names(defs)]
    assert len(found) == len(set(found)) > 200
    assert {"north_lake", "south_lake", "wash_lake", "lake"} <= set(merged.resources or {})
    assert merged.executor is dg.multiprocess_executor
    assert ("op", "north__transactions") in found


def test_the_same_definitions_as_build_defs():
    """One factory: the same assets, checks, jobs, schedules, sensors and resources."""
    by_hand = build_defs(
        settings=GivenSettings.of("north", timezone="America/Chicago", start_date="2026-11-01"), embedded=True
    )

    ours = built("north", timezone="America/Chicago", start_date="2026-11-01")

    assert sorted(names(ours)) == sorted(names(by_hand))
    for key, spec in specs(by_hand).items():
        mine = specs(ours)[key]
        assert (mine.group_name, mine.tags, mine.owners, mine.metadata, mine.partitions_def, mine.code_version) == (
            spec.group_name, spec.tags, spec.owners, spec.metadata, spec.partitions_def, spec.code_version
        )  # fmt: skip


def test_what_assets_are_called_and_say():
    """Prefix, group, owners, tags, kinds, and a translation as Dagster's own components have it."""
    found = specs(
        built(
            key_prefix=["wash", "north"],
            group_name="wash",
            owners=["team:wash"],
            tags={"region": "north"},
            kinds=["sonnys"],
            automation_condition="{{ dg.AutomationCondition.eager() }}",
            translation={"key_prefix": "raw", "description": "{{ name }} of {{ data.account }}", "tags": {"a": "b"}},
        )
    )

    rows, mart = found["raw/wash/north/transactions"], found["raw/wash/north/site_day_kpis"]
    assert (rows.group_name, rows.owners, rows.description) == ("wash", ["team:wash"], "transactions of north")
    assert {"region": "north", "a": "b", "source": "sonnys"}.items() <= rows.tags.items()
    assert rows.kinds == {"parquet", "sonnys"}
    assert rows.automation_condition is None
    assert mart.automation_condition == dg.AutomationCondition.eager()
    assert {dep.asset_key.to_user_string() for dep in mart.deps} >= {"raw/wash/north/transactions"}


def test_jobs_and_checks_follow_translated_keys():
    """What lands, checks and watches selects the keys that the translation made."""
    defs = built(translation={"key_prefix": "raw"})

    job = defs.resolve_job_def("north_daily_transactions")

    assert dg.AssetKey(["raw", "north", "transactions"]) in job.asset_layer.executable_asset_keys
    assert {key.asset_key.path[0] for one in defs.asset_checks or () for key in one.check_keys} == {"raw"}


def test_a_translation_cannot_rename_files():
    """The last part of a key is the name of the files; and a key cannot depend on what is not known yet."""
    with pytest.raises(SettingsError, match=r"north/[a-z_]+ became renamed; the last part of a key names"):
        built(translation={"key": "renamed"})
    with pytest.raises(SettingsError, match=r"the key of None/transactions depends on more than its usual key"):
        built(translation={"key": "{{ spec.group_name }}/{{ name }}"})


def test_a_subclass_changes_specifications_in_code():
    """As subclasses of Dagster's own components do: by `get_asset_spec`, with keys, before or after `super()`."""

    class Ours(SonnysAccountComponent):
        def get_asset_spec(self, spec: dg.AssetSpec, data: SonnysAsset) -> dg.AssetSpec:
            spec = super().get_asset_spec(spec, data)
            return spec.replace_attributes(key=spec.key.with_prefix("raw")).merge_attributes(tags={"of": data.account})

    one = Ours(account="north", api_id=KEY, api_key=KEY)
    defs = one.build_defs(ComponentTree.for_test().load_context)

    dg.Definitions.validate_loadable(defs)
    assert specs(defs)["raw/north/transactions"].tags["of"] == "north"
    assert {key.asset_key.path[0] for one in defs.asset_checks or () for key in one.check_keys} == {"raw"}


def test_each_step_is_tagged():
    """For executors that read tags, such as those on Kubernetes; what our own steps say stays."""
    memory = {"container_config": {"resources": {"limits": {"memory": "2Gi"}}}}

    plain, defs = built(), built(op_tags={"dagster-k8s/config": memory, "queue": "slow"})

    pairs = [
        (mine.node_def, usual.node_def)
        for kind in ("assets", "asset_checks")
        for mine, usual in zip(getattr(defs, kind), getattr(plain, kind), strict=True)
        if mine.is_executable
    ]
    assert len(pairs) > 30
    for mine, usual in pairs:
        assert json.loads(mine.tags["dagster-k8s/config"]) == memory
        assert mine.tags == {**usual.tags, "dagster-k8s/config": mine.tags["dagster-k8s/config"], "queue": "slow"}


def test_chosen_lists_and_marts():
    """Only the named ones, with the jobs, schedules and checks that they need."""
    defs = built(resources=["items"], marts=["line_items"])

    made = {key.path[-1] for key in defs.get_repository_def().asset_graph.executable_asset_keys}

    assert made == {"transactions", "transaction_states", "transaction_changes", "sites", "items", "line_items"}
    assert "north_daily_people" not in {job.name for job in defs.jobs or ()}
    assert {"north_daily_dimensions", "north_daily_transactions"} <= {job.name for job in defs.jobs or ()}
    none = built(resources=[], marts=[])
    dg.Definitions.validate_loadable(none)
    assert "north_marts_auto_materialize" not in {sensor.name for sensor in none.sensors or ()}


def test_a_missing_variable_is_an_error_with_a_remedy(monkeypatch):
    """It names attribute and variable, as an empty one does; no other credential is shown."""
    for value in (None, ""):
        monkeypatch.delenv("NORTH_API_KEY") if value is None else monkeypatch.setenv("NORTH_API_KEY", value)
        with pytest.raises(ResolutionException) as wrong:
            component()
        assert "api_key: NORTH_API_KEY is not set; put it into the environment, or into the .env" in str(wrong.value)
        assert SECRET not in str(wrong.value)


def test_no_secret_is_shown(monkeypatch):
    """Neither by the component, nor by its resources, nor by an error about another attribute."""
    monkeypatch.setenv("HASH_KEY", SECRET)
    one = component(
        settings={"pii": "hash", "pii_key": "{{ env.HASH_KEY }}", "ledger_url": f"postgresql://u:{SECRET}@h/d"}
    )
    assert one.api_key.get_secret_value() == KEY
    defs = built()
    configured = [
        resource.get_resource_definition().config_schema.as_field().default_value
        for name, resource in (defs.resources or {}).items()
        if name != "north_lake_io"
    ]
    with pytest.raises(SettingsError) as wrong:
        replace_settings(one, {"pii": "hash", "pii_key": SECRET, "budget_url": SECRET, "poll_interval": "no"})

    assert SECRET not in repr(one) + repr(defs.resources) + str(configured) + str(wrong.value)
    assert "set in code" in str(configured)


def replace_settings(one: SonnysAccountComponent, settings: dict[str, str]) -> dg.Definitions:
    """The definitions of a component with other settings."""
    changed = one.model_copy(update={"settings": settings})
    return changed.build_defs(ComponentTree.for_test().load_context)


def test_places_are_in_the_project(tmp_path):
    """Relative directories begin at the project's root, wherever the process was started; URLs stay as they are."""
    context = replace(ComponentTree.for_test().load_context)
    root = context.project_root

    here = component().build_defs(context).resources or {}
    away = built(data_url="s3://bucket/lake").resources or {}

    assert here["north_lake"].place() == f"{root}/data/north"
    assert str(here["north_sonnys"].settings().state_dir) == f"{root}/.sonnys/north"
    assert away["north_lake"].place() == "s3://bucket/lake/north"


def test_other_settings_are_checked():
    """Those of docs/settings.md; a misspelled one would silently be the default."""
    settings = built(settings={"max_retries": 7, "pii": "drop"}).resources["north_sonnys"].settings()

    assert (settings.max_retries, settings.pii) == (7, "drop")
    with pytest.raises(SettingsError, match=r"account north: pi: no such setting"):
        built(settings={"pi": "drop"})
