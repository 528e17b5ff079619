"""KPIs across accounts, such as `all_accounts/site_day_kpis`: marts of all accounts, the account in a column.

They are made of the marts that the accounts have landed of a business day, by themselves whenever one of these counts
other rows. An account whose day is not landed is named in the metadata, and by a check that warns.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import dagster as dg
import pyarrow as pa

from sonnys_pipeline.config.accounts import ALL_ACCOUNTS
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.incremental.inputs import missing_site_days
from sonnys_pipeline.marts.members.columns import MEMBERSHIP_MOVEMENT
from sonnys_pipeline.marts.members.landed import MOVEMENT
from sonnys_pipeline.orchestration.account import Account
from sonnys_pipeline.orchestration.assets.all_accounts_inputs import (
    account_lakes,
    changed_days,
    day_of_all,
    with_account,
)
from sonnys_pipeline.orchestration.assets.marts import KPI_TABLES
from sonnys_pipeline.orchestration.assets.members import (
    MOVEMENT_DESCRIPTION,
    MOVEMENT_TOTALS,
    MOVEMENT_VERSION,
)
from sonnys_pipeline.orchestration.assets.people_marts.daily import PEOPLE_TABLES
from sonnys_pipeline.orchestration.automation.conditions import Outdated, idle_and
from sonnys_pipeline.orchestration.catalog import table_schema
from sonnys_pipeline.orchestration.checks.evaluations import days_of, evaluation
from sonnys_pipeline.orchestration.events.metadata import Metadata, file_metadata, totals, unknown_figures
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource


class Together(NamedTuple):
    """A mart that is put together: its columns, and those whose sums the UI shows."""

    asset: str
    version: str
    description: str
    schema: pa.Schema
    totals: Sequence[str]


#: Figures by the hour are an account's own matter.
_TABLES = (
    *(
        Together(table.recipe.asset, table.recipe.version, table.description, table.schema, table.totals)
        for table in (*KPI_TABLES, *PEOPLE_TABLES)
        if table.recipe.asset != "site_hour_kpis"
    ),
    Together(MOVEMENT, MOVEMENT_VERSION, MOVEMENT_DESCRIPTION, MEMBERSHIP_MOVEMENT, MOVEMENT_TOTALS),
)
#: Of the putting together: raise it when rows or columns become others.
_VERSION = "1"
#: Stands where an account's name would: these assets, and their folder in the lake.
ALL = Account(ALL_ACCOUNTS)


class AccountsChanged(Outdated):
    """Business days of which an account's mart counts other rows than when they were put together."""

    def __init__(self, asset: str, version: str, lake: LakeResource, accounts: Sequence[str]) -> None:
        super().__init__(lake, ALL)
        self._asset, self._version = asset, version
        self._accounts = accounts

    @property
    def name(self) -> str:
        """What the UI calls it."""
        return "accounts_changed"

    @property
    def description(self) -> str:
        """What the UI says of it."""
        return "An account's mart changed since this file was computed, or there is no file yet"

    def outdated(self, lake: Lake, days: Sequence[str], warn: Callable[[str], None]) -> dict[str, str]:
        """As `changed_days` finds them."""
        found = account_lakes(self._accounts, self._lake)
        for one in found:
            if one.problem:
                warn(f"{ALL_ACCOUNTS}/{self._asset} is made without {one.name}: {one.problem}")
        return changed_days(found, lake, self._asset, days, self._version)


def across_assets(
    partitions: dg.DailyPartitionsDefinition,
    accounts: Mapping[Account, dg.DailyPartitionsDefinition],
    follows_in: LakeResource,
) -> Sequence[dg.AssetsDefinition]:
    """The tables across accounts; `follows_in` is the lake in which the accounts' marts are looked at."""
    return [_across_asset(table, partitions, accounts, follows_in) for table in _TABLES]


def _across_asset(
    table: Together,
    partitions: dg.DailyPartitionsDefinition,
    accounts: Mapping[Account, dg.DailyPartitionsDefinition],
    follows_in: LakeResource,
) -> dg.AssetsDefinition:
    asset, version = table.asset, f"{table.version}.{_VERSION}"
    names = [account.name for account in accounts if account.name]
    condition = idle_and(AccountsChanged(asset, version, follows_in, names), "follows the accounts' marts")

    @dg.asset(
        key=ALL.key(asset),
        group_name=ALL_ACCOUNTS,
        description=f"`{asset}` of all accounts, with the account in the first column. {table.description}",
        kinds={"parquet"},
        io_manager_key="lake_io",
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[
            dg.AssetDep(account.key(asset), partition_mapping=_same_day(partitions, its))
            for account, its in accounts.items()
        ],
        code_version=version,
        automation_condition=condition,
        metadata={"dagster/column_schema": dg.MetadataValue.table_schema(table_schema(with_account(table.schema)))},
    )
    def across_table(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[Any]:
        try:
            landed_in, found = ALL.workspace(lake).lake, account_lakes(names, lake)
            for day in context.partition_keys:
                whole = day_of_all(found, asset, table.schema, day, version)
                landed = landed_in.land(asset, whole.rows, partition=day, metadata=whole.metadata)
                metadata: Metadata = {
                    **file_metadata(landed, whole.rows, partitioned=True),
                    **totals(whole.rows, table.totals),
                    **unknown_figures(whole.rows),
                    "rows_by_account": dg.MetadataValue.json(whole.counted),
                    "accounts_missing": dg.MetadataValue.json(list(whole.missing)),
                }
                context.add_asset_metadata(metadata, partition_key=day)
                if whole.missing:
                    context.log.warning("%s lacks accounts: %s", day, "; ".join(whole.missing))
        except EXPECTED as error:
            raise as_failure(error) from error
        return dg.MaterializeResult()

    return across_table


def across_checks() -> Sequence[dg.AssetChecksDefinition]:
    """A check a table; they warn, since what is in the table is right."""
    return [_accounts_complete(table.asset) for table in _TABLES]


def _accounts_complete(asset: str) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=ALL.key(asset))
    def accounts_complete(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> dg.AssetCheckResult:
        """Every account whose first partition is not later has the day landed."""
        try:
            landed = ALL.workspace(lake).lake
            days = days_of(context, landed, asset)
            found = {day: missing_site_days(landed, asset, day) for day in days}
        except EXPECTED as error:
            raise as_failure(error) from error
        key = context.check_specs[0].key
        return evaluation(context, key, found, dg.AssetCheckSeverity.WARN, good="every account has the day")

    return accounts_complete


def _same_day(downstream: dg.DailyPartitionsDefinition, upstream: dg.DailyPartitionsDefinition) -> dg.PartitionMapping:
    """The same date, by whatever clock; days before an account began are nothing to wait for."""
    if upstream.timezone == downstream.timezone:
        return dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)
    return dg.IdentityPartitionMapping()
