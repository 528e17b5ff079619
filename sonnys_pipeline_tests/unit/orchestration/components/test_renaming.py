"""EC-01: definitions that ask for their resources by other names do what they did before."""

from collections.abc import Iterator

import dagster as dg

from sonnys_pipeline.orchestration.components.renaming import (
    assets_with_resources,
    checks_with_resources,
    op_with_resources,
)
from sonnys_pipeline.orchestration.resources import LakeResource

NAMES = {"lake": "north_lake", "lake_io": "north_lake_io"}


class Wanted(dg.Config):
    """A run's configuration."""

    times: int = 1


class Kept(dg.IOManager):
    """Remembers what it was given."""

    def __init__(self) -> None:
        self.values: dict[str, object] = {}

    def handle_output(self, context: dg.OutputContext, obj: object) -> None:
        self.values[context.asset_key.to_user_string()] = obj

    def load_input(self, context: dg.InputContext) -> object:
        return self.values[context.asset_key.to_user_string()]


@dg.asset(io_manager_key="lake_io", code_version="7", kinds={"parquet"})
def place(config: Wanted, lake: LakeResource) -> str:
    """Where the lake is."""
    return str(lake.data_url) * config.times


@dg.asset
def length(context: dg.AssetExecutionContext, place: str) -> dg.MaterializeResult:
    """An input, and no resource."""
    return dg.MaterializeResult(metadata={"length": len(place)})


@dg.multi_asset_check(specs=[dg.AssetCheckSpec("one", asset="place"), dg.AssetCheckSpec("two", asset="place")])
def two(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> Iterator[dg.AssetCheckResult]:
    """A generator, which Dagster treats in another way than a function."""
    for name in ("one", "two"):
        yield dg.AssetCheckResult(passed=lake.data_url == "here", asset_key="place", check_name=name)


@dg.asset_check(asset="length")
def known(lake: LakeResource) -> dg.AssetCheckResult:
    """A function without a context."""
    return dg.AssetCheckResult(passed=lake.data_url == "here")


def test_assets_and_checks_get_the_renamed_resources():
    """Functions, generators, configurations and inputs, by the resources' new names alone."""
    io_manager = Kept()
    definitions = [
        *(assets_with_resources(one, NAMES) for one in (place, length)),
        *(checks_with_resources(one, NAMES) for one in (two, known)),
    ]

    result = dg.materialize(
        definitions,
        resources={"north_lake": LakeResource(data_url="here"), "north_lake_io": io_manager},
        run_config=dg.RunConfig(ops={"place": Wanted(times=2)}),
    )

    assert io_manager.values == {"place": "herehere"}
    (found,) = result.asset_materializations_for_node("length")
    assert found.metadata["length"].value == 8
    assert {one.check_name: one.passed for one in result.get_asset_check_evaluations()} == {
        "one": True, "two": True, "known": True
    }  # fmt: skip


def test_what_the_catalog_says_stays():
    """Description, kinds, version and key; and without names the definition itself is returned."""
    renamed = assets_with_resources(place, NAMES)

    assert renamed.get_asset_spec() == place.get_asset_spec()
    assert renamed.required_resource_keys == {"north_lake", "north_lake_io"}
    assert isinstance(checks_with_resources(two, NAMES), dg.AssetChecksDefinition)
    assert assets_with_resources(place, {}) is place
    assert checks_with_resources(two, {}) is two


def test_an_op_of_a_job():
    """As in the job that verifies landed days."""

    @dg.op
    def look(lake: LakeResource) -> str:
        return str(lake.data_url)

    @dg.job
    def looks() -> None:
        op_with_resources(look, NAMES)()

    result = looks.execute_in_process(resources={"north_lake": LakeResource(data_url="here")})

    assert result.output_for_node("look") == "here"
