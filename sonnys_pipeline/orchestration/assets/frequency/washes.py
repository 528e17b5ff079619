"""`wash_frequency`: how often each member washed in 30 business days. A partition is the last of these.

Its rows name customers, so metadata and log have counts and days only.
"""

from datetime import date
from functools import partial
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.calendar.business_days import MissingDay
from sonnys_pipeline.lake.states import STATES
from sonnys_pipeline.marts.frequency.columns import WASH_FREQUENCY, WASH_FREQUENCY_LINEAGE
from sonnys_pipeline.marts.frequency.inputs import WASH_FREQUENCY_RECIPE, WindowInputs
from sonnys_pipeline.marts.frequency.washes import LOOK_BACK, missing_in, wash_frequency
from sonnys_pipeline.marts.incremental.inputs import SITES, TRANSACTIONS, metadata_of
from sonnys_pipeline.marts.incremental.staleness import unchanged_days
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.assets.marts import MARTS_GROUP
from sonnys_pipeline.orchestration.automation.conditions import InputsChanged, idle_and
from sonnys_pipeline.orchestration.events.day_files import DayFiles, DayTable, warn_of
from sonnys_pipeline.orchestration.events.kept import days_to_make
from sonnys_pipeline.orchestration.events.metadata import Metadata
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource

_DESCRIPTION = (
    "Per member and business day: member washes of the 30 business days up to it, mean days between them, the last one "
    "and the site most used. Figures are null if one of the 30 days is not landed; the column `unknown` says which. "
    "Washes without a customer are in one row of their own; under SONNYS_PII=drop there is no other."
)


def frequency_asset(
    partitions: dg.DailyPartitionsDefinition, follows_in: LakeResource, account: Account = ONLY
) -> dg.AssetsDefinition:
    """The asset of an account; it follows what is landed in a lake."""
    recipe = WASH_FREQUENCY_RECIPE
    table = DayTable(recipe, WASH_FREQUENCY, WASH_FREQUENCY_LINEAGE)
    # A business day may begin in the partition before its date, and end in the one after it.
    window = dg.TimeWindowPartitionMapping(
        start_offset=-LOOK_BACK, end_offset=1, allow_nonexistent_upstream_partitions=True
    )

    @dg.asset(
        **table.options(partitions, account),
        description=_DESCRIPTION,
        group_name=account.group(MARTS_GROUP),
        deps=[
            *(dg.AssetDep(account.key(asset), partition_mapping=window) for asset in (TRANSACTIONS, STATES)),
            account.key(SITES),
        ],
        automation_condition=idle_and(
            InputsChanged(recipe, follows_in, partitions.timezone, account, WindowInputs), "follows its inputs"
        ),
    )
    def frequency(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[Any]:
        try:
            workspace = account.workspace(lake)
            landed_in = workspace.lake
            inputs = WindowInputs(landed_in, partitions.timezone, engine=workspace.engine)
            days = days_to_make(context, account, partial(unchanged_days, landed_in, inputs, recipe))
            read_from = inputs.require(recipe, days)
            # Before the rows are counted: a file that is replaced in between then makes the mart stale.
            digests = inputs.digests(recipe, days)
            remembered = {day: inputs.recorded_inputs(recipe, day, keys) for day, keys in read_from.items()}
            washes, notes = inputs.washes(days), inputs.notes(days)
            files = DayFiles(table, context, account, landed_in)
            for day in days:
                on = date.fromisoformat(day)
                # Day after day, so that a range takes no more memory than the rows of one day.
                rows = wash_frequency(washes, [on], notes, workspace.engine)
                missing = missing_in(washes, on)
                kept = metadata_of(digests[day], remembered[day], missing)
                files.land(day, rows, kept, _figures(rows, missing))
        except EXPECTED as error:
            raise as_failure(error) from error
        warn_of(context, "site days are not counted", washes.missing)
        return dg.MaterializeResult()

    return frequency


def _figures(rows: pa.Table, missing: list[MissingDay]) -> Metadata:
    """Counts of a day, without customers."""
    of_members = pc.is_valid(rows["customer_id"])
    found: dict[str, dg.MetadataValue[Any]] = {
        "members": dg.MetadataValue.int(pc.sum(of_members).as_py() or 0),
        "missing": dg.MetadataValue.json([str(one) for one in missing]),
    }
    if not any(one.missing for one in missing):
        washes = pc.sum(rows["member_washes"]).as_py() or 0
        of_nobody = pc.sum(rows.filter(pc.invert(of_members))["member_washes"]).as_py() or 0
        found["member_washes"] = dg.MetadataValue.int(washes)
        found["washes_without_customer"] = dg.MetadataValue.int(of_nobody)
    return found
