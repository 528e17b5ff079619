"""The KPI tables: `site_day_kpis`, `site_hour_kpis`, `membership_daily`, `item_mix`. A partition is a business date.

A business day is local to its site and may lie in two partitions of `transactions`. A site's day is counted when all of
them are landed; until then it is left out and named, never counted by half.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import dagster as dg
import pyarrow as pa

from sonnys_pipeline.calendar.business_days import MissingDay, sites_without_zone
from sonnys_pipeline.lake.states import STATES
from sonnys_pipeline.marts import kpi_columns
from sonnys_pipeline.marts.incremental.inputs import (
    ITEM_RECIPE,
    SITE_DAY_RECIPE,
    SITES,
    TRANSACTIONS,
    CountDays,
    MartInputs,
    Recipe,
    metadata_of,
)
from sonnys_pipeline.marts.incremental.staleness import unchanged_days
from sonnys_pipeline.marts.kpis import site_day_kpis, site_hour_kpis
from sonnys_pipeline.marts.memberships import membership_daily
from sonnys_pipeline.marts.mixes import item_mix
from sonnys_pipeline.marts.people.shifts import CLOCK_ENTRIES
from sonnys_pipeline.marts.site_days import Mart
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.events.day_files import DayFiles, DayTable, of_day, warn_of
from sonnys_pipeline.orchestration.events.kept import days_to_make
from sonnys_pipeline.orchestration.events.metadata import (
    Metadata,
    reasons_of,
    rows_as_markdown,
    totals,
    unknown_figures,
)
from sonnys_pipeline.orchestration.events.plots import last_days
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource

MARTS_GROUP = "marts"


@dataclass(frozen=True)
class KpiTable(DayTable):
    """One of them; raise the version of its `recipe` when figures become others.

    The UI shows sums of `totals`, and `shown` site by site; that is empty for a table with many rows a site. The
    last days of columns in `plotted`, with the words for each, are plotted.
    """

    function: CountDays
    description: str
    totals: Sequence[str]
    shown: Sequence[str] = ()
    plotted: Mapping[str, str] = field(default_factory=dict)


_STATUS = (
    " Each column's description says how far its definition was checked. Days are in the site's local time. A figure "
    "is null if the API did not send a field that it needs; the column `unknown` says which."
)
KPI_TABLES = (
    KpiTable(
        SITE_DAY_RECIPE,
        kpi_columns.SITE_DAY_KPIS,
        kpi_columns.SITE_DAY_KPIS_LINEAGE,
        site_day_kpis,
        "Per site and business day: total and net cars, member, retail, free and eligible washes, new memberships, "
        "conversion rate, both also in lane, total and net sales, overpayments, plan and retail sales, average ticket, "
        "average wash price, discounts, voids, unsettled transactions." + _STATUS,
        (
            "total_cars",
            "net_cars",
            "sales",
            "net_sales",
            "overpayments",
            "new_memberships",
            "voided_transactions",
            "unsettled_transactions",
            "transactions",
        ),
        ("site", "total_cars", "net_cars", "member_washes", "new_memberships", "sales", "net_sales", "average_ticket"),
        plotted={"total_cars": "Cars", "sales": "Sales in dollars"},
    ),
    KpiTable(
        Recipe("site_hour_kpis", "4", by_site_day=True, with_labor=True),
        kpi_columns.SITE_HOUR_KPIS,
        kpi_columns.SITE_HOUR_KPIS_LINEAGE,
        site_hour_kpis,
        "Per site, business day and hour (in the site's local time): cars, sales, labor hours, labor cost, cars per "
        "labor hour. Labor is null where clock entries are not landed; `labor_unknown` says so." + _STATUS,
        ("cars", "sales"),
    ),
    KpiTable(
        Recipe("membership_daily", "3", by_site_day=True),
        kpi_columns.MEMBERSHIP_DAILY,
        kpi_columns.MEMBERSHIP_DAILY_LINEAGE,
        membership_daily,
        "Per site and business day: new memberships, upgrades, plan sales, recharges, member washes and their share "
        "of cars, conversion rate." + _STATUS,
        ("new_memberships", "plan_upgrades", "recharges", "member_washes", "plan_sales", "recharge_sales"),
        ("site", "new_memberships", "plan_upgrades", "recharges", "member_washes"),
    ),
    KpiTable(
        ITEM_RECIPE,
        kpi_columns.ITEM_MIX,
        kpi_columns.ITEM_MIX_LINEAGE,
        item_mix,
        "Per site, business day, department and item: pieces, gross, discount, net and their share of the day's net; "
        "voided lines in columns of their own." + _STATUS,
        ("quantity", "gross", "discount", "net", "voided_quantity", "voided_net"),
    ),
)


def mart_assets(
    partitions: dg.DailyPartitionsDefinition,
    follow: Callable[[Recipe], dg.AutomationCondition[dg.AssetKey]],
    account: Account = ONLY,
) -> Sequence[dg.AssetsDefinition]:
    """The KPI tables of an account; `follow` says when one is computed by itself."""
    return [_mart_asset(table, partitions, follow(table.recipe), account) for table in KPI_TABLES]


def _mart_asset(
    table: KpiTable,
    partitions: dg.DailyPartitionsDefinition,
    condition: dg.AutomationCondition[dg.AssetKey],
    account: Account,
) -> dg.AssetsDefinition:
    neighbours = dg.TimeWindowPartitionMapping(
        start_offset=-1, end_offset=1, allow_nonexistent_upstream_partitions=True
    )

    @dg.asset(
        **table.options(partitions, account),
        description=table.description,
        group_name=account.group(MARTS_GROUP),
        deps=[
            *(dg.AssetDep(account.key(asset), partition_mapping=neighbours) for asset in (TRANSACTIONS, STATES)),
            account.key(SITES),
            *([account.key(CLOCK_ENTRIES)] if table.recipe.with_labor else []),
        ],
        automation_condition=condition,
    )
    def kpi_table(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[Any]:
        try:
            workspace = account.workspace(lake)
            landed_in = workspace.lake
            inputs = MartInputs(landed_in, partitions.timezone, engine=workspace.engine)
            days = days_to_make(context, account, partial(unchanged_days, landed_in, inputs, table.recipe))
            read_from = inputs.require(table.recipe, days)
            # Before the rows are counted: a file that is replaced in between then makes the mart stale, and never the
            # other way about.
            digests = inputs.digests(table.recipe, days)
            remembered = {day: inputs.recorded_inputs(table.recipe, day, keys) for day, keys in read_from.items()}
            labor = {"clocked": inputs.clocked(days)} if table.recipe.with_labor else {}
            mart = inputs.count(partial(table.function, **labor), days)
            files = DayFiles(table, context, account, landed_in)
            for day in days:
                rows = of_day(mart.table, day)
                lacking = [one for one in mart.missing if one.business_date.isoformat() == day]
                kept = metadata_of(digests[day], remembered[day], lacking, rows)
                figures = {
                    **_figures(table, rows, complete=not lacking),
                    **unknown_figures(rows),
                    **_provenance(inputs, read_from[day], lacking),
                }
                is_plotted = day == days[-1] and table.plotted
                plots = partial(last_days, landed_in, table.recipe.asset, day, table.plotted) if is_plotted else dict
                files.land(day, rows, kept, figures, plots)
        except EXPECTED as error:
            raise as_failure(error) from error
        _warn(context, inputs, mart, account)
        return dg.MaterializeResult()

    return kpi_table


def _figures(table: KpiTable, rows: pa.Table, *, complete: bool) -> Metadata:
    found = totals(rows, table.totals, complete=complete)
    if table.shown:
        found["sites"] = dg.MetadataValue.md(rows_as_markdown(rows, table.shown))
    return found


def _provenance(inputs: MartInputs, partitions: Sequence[str], missing: Sequence[MissingDay]) -> Metadata:
    zones = "each site's own" if inputs.sites_are_landed else "the pipeline's, for all sites: `sites` is not landed"
    found: dict[str, dg.MetadataValue] = {
        "read_from": dg.MetadataValue.text(", ".join(partitions)),
        "zones": dg.MetadataValue.text(zones),
        "missing": dg.MetadataValue.json([str(day) for day in missing]),
    }
    if unknown := sites_without_zone(inputs.sites):
        found["sites_with_unknown_zone"] = dg.MetadataValue.text(", ".join(unknown))
    return found


def _warn(context: dg.AssetExecutionContext, inputs: MartInputs, mart: Mart, account: Account) -> None:
    if not inputs.sites_are_landed:
        context.log.warning(
            "`sites` is not landed: business days of all sites follow the pipeline's zone; land it: dagster asset "
            "materialize -m sonnys_pipeline.definitions --select %s",
            account.key(SITES).to_user_string(),
        )
    warn_of(context, "site days have figures that are not known", reasons_of(mart.table))
    warn_of(context, "site days are not counted", mart.missing)
