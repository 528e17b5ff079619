"""Files that a run leaves as they are, because their inputs have not changed: what Dagster shows of them.

A morning's run reads days again and takes along all that stands downstream. Dagster records a materialization for every
day of the run; one whose file stays gets the metadata of the time when it was written.
"""

from collections.abc import Callable, Iterable, Sequence

import dagster as dg

from sonnys_pipeline.orchestration.account import Account
from sonnys_pipeline.orchestration.events.metadata import Metadata

#: Key in the metadata of a day whose file was not written by the run.
KEPT = "kept"


def days_to_make(
    context: dg.AssetExecutionContext, account: Account, unchanged: Callable[[Sequence[str]], Iterable[str]]
) -> Sequence[str]:
    """The days of a run whose files have to be written; the others get their metadata here.

    All of them unless the run lands the account's `transactions` too: a person who materializes a table alone wants it
    written.

    Args:
        context: of the asset.
        account: whose asset it is.
        unchanged: the days whose files would be the same if they were made now.
    """
    days = list(context.partition_keys)
    if account.key("transactions") not in context.job_def.asset_layer.selected_asset_keys:
        return days
    kept = {day: metadata for day in unchanged(days) if (metadata := _last_metadata(context, day)) is not None}
    for day, metadata in kept.items():
        note = dg.MetadataValue.text("not written again: its inputs have not changed")
        context.add_asset_metadata({**metadata, KEPT: note}, partition_key=day)
    if kept:
        context.log.info("%d of %d days are unchanged and were not written again", len(kept), len(days))
    return [day for day in days if day not in kept]


def _last_metadata(context: dg.AssetExecutionContext, day: str) -> Metadata | None:
    """The metadata of a day's last materialization; `None` if Dagster has none."""
    of_day = dg.AssetRecordsFilter(context.asset_key, asset_partitions=[day])
    newest = context.instance.fetch_materializations(of_day, limit=1).records
    event = newest[0].asset_materialization if newest else None
    return None if event is None else event.metadata
