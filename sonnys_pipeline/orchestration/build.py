"""`build_defs`: all definitions in one, for the code location, for tests, and for users who add assets."""

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from sonnys_pipeline.orchestration.alerts import alerts_sensor
from sonnys_pipeline.orchestration.api_checks import api_checks
from sonnys_pipeline.orchestration.assets import landing_assets
from sonnys_pipeline.orchestration.automation import beside_the_api_job, daily_job, schedules, watch_job
from sonnys_pipeline.orchestration.checks import landing_checks
from sonnys_pipeline.orchestration.conditions import following, marts_sensor
from sonnys_pipeline.orchestration.execution import executor_of, in_runs_of
from sonnys_pipeline.orchestration.inputs import LakeIOManager
from sonnys_pipeline.orchestration.mart_checks import mart_checks
from sonnys_pipeline.orchestration.marts import mart_assets
from sonnys_pipeline.orchestration.partitions import daily_partitions
from sonnys_pipeline.orchestration.quality_checks import quality_checks
from sonnys_pipeline.orchestration.report import report_asset
from sonnys_pipeline.orchestration.resources import LakeResource, SonnysResource
from sonnys_pipeline.orchestration.tables import table_assets
from sonnys_pipeline.orchestration.watch import watch_checks
from sonnys_pipeline.settings import Settings


def build_defs(resource_overrides: Mapping[str, Any] | None = None, settings: Settings | None = None) -> dg.Definitions:
    """Everything that Dagster shows.

    Args:
        resource_overrides: resources by name (`sonnys`, `lake`, `lake_io`) to be used instead of the default ones.
        settings: zone and first day of the partitions, and how runs are executed; left out, from the environment.

    Returns:
        Definitions whose runs execute in one process, unless the settings say otherwise.
    """
    settings = settings or Settings.load()
    partitions = daily_partitions(settings)
    lake = LakeResource()
    resources = {"sonnys": SonnysResource(), "lake": lake, "lake_io": LakeIOManager(lake=lake)}
    resources |= resource_overrides or {}
    # The conditions look into the same lake as the assets; a stand-in that is no LakeResource has none to look into.
    looked_into = lake if not isinstance(own := resources["lake"], LakeResource) else own
    follow = following(looked_into, partitions.timezone)
    watched, beside = watch_checks(partitions), api_checks(partitions.timezone)
    with warnings.catch_warnings():
        # One run over many partitions, and conditions of our own, are beta in Dagster 1.13; it is what this house is
        # built on (DESIGN, decision 3), and the warnings would greet every command of every user.
        warnings.simplefilter("ignore", dg.BetaWarning)
        report = report_asset(partitions, looked_into)
        computed = [*table_assets(partitions, follow), *mart_assets(partitions, follow), report]
        assets = in_runs_of([*landing_assets(partitions), *computed], settings.days_per_run)
        follows = marts_sensor(dg.AssetSelection.assets(*computed))
    job, watch = daily_job(), watch_job(watched)
    return dg.Definitions(
        assets=assets,
        asset_checks=[*landing_checks(partitions.timezone), *quality_checks(), *beside, *watched, *mart_checks()],
        jobs=[job, watch, beside_the_api_job(beside)],
        schedules=schedules(partitions, job, watch),
        sensors=[follows, alerts_sensor()],
        resources=resources,
        executor=executor_of(settings),
    )
