"""Which ledger job a Dagster run works on: N partitions are a job of N rows, and a retry goes on with that job.

Belongs here: finding or making the job. Does not belong here: executing it.
"""

from collections.abc import Sequence

import dagster as dg

from sonnys_pipeline.batch.jobs import Job, JobMode, JobStatus, RowSpec
from sonnys_pipeline.batch.ledger import JobService

#: Dagster's mark of a run that was started "from failure", by a person or by its own run retries.
_FROM_FAILURE = "dagster/is_resume_retry"


def job_for_run(context: dg.AssetExecutionContext, jobs: JobService, days: Sequence[str]) -> Job:
    """The job of the run that this one continues, else a new one with a row for each day.

    Several steps back are walked, since a continued run may itself be continued. A job that has ended well, or was
    cancelled, is not continued: whoever runs its days again wants them read again.
    """
    run = context.run
    known = jobs.find_job(_name(run.run_id))  # the same run: a step retry
    while known is None and run.tags.get(_FROM_FAILURE) == "true" and run.parent_run_id:
        parent = context.instance.get_run_by_id(run.parent_run_id)
        known = jobs.find_job(_name(run.parent_run_id))
        if parent is None:
            break
        run = parent
    if known is not None and known.status in {JobStatus.FAILED, JobStatus.PAUSED, JobStatus.RUNNING}:
        rows = {row.day for row in jobs.get_rows(known.id)}
        if rows == set(days):
            return known
    return jobs.create_job(
        _name(context.run.run_id),
        original_command=f"dagster run {context.run.run_id} of {context.job_name}",
        description=f"{len(days)} partitions of {context.asset_key.to_user_string()}: {days[0]} … {days[-1]}",
        mode=JobMode.AUTO,
        rows=[RowSpec(day) for day in days],
    )


def _name(run_id: str) -> str:
    return f"dagster:{run_id}"
