"""The ledger job of a Dagster run: N partitions are a job of N rows, and a retry continues that job."""

from collections.abc import Iterator, Sequence

import dagster as dg

from sonnys_pipeline.backfill.executor import JobIdentity
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.transactions import is_landed
from sonnys_pipeline.ledger.models import DAGSTER_PREFIX

#: Dagster's tags of a run started "from failure" or "from asset failure", by a person or by run retries. A run started
#: from such a run inherits the second tag.
_FROM_FAILURE = ("dagster/is_resume_retry", "dagster/is_asset_resume_retry")


def missing_first(lake: Lake, days: Sequence[str]) -> list[str]:
    """Days in reading order: those that are not landed first.

    A morning's run thus lands yesterday first. With 500 sites that takes 100 minutes, and the three days that are read
    again five hours more: in calendar order the checks would miss yesterday all morning.
    """
    if len(days) == 1:
        return list(days)
    now = lake.snapshot()
    return sorted(days, key=lambda day: (is_landed(now, day, None), day))


def job_identity(context: dg.AssetExecutionContext, days: Sequence[str]) -> JobIdentity:
    """The job of the run that this one continues (or of this run at a step retry), else a new job, one row per day."""
    return JobIdentity(
        [f"{DAGSTER_PREFIX}{run_id}" for run_id in continued_runs(context)],
        command=f"dagster run {context.run.run_id} of {context.job_name}",
        description=f"{len(days)} partitions of {context.asset_key.to_user_string()}: {min(days)} … {max(days)}",
    )


def continued_runs(context: dg.AssetExecutionContext) -> Iterator[str]:
    """This run's id, then that of the run it continues, and so on."""
    run: dg.DagsterRun | None = context.run
    yield context.run.run_id
    while run is not None and run.parent_run_id and any(run.tags.get(tag) == "true" for tag in _FROM_FAILURE):
        yield run.parent_run_id
        run = context.instance.get_run_by_id(run.parent_run_id)
