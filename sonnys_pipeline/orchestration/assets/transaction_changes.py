"""`transaction_changes`: what later reads of landed days found changed, and how late edits come (KT-02).

The rows are written when a day is landed. What is left for this asset is to show what they say.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import dagster as dg

from sonnys_pipeline.lake.changes import CHANGES, TRANSACTION_CHANGES, landed_changes
from sonnys_pipeline.lake.states import STATES
from sonnys_pipeline.orchestration.account import ONLY, Account
from sonnys_pipeline.orchestration.catalog import table_schema
from sonnys_pipeline.orchestration.failures import EXPECTED, as_failure
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.quality.late_edits import LateEdits, Looks, late_edits


def changes_asset(
    group: str, account: Account = ONLY, *, with_states: bool = True, looks: Looks | None = None
) -> dg.AssetsDefinition:
    """The asset of an account; `looks` are the ages at which landed days are looked at."""

    # It has no partitions in Dagster, since its files are by reading date: the present one is no day that is over.
    @dg.asset(
        key=account.key(CHANGES),
        description=(
            "What later reads of landed days found changed: rows that were added, removed or moved to another day, and "
            "fields that were edited, with old and new value; append-only by reading date. Shows how late edits come."
        ),
        group_name=group,
        kinds={"parquet"},
        io_manager_key="lake_io",
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[account.key("transactions"), *([account.key(STATES)] if with_states else [])],
        metadata={"dagster/column_schema": dg.MetadataValue.table_schema(table_schema(TRANSACTION_CHANGES))},
    )
    def transaction_changes(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult[Any]:
        try:
            landed_in = account.workspace(lake).lake
            changes = landed_changes(landed_in)
        except EXPECTED as error:
            raise as_failure(error) from error
        found = late_edits(changes, looks)
        for sentence in found.sentences:
            context.log.info("%s", sentence)
        path = dg.MetadataValue.path(str(landed_in.root / CHANGES))
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": dg.MetadataValue.int(changes.num_rows),
                "path": path,
                **edits_metadata(found),
            }
        )

    return transaction_changes


def edits_metadata(found: LateEdits) -> Mapping[str, dg.MetadataValue]:
    """How late edits come, and the policy that fits."""
    hours = {"p50_hours": found.p50_hours, "p95_hours": found.p95_hours, "last_hours": found.last_hours}
    return {
        "answer": dg.MetadataValue.md("\n".join(f"- {sentence}" for sentence in found.sentences)),
        "changed_transactions": dg.MetadataValue.int(found.changed),
        **{name: dg.MetadataValue.float(value) for name, value in hours.items() if value is not None},
        "found_by": dg.MetadataValue.json(dict(found.by_look)),
        "later_than_looked_for": dg.MetadataValue.int(len(found.too_late)),
        "recommended_days": dg.MetadataValue.json(asdict(found.recommended)),
    }
