"""`transactions` laid flat: `line_items`, `tenders`, `discounts`, a file a day each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import dagster as dg
import pyarrow as pa

from sonnys_pipeline.lake.engines.sessions import CountedRows
from sonnys_pipeline.marts import flat_tables as tables
from sonnys_pipeline.marts.incremental.inputs import MartInputs, Recipe, metadata_of
from sonnys_pipeline.marts.incremental.staleness import unchanged_days
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.events.day_files import DayFiles, DayTable
from sonnys_pipeline.orchestration.events.kept import days_to_make
from sonnys_pipeline.orchestration.events.metadata import totals
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource

TABLES_GROUP = "tables"


@dataclass(frozen=True)
class FlatTable(DayTable):
    """One of the three; raise its recipe's version when rows or columns become others. The UI sums up `totals`."""

    function: Callable[[CountedRows], pa.Table]
    totals: Sequence[str]


FLAT_TABLES = (
    FlatTable(
        Recipe("line_items", "1", by_site_day=False),
        tables.LINE_ITEMS,
        tables.LINE_ITEMS_LINEAGE,
        tables.line_items,
        ("gross", "net", "discount", "tax"),
    ),
    FlatTable(
        Recipe("tenders", "1", by_site_day=False),
        tables.TENDERS,
        tables.TENDERS_LINEAGE,
        tables.tenders,
        ("total",),
    ),
    FlatTable(
        Recipe("discounts", "1", by_site_day=False),
        tables.DISCOUNTS,
        tables.DISCOUNTS_LINEAGE,
        tables.discounts,
        ("discount",),
    ),
)


def table_assets(
    partitions: dg.DailyPartitionsDefinition,
    follow: Callable[[Recipe], dg.AutomationCondition[dg.AssetKey]],
    account: Account = ONLY,
) -> Sequence[dg.AssetsDefinition]:
    """The flat tables of an account; `follow` says when one is computed by itself."""
    return [_table_asset(table, partitions, follow(table.recipe), account) for table in FLAT_TABLES]


def _table_asset(
    table: FlatTable,
    partitions: dg.DailyPartitionsDefinition,
    condition: dg.AutomationCondition[dg.AssetKey],
    account: Account,
) -> dg.AssetsDefinition:
    @dg.asset(
        **table.options(partitions, account),
        description=(table.function.__doc__ or "").partition("\n")[0],
        group_name=account.group(TABLES_GROUP),
        deps=[account.key("transactions")],
        automation_condition=condition,
    )
    def flat_table(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[Any]:
        try:
            workspace = account.workspace(lake)
            landed_in = workspace.lake
            inputs = MartInputs(landed_in, partitions.timezone, engine=workspace.engine)
            files = DayFiles(table, context, account, landed_in)
            inputs.require(table.recipe, context.partition_keys)
            same = partial(unchanged_days, landed_in, inputs, table.recipe)
            for day in days_to_make(context, account, same):
                # Day after day, so that a range takes no more memory than its largest day. Digests come before the
                # rows: a file that is replaced in between then makes the table stale, and never the other way about.
                kept = metadata_of(
                    inputs.digests(table.recipe, [day])[day], inputs.recorded_inputs(table.recipe, day, [day])
                )  # fmt: skip
                rows = landed_in.consistently(lambda day=day: table.function(inputs.rows(table.recipe, [day])))  # type: ignore[misc] # bound now
                files.land(day, rows, kept, totals(rows, table.totals))
        except EXPECTED as error:
            raise as_failure(error) from error
        return dg.MaterializeResult()

    return flat_table
