"""`labor_daily` and `giftcard_liability`, by site and business day. A partition is a business date.

They follow their inputs by themselves and are not part of the morning's run, so that nothing is computed where the
lists are not landed.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import NotLandedError
from sonnys_pipeline.marts.columns import ColumnSource
from sonnys_pipeline.marts.incremental.inputs import SITE_DAY_RECIPE, SITES, Recipe, metadata_of
from sonnys_pipeline.marts.people import columns
from sonnys_pipeline.marts.people.inputs import LABOR_RECIPE, DayInputs, LaborInputs, inputs_of, outdated_days
from sonnys_pipeline.marts.people.liability import GIFTCARDS, WASHBOOKS
from sonnys_pipeline.marts.people.liability_inputs import LIABILITY_RECIPE, LiabilityInputs
from sonnys_pipeline.marts.people.shifts import CLOCK_ENTRIES
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.assets.marts import MARTS_GROUP
from sonnys_pipeline.orchestration.automation.conditions import Outdated, idle_and
from sonnys_pipeline.orchestration.events.metadata import (
    column_lineage,
    column_metadata,
    file_metadata,
    reasons_of,
    rows_as_markdown,
    totals,
    unknown_figures,
)
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.runtime.text import first_few

#: Reasons that a log line names; the metadata names all.
_NAMED = 5


@dataclass(frozen=True)
class PeopleTable:
    """One of these tables.

    Attributes:
        recipe: its asset and version.
        read_from: assets that it is computed from.
        inputs: opens the inputs in a lake, with the zone of the partitions.
        description, schema, lineage: what the catalog says.
        totals: columns whose sums the UI shows.
        shown: columns that the UI shows site by site.
    """

    recipe: Recipe
    read_from: Sequence[str]
    inputs: Callable[[Lake, str], DayInputs]
    description: str
    schema: pa.Schema
    lineage: Mapping[str, Sequence[ColumnSource]]
    totals: Sequence[str]
    shown: Sequence[str]


PEOPLE_TABLES = (
    PeopleTable(
        LABOR_RECIPE,
        (CLOCK_ENTRIES, SITE_DAY_RECIPE.asset, SITES),
        LaborInputs,
        "Per site and business day: hours worked, overtime, labor cost, shifts and open shifts, cars per labor hour, "
        "labor cost per car, labor share of sales. A shift belongs to the business day of its clock-in, in the site's "
        "local time; an open one counts up to the reading. A figure is null if an input is not landed or pay is not "
        "kept; the column `unknown` says which.",
        columns.LABOR_DAILY,
        columns.LABOR_DAILY_LINEAGE,
        ("shifts", "open_shifts", "labor_hours", "overtime_hours", "labor_cost"),
        ("site", "labor_hours", "labor_cost", "cars_per_labor_hour", "labor_cost_per_car", "open_shifts"),
    ),
    PeopleTable(
        LIABILITY_RECIPE,
        (GIFTCARDS, WASHBOOKS, SITES),
        LiabilityInputs,
        "Per site and day: gift cards, their value, what was used of it and what is owed to their holders; washbooks, "
        "and prepaid washes outstanding. As the lists were read on the day or, if they were not, before it.",
        columns.GIFTCARD_LIABILITY,
        columns.GIFTCARD_LIABILITY_LINEAGE,
        ("cards", "undated_cards", "sold_value", "used_value", "liability", "washbooks", "washes_outstanding"),
        ("site", "cards", "liability", "washbooks", "washes_outstanding"),
    ),
)


class PeopleInputsChanged(Outdated):
    """Days of which the inputs changed since the file was computed."""

    def __init__(self, table: PeopleTable, lake: LakeResource, timezone: str, account: Account = ONLY) -> None:
        super().__init__(lake, account)
        self._table = table
        self._timezone = timezone

    def outdated(self, lake: Lake, days: Sequence[str], warn: Callable[[str], None]) -> dict[str, str]:
        """As `outdated_days` finds them."""
        return outdated_days(lake, self._table.recipe.asset, self._table.inputs(lake, self._timezone), days, warn)


def people_mart_assets(
    partitions: dg.DailyPartitionsDefinition, follows_in: LakeResource, account: Account = ONLY
) -> Sequence[dg.AssetsDefinition]:
    """These tables of an account; `follows_in` is the lake whose changes they follow."""
    return [_asset(table, partitions, follows_in, account) for table in PEOPLE_TABLES]


def _asset(
    table: PeopleTable, partitions: dg.DailyPartitionsDefinition, follows_in: LakeResource, account: Account
) -> dg.AssetsDefinition:
    changed = PeopleInputsChanged(table, follows_in, partitions.timezone, account)

    @dg.asset(
        key=account.key(table.recipe.asset),
        description=table.description,
        group_name=account.group(MARTS_GROUP),
        kinds={"parquet", "duckdb"},
        io_manager_key="lake_io",
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[account.key(asset) for asset in table.read_from],
        code_version=table.recipe.version,
        automation_condition=idle_and(changed, "follows its inputs"),
        metadata=column_metadata(table.schema, table.lineage, account),
        output_required=False,
    )
    def people_table(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator[dg.MaterializeResult[Any]]:
        try:
            landed_in = account.workspace(lake).lake
            inputs = table.inputs(landed_in, partitions.timezone)
            if _is_taken_along(context) and not set(inputs.landed).intersection(context.partition_keys):
                context.log.warning(
                    "%s of these days is not landed, so nothing is computed; materialize it first", table.read_from[0]
                )
                return
            reasons = _land(context, table, landed_in, inputs, account)
        except EXPECTED as error:
            raise as_failure(error) from error
        if reasons:
            context.log.warning(
                "%d site days have figures that are not known: %s",
                len(reasons),
                first_few(reasons, _NAMED, separator="; "),
            )
        yield dg.MaterializeResult()

    return people_table


def _is_taken_along(context: dg.AssetExecutionContext) -> bool:
    """Whether the run is for more than this table, such as a selection of all that stands downstream of something."""
    return len(set(context.job_def.asset_layer.executable_asset_keys)) > 1


def _land(
    context: dg.AssetExecutionContext, table: PeopleTable, lake: Lake, inputs: DayInputs, account: Account
) -> list[str]:
    """Compute and land the days of a run; returns why figures of them are not known.

    Raises:
        NotLandedError: no input of one of the days is landed.
        LakeError: a file cannot be read or written.
    """
    days = list(context.partition_keys)
    if missing := [day for day in days if day not in inputs.landed]:
        raise NotLandedError.of(table.read_from[0], missing)
    # Before the rows are counted: a file that is replaced in between makes the mart stale, never the other way about.
    recorded, digests = {day: inputs_of(inputs, day) for day in days}, inputs.digests(days)
    counted = lake.consistently(lambda: inputs.count(days))
    for day in days:
        rows = counted.filter(pc.equal(counted["business_date"], pa.scalar(date.fromisoformat(day))))
        kept = metadata_of(digests[day], recorded[day], rows=rows)
        landed = lake.land(table.recipe.asset, rows, partition=day, metadata=kept)
        metadata = {
            **file_metadata(landed, rows, partitioned=True),
            **column_lineage(table.lineage, account),
            **totals(rows, table.totals),
            "sites": dg.MetadataValue.md(rows_as_markdown(rows, table.shown)),
            **unknown_figures(rows),
        }
        context.add_asset_metadata(metadata, partition_key=day)
    return reasons_of(counted)
