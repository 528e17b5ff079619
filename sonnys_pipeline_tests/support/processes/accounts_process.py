"""A worker that lands days of several accounts at once, an executor each; started by acceptance tests.

    python -m sonnys_pipeline_tests.support.processes.accounts_process NAME DAY [DAY ...]

Its jobs go by the same name in every account. Exit codes: 0 all landed, 1 not.
"""

import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from sonnys_pipeline.backfill.executor import BatchExecutor
from sonnys_pipeline.backfill.options import OnError
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.ledger.models import JobMode, RowSpec


def land(account: str, name: str, days: list[str]) -> bool:
    """Land days of one account; whether all of them are."""
    with Workspace.of(account) as workspace:
        job = workspace.jobs.create_job(name, mode=JobMode.AUTO, rows=[RowSpec(day) for day in days])
        executor = BatchExecutor(workspace, replace(workspace.options, on_error=OnError.CONTINUE))
        return executor.execute(job.id).success


def main(name: str, days: list[str]) -> int:
    accounts = Settings.accounts()
    with ThreadPoolExecutor(len(accounts)) as pool:
        landed = list(pool.map(lambda account: land(account, name, days), accounts))
    return 0 if all(landed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
