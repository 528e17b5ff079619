"""`build_defs`: all definitions, for the code location, for tests, and for users who add assets."""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import dagster as dg

from sonnys_pipeline.config.given import GivenSettings
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.assets.all_accounts import ALL, across_assets, across_checks
from sonnys_pipeline.orchestration.assets.daily_report import report_asset
from sonnys_pipeline.orchestration.assets.dimensions import dimension_assets
from sonnys_pipeline.orchestration.assets.facts import fact_assets
from sonnys_pipeline.orchestration.assets.flat_tables import table_assets
from sonnys_pipeline.orchestration.assets.frequency.washes import frequency_asset
from sonnys_pipeline.orchestration.assets.marts import mart_assets
from sonnys_pipeline.orchestration.assets.members import member_assets
from sonnys_pipeline.orchestration.assets.people_marts.daily import people_mart_assets
from sonnys_pipeline.orchestration.assets.transactions import LANDING_GROUP, landing_assets
from sonnys_pipeline.orchestration.assets.transactions_today import today_asset
from sonnys_pipeline.orchestration.automation.alerts import alerts_sensor
from sonnys_pipeline.orchestration.automation.conditions import following, marts_sensor
from sonnys_pipeline.orchestration.automation.lists import (
    dimensions_job,
    dimensions_schedule,
    people_job,
    people_schedule,
)
from sonnys_pipeline.orchestration.automation.looks import look_job, looks_sensor
from sonnys_pipeline.orchestration.automation.missed_mornings import missed_mornings_sensor
from sonnys_pipeline.orchestration.automation.schedules import daily_job, reconcile_with_api_job, schedules, watch_job
from sonnys_pipeline.orchestration.automation.verify import verify_job, verify_schedule
from sonnys_pipeline.orchestration.catalog import in_catalog
from sonnys_pipeline.orchestration.checks.all_days import watch_checks
from sonnys_pipeline.orchestration.checks.api import api_checks
from sonnys_pipeline.orchestration.checks.changes import changes_check
from sonnys_pipeline.orchestration.checks.dimensions import dimension_checks
from sonnys_pipeline.orchestration.checks.landed_days import landing_checks
from sonnys_pipeline.orchestration.checks.marts import mart_checks
from sonnys_pipeline.orchestration.checks.people import people_checks
from sonnys_pipeline.orchestration.checks.quality import quality_checks
from sonnys_pipeline.orchestration.checks.sites import site_checks
from sonnys_pipeline.orchestration.checks.verified import verified_checks
from sonnys_pipeline.orchestration.components.choice import checks_of, left_out
from sonnys_pipeline.orchestration.components.renaming import assets_with_resources, checks_with_resources
from sonnys_pipeline.orchestration.components.resources import GivenLakeResource, GivenSonnysResource
from sonnys_pipeline.orchestration.execution import executor_of, in_runs_of
from sonnys_pipeline.orchestration.io_manager import LakeIOManager
from sonnys_pipeline.orchestration.partitions import daily_partitions
from sonnys_pipeline.orchestration.resources import LakeResource, SonnysAccountsResource, SonnysResource
from sonnys_pipeline.quality.late_edits import Looks

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Parts:
    """Definitions by kind, collected over the accounts."""

    assets: list[dg.AssetsDefinition] = field(default_factory=list)
    checks: list[dg.AssetChecksDefinition] = field(default_factory=list)
    jobs: list[Any] = field(default_factory=list)
    schedules: list[dg.ScheduleDefinition] = field(default_factory=list)
    sensors: list[dg.SensorDefinition] = field(default_factory=list)


def build_defs(
    resource_overrides: Mapping[str, Any] | None = None,
    settings: Settings | None = None,
    *,
    account: Account = ONLY,
    embedded: bool = False,
    describe: Callable[[dg.AssetSpec], dg.AssetSpec] = lambda spec: spec,
) -> dg.Definitions:
    """All definitions: of each account, and across accounts where there are several.

    Args:
        resource_overrides: resources by usual name (`sonnys`, `lake`, `lake_io`) that replace the default ones.
        settings: zone and first day of the partitions, and how runs are executed; by default from the environment.
            `GivenSettings` are those of one account, and nothing is read from the environment.
        account: what definitions are called, and which there are; its name selects one of several accounts.
        embedded: leave out what a code location has only once, the executor and the sensor `alerts`, so that the
            result can be merged into definitions that have their own.
        describe: changes what the catalog says of an asset, but not its key.
    """
    names: Sequence[str] = ()
    lake: LakeResource
    sonnys: SonnysResource
    if isinstance(settings, GivenSettings):
        account = replace(account, name=settings.account_name, owns_resources=True)
        sonnys, lake = GivenSonnysResource.of(settings), GivenLakeResource.of(settings)
    else:
        settings, lake = settings or Settings.load(), LakeResource()
        names = [account.name] if account.name else Settings.accounts()
        sonnys = SonnysAccountsResource() if names else SonnysResource()
    resources = {"sonnys": sonnys, "lake": lake, "lake_io": LakeIOManager(lake=lake)}
    resources |= resource_overrides or {}
    # Conditions read the same lake as the assets, unless a stand-in is not a LakeResource.
    looked_into = lake if not isinstance(own := resources["lake"], LakeResource) else own
    parts = _Parts()
    if not embedded:
        parts.sensors.append(
            alerts_sensor(timezone=settings.timezone, name=replace(account, name=None).named("alerts"))
        )
    with warnings.catch_warnings():
        # One run over many partitions, and custom conditions, are beta in Dagster 1.13; decision 3 relies on them, and
        # every command would show the warnings.
        warnings.simplefilter("ignore", dg.BetaWarning)
        if not names:
            _add_account(parts, account, daily_partitions(settings), looked_into, settings)
        else:
            read = {replace(account, name=name): _readable(name) for name in names}
            accounts = {one: daily_partitions(its) for one, its in read.items()}
            for one, partitions in accounts.items():
                _add_account(parts, one, partitions, looked_into, read[one])
            if not account.name:
                first = min(its.start_date for its in read.values())
                every = daily_partitions(settings.model_copy(update={"start_date": first}))
                _add_across(parts, every, accounts, looked_into)
        in_runs = in_runs_of(parts.assets, settings.days_per_run)
        listed = in_catalog(in_runs, lake_format=settings.lake_format, engine=settings.engine)
        assets = [one.map_asset_specs(describe) for one in listed]
        renamed = account.resource_names
        return dg.Definitions(
            assets=[assets_with_resources(one, renamed, account.op_tags) for one in assets],
            asset_checks=[
                checks_with_resources(one, renamed, account.op_tags) for one in checks_of(parts.checks, assets)
            ],
            jobs=parts.jobs,
            schedules=parts.schedules,
            sensors=parts.sensors,
            resources={renamed.get(name, name): resource for name, resource in resources.items()},
            executor=None if embedded else executor_of(settings),
        )


def _readable(name: str) -> Settings:
    """An account's settings as far as they can be read, so that the others load; its own steps fail with the error."""
    settings, wrong = Settings.load_lenient(name)
    if wrong is not None:
        logger.warning("Account %s: %s", name, wrong)
    return settings


def _add_account(
    parts: _Parts,
    account: Account,
    partitions: dg.DailyPartitionsDefinition,
    looked_into: LakeResource,
    settings: Settings,
) -> None:
    looks = Looks.of(settings.revisit)
    follow = following(looked_into, partitions.timezone, account)
    computed = [
        *table_assets(partitions, follow, account),
        *mart_assets(partitions, follow, account),
        frequency_asset(partitions, looked_into, account),
        *member_assets(partitions, looked_into, account),
        *people_mart_assets(partitions, looked_into, account),
        report_asset(partitions, looked_into, account),
    ]
    listed = [dimension_assets(account), fact_assets(partitions, account)]
    dimensions, facts = account.choice.of_resources(listed)
    computed = account.choice.of_marts(computed, left_out(listed, [dimensions, facts]))
    watched = [
        *watch_checks(partitions, account=account),
        *verified_checks(partitions.timezone, account),
        *site_checks(account),
    ]
    beside = api_checks(partitions.timezone, account)
    job, watch, verify = daily_job(computed, account), watch_job(watched, account), verify_job(account)
    parts.assets.extend(
        [*landing_assets(partitions, account, with_states=settings.states != "off", looks=looks), *computed]
    )
    parts.checks.extend(landing_checks(partitions.timezone, account))
    parts.checks.extend(
        [*quality_checks(account), *beside, *watched, *mart_checks(account), changes_check(account, looks)]
    )
    parts.jobs.extend([job, watch, verify, reconcile_with_api_job(beside, account)])
    parts.schedules.extend(schedules(partitions, job, watch, looked_into, account))
    parts.schedules.append(verify_schedule(verify, partitions.timezone, account))
    if dimensions:
        parts.assets.extend(dimensions)
        parts.jobs.append(lists := dimensions_job(dimensions, account))
        parts.schedules.append(dimensions_schedule(lists, partitions.timezone, account))
    if facts:
        parts.assets.extend(facts)
        parts.jobs.append(people := people_job(facts, account))
        parts.schedules.append(people_schedule(people, partitions, account))
    parts.checks.extend([*dimension_checks(account), *people_checks(account)])
    if computed:
        parts.sensors.append(marts_sensor(dg.AssetSelection.assets(*computed), account))
    parts.sensors.append(missed_mornings_sensor(partitions, job, looked_into, account))
    if settings.today_every is not None:
        look = look_job(account)
        parts.assets.append(today_asset(LANDING_GROUP, account))
        parts.jobs.append(look)
        parts.sensors.append(looks_sensor(look, settings.today_every, account))


def _add_across(
    parts: _Parts,
    partitions: dg.DailyPartitionsDefinition,
    accounts: Mapping[Account, dg.DailyPartitionsDefinition],
    looked_into: LakeResource,
) -> None:
    across = across_assets(partitions, accounts, looked_into)
    parts.assets.extend(across)
    parts.checks.extend(across_checks())
    parts.sensors.append(
        marts_sensor(dg.AssetSelection.assets(*across), replace(ALL, prefix=next(iter(accounts)).prefix))
    )
