"""The models of `dbt/` as assets, behind those of the account that they read."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, DbtProject, dbt_assets

PROJECT = DbtProject(Path(__file__).parents[3] / "dbt")
PROJECT.prepare_if_dev()


class Translator(DagsterDbtTranslator):
    """Says what dbt does not: which keys its models have, and when they are made again.

    Sources need nothing: the file that `sonnys dbt-sources` wrote names the key of each asset.
    """

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Models begin with `dbt`."""
        key = super().get_asset_key(dbt_resource_props)
        return key if dbt_resource_props["resource_type"] == "source" else key.with_prefix("dbt")

    def get_automation_condition(
        self,
        dbt_resource_props: Mapping[str, Any],  # noqa: ARG002 - the same for all models
    ) -> dg.AutomationCondition[Any] | None:
        """When a day was landed or a mart computed, whichever other days are missing."""
        return dg.AutomationCondition.eager().without(~dg.AutomationCondition.any_deps_missing())


@dbt_assets(
    manifest=PROJECT.manifest_path,
    project=PROJECT,
    dagster_dbt_translator=Translator(settings=DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True)),
)
def models(context: dg.AssetExecutionContext, dbt: DbtCliResource) -> Iterator[Any]:
    """Build the models, and test them and their sources."""
    yield from dbt.cli(["build"], context=context).stream()


defs = dg.Definitions(assets=[models], resources={"dbt": DbtCliResource(project_dir=PROJECT)})
