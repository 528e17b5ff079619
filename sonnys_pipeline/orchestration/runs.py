"""Which ledger job a Dagster run works on: N partitions are a job of N rows, and a retry goes on with that job."""

from collections.abc import Iterator, Sequence

import dagster as dg

from sonnys_pipeline.backfill.executor import JobIdentity
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.transactions import is_landed
from sonnys_pipeline.ledger.models import DAGSTER_PREFIX

#: Dagster's marks of a run that was started "from failure" or "from asset failure", by a person or by its own run
#: retries. The second mark is inherited by whatever is started from such a run.
_FROM_FAILURE = ("dagster/is_resume_retry", "dagster/is_asset_resume_retry")


def missing_first(lake: Lake, days: Sequence[str]) -> list[str]:
    """Days in the order in which a run reads them: those that are not landed before those that are read once more.

    A morning's run lands yesterday first. Of 500 sites that takes 100 minutes, and the three days that are only read
    again take five hours more: in the order of the calendar the checks would miss yesterday all morning.
    """
    return sorted(days, key=lambda day: (is_landed(lake, day, None), day))


def job_identity(context: dg.AssetExecutionContext, days: Sequence[str]) -> JobIdentity:
    """The job of the run that this one continues (of this run itself at a step retry), else a new one, a row a day."""
    return JobIdentity(
        [f"{DAGSTER_PREFIX}{run_id}" for run_id in continued_runs(context)],
        command=f"dagster run {context.run.run_id} of {context.job_name}",
        description=f"{len(days)} partitions of {context.asset_key.to_user_string()}: {min(days)} … {max(days)}",
    )


def continued_runs(context: dg.AssetExecutionContext) -> Iterator[str]:
    """This run's id, then that of the run it was started from, and so on, as long as each goes on with the other."""
    run: dg.DagsterRun | None = context.run
    yield context.run.run_id
    while run is not None and run.parent_run_id and any(run.tags.get(tag) == "true" for tag in _FROM_FAILURE):
        yield run.parent_run_id
        run = context.instance.get_run_by_id(run.parent_run_id)
