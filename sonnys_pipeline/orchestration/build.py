"""`build_defs`: all definitions in one, for the code location, for tests, and for users who add assets."""

import warnings
from collections.abc import Mapping
from typing import Any

import dagster as dg

from sonnys_pipeline.orchestration.assets import downstream_assets, landing_assets
from sonnys_pipeline.orchestration.automation import daily_job, schedules
from sonnys_pipeline.orchestration.checks import landing_checks
from sonnys_pipeline.orchestration.partitions import daily_partitions
from sonnys_pipeline.orchestration.resources import LakeIOManager, LakeResource, SonnysResource
from sonnys_pipeline.settings import Settings


def build_defs(resource_overrides: Mapping[str, Any] | None = None, settings: Settings | None = None) -> dg.Definitions:
    """Everything that Dagster shows.

    Args:
        resource_overrides: resources by name (`sonnys`, `lake`, `lake_io`) to be used instead of the default ones.
        settings: zone and first day of the partitions; left out, from the environment.

    Returns:
        Definitions whose runs execute in one process: days share one client, and starting processes costs more than
        the steps themselves.
    """
    partitions = daily_partitions(settings or Settings.load())
    lake = LakeResource()
    resources = {"sonnys": SonnysResource(), "lake": lake, "lake_io": LakeIOManager(lake=lake)}
    resources |= resource_overrides or {}
    job = daily_job()
    with warnings.catch_warnings():
        # One run over many partitions is beta in Dagster 1.13; it is what this house is built on (DESIGN, decision 3),
        # and the warning would greet every command of every user.
        warnings.simplefilter("ignore", dg.BetaWarning)
        assets = [*landing_assets(partitions), *downstream_assets(partitions)]
    return dg.Definitions(
        assets=assets,
        asset_checks=landing_checks(),
        jobs=[job],
        schedules=schedules(partitions, job),
        resources=resources,
        executor=dg.in_process_executor,
    )
