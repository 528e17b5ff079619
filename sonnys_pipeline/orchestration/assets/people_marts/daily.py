"""`labor_daily` and `giftcard_liability`, by site and business day. A partition is a business date.

They follow their inputs by themselves and are not part of the morning's run, so that nothing is computed where the
lists are not landed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.engines.sessions import Engine
from sonnys_pipeline.lake.errors import NotLandedError
from sonnys_pipeline.marts.incremental.inputs import SITE_DAY_RECIPE, SITES, metadata_of
from sonnys_pipeline.marts.people import columns
from sonnys_pipeline.marts.people.inputs import LABOR_RECIPE, DayInputs, LaborInputs, inputs_of, outdated_days
from sonnys_pipeline.marts.people.liability import GIFTCARDS, WASHBOOKS
from sonnys_pipeline.marts.people.liability_inputs import LIABILITY_RECIPE, LiabilityInputs
from sonnys_pipeline.marts.people.shifts import CLOCK_ENTRIES
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.assets.marts import MARTS_GROUP
from sonnys_pipeline.orchestration.automation.conditions import Outdated, idle_and
from sonnys_pipeline.orchestration.events.day_files import DayFiles, DayTable, of_day, warn_of
from sonnys_pipeline.orchestration.events.metadata import (
    reasons_of,
    rows_as_markdown,
    totals,
    unknown_figures,
)
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource


@dataclass(frozen=True)
class PeopleTable(DayTable):
    """One of these tables.

    Attributes:
        read_from: assets that it is computed from.
        inputs: opens the inputs in a lake, with the zone of the partitions.
        description: what the catalog says.
        totals: columns whose sums the UI shows.
        shown: columns that the UI shows site by site.
    """

    read_from: Sequence[str]
    inputs: Callable[[Lake, str], DayInputs]
    description: str
    totals: Sequence[str]
    shown: Sequence[str]


PEOPLE_TABLES = (
    PeopleTable(
        LABOR_RECIPE,
        columns.LABOR_DAILY,
        columns.LABOR_DAILY_LINEAGE,
        (CLOCK_ENTRIES, SITE_DAY_RECIPE.asset, SITES),
        LaborInputs,
        "Per site and business day: hours worked, overtime, labor cost, shifts and open shifts, cars per labor hour, "
        "labor cost per car, labor share of sales. A shift belongs to the business day of its clock-in, in the site's "
        "local time; an open one counts up to the reading. A figure is null if an input is not landed or pay is not "
        "kept; the column `unknown` says which.",
        ("shifts", "open_shifts", "labor_hours", "overtime_hours", "labor_cost"),
        ("site", "labor_hours", "labor_cost", "cars_per_labor_hour", "labor_cost_per_car", "open_shifts"),
    ),
    PeopleTable(
        LIABILITY_RECIPE,
        columns.GIFTCARD_LIABILITY,
        columns.GIFTCARD_LIABILITY_LINEAGE,
        (GIFTCARDS, WASHBOOKS, SITES),
        LiabilityInputs,
        "Per site and day: gift cards, their value, what was used of it and what is owed to their holders; washbooks, "
        "and prepaid washes outstanding. As the lists were read on the day or, if they were not, before it.",
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
        **table.options(partitions, account),
        description=table.description,
        group_name=account.group(MARTS_GROUP),
        deps=[account.key(asset) for asset in table.read_from],
        automation_condition=idle_and(changed, "follows its inputs"),
        output_required=False,
    )
    def people_table(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator[dg.MaterializeResult[Any]]:
        try:
            workspace = account.workspace(lake)
            inputs = table.inputs(workspace.lake, partitions.timezone)
            if _is_taken_along(context) and not set(inputs.landed).intersection(context.partition_keys):
                context.log.warning(
                    "%s of these days is not landed, so nothing is computed; materialize it first", table.read_from[0]
                )
                return
            reasons = _land(DayFiles(table, context, account, workspace.lake), table, inputs, workspace.engine)
        except EXPECTED as error:
            raise as_failure(error) from error
        warn_of(context, "site days have figures that are not known", reasons)
        yield dg.MaterializeResult()

    return people_table


def _is_taken_along(context: dg.AssetExecutionContext) -> bool:
    """Whether the run is for more than this table, such as a selection of all that stands downstream of something."""
    return len(set(context.job_def.asset_layer.executable_asset_keys)) > 1


def _land(files: DayFiles, table: PeopleTable, inputs: DayInputs, engine: Engine) -> list[str]:
    """Compute and land the days of a run; returns why figures of them are not known.

    Raises:
        NotLandedError: no input of one of the days is landed.
        LakeError: a file cannot be read or written.
    """
    days = list(files.context.partition_keys)
    if missing := [day for day in days if day not in inputs.landed]:
        raise NotLandedError.of(table.read_from[0], missing)
    # Before the rows are counted: a file that is replaced in between makes the mart stale, never the other way about.
    recorded, digests = {day: inputs_of(inputs, day) for day in days}, inputs.digests(days)
    counted = files.lake.consistently(lambda: inputs.count(days, engine))
    for day in days:
        rows = of_day(counted, day)
        kept = metadata_of(digests[day], recorded[day], rows=rows)
        shown = dg.MetadataValue.md(rows_as_markdown(rows, table.shown))
        files.land(day, rows, kept, {**totals(rows, table.totals), "sites": shown, **unknown_figures(rows)})
    return reasons_of(counted)
