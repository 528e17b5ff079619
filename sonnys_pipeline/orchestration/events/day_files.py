"""Computed tables with a file a day: options that their assets share; landing the days of a run, with metadata."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypedDict

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.columns import ColumnSource
from sonnys_pipeline.marts.incremental.inputs import Recipe
from sonnys_pipeline.orchestration.account import Account
from sonnys_pipeline.orchestration.events.metadata import Metadata, column_lineage, column_metadata, file_metadata
from sonnys_pipeline.runtime.quoting import printable
from sonnys_pipeline.runtime.text import first_few

#: How many of many a log line names; the metadata names all.
_NAMED = 5


class DayOptions(TypedDict):
    """Options of `dagster.asset`."""

    key: dg.AssetKey
    kinds: set[str]
    io_manager_key: str
    partitions_def: dg.DailyPartitionsDefinition
    backfill_policy: dg.BackfillPolicy
    code_version: str
    metadata: Metadata


@dataclass(frozen=True)
class DayTable:
    """One of these tables: its asset and version, its columns and what they are computed from."""

    recipe: Recipe
    schema: pa.Schema
    lineage: Mapping[str, Sequence[ColumnSource]]

    def options(self, partitions: dg.DailyPartitionsDefinition, account: Account) -> DayOptions:
        """Of its asset in an account."""
        return {
            "key": account.key(self.recipe.asset),
            "kinds": {"parquet", "duckdb"},
            "io_manager_key": "lake_io",
            "partitions_def": partitions,
            "backfill_policy": dg.BackfillPolicy.single_run(),
            "code_version": self.recipe.version,
            "metadata": column_metadata(self.schema, self.lineage, account),
        }


@dataclass(frozen=True)
class DayFiles:
    """Files of such a table that a run writes."""

    table: DayTable
    context: dg.AssetExecutionContext
    account: Account
    lake: Lake

    def land(self, day: str, rows: pa.Table, kept: Mapping[str, str], figures: Metadata) -> None:
        """Write a day's file with the metadata `kept`, and show `figures` of it in the UI. Raises LakeError."""
        file = self.lake.land(self.table.recipe.asset, rows, partition=day, metadata=kept)
        lineage = column_lineage(self.table.lineage, self.account)
        metadata = {**file_metadata(file, rows, partitioned=True), **lineage, **figures}
        self.context.add_asset_metadata(metadata, partition_key=day)


def of_day(table: pa.Table, day: str) -> pa.Table:
    """The rows of a business day."""
    return table.filter(pc.equal(table["business_date"], pa.scalar(date.fromisoformat(day))))


def warn_of(context: dg.AssetExecutionContext, what: str, found: Sequence[object]) -> None:
    """Warn of what the days of a run lack: how many, `what`, and the first of them; nothing if there is none."""
    if found:
        named = first_few([str(one) for one in found], _NAMED, separator="; ")
        context.log.warning("%d %s: %s", len(found), what, printable(named))
