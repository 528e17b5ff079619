"""A process that executes one job of the days it is given, as a user's process would; started by acceptance tests.

    python -m sonnys_pipeline_tests.support.processes.job_process NAME DAY [DAY ...]

Prints one JSON line with the result. Exit codes: 0 all landed, 1 not, 128 + signal when a signal asked it to stop.
"""

import json
import sys
from dataclasses import asdict, replace

from sonnys_pipeline.backfill.executor import BatchExecutor
from sonnys_pipeline.backfill.options import OnError
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.ledger.models import JobMode, RowSpec
from sonnys_pipeline.runtime.signals import graceful


def main(name: str, days: list[str]) -> int:
    with Workspace.of() as workspace:
        jobs = workspace.jobs
        job = jobs.find_job(name)
        if job is None:
            job = jobs.create_job(name, mode=JobMode.AUTO, rows=[RowSpec(day) for day in days])
        executor = BatchExecutor(workspace, replace(workspace.options, on_error=OnError.CONTINUE))
        with graceful(executor.stop) as signals:
            result = executor.execute(job.id)
        print(json.dumps(asdict(result)), flush=True)
        if signals:
            return 128 + signals[0]
        return 0 if result.success else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
