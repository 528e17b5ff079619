"""BM-07, JS-06, LJ-11: four workers land days of two accounts at once, on one PostgreSQL for budgets and ledger.

Each account has its own simulator and its own budget. Both budgets are used up to 95 % at least while there is work,
nobody meets a 429, and every row lands once, in the lake of its account.
"""

from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.ledger.service import open_ledger
from sonnys_pipeline.simulator import Simulator
from sonnys_pipeline_tests.support.processes.operators import environment_of, ids_of, start_both

pytestmark = [pytest.mark.acceptance, pytest.mark.postgres]

WORKERS = 4
DAYS = [f"2026-11-{day:02d}" for day in range(3, 11)]
#: Six pages, so that the requests of eight days last for seven blocks: as many as five whole ones need.
ROWS = 599
#: Twice as fast as the API: a block lasts 7.5 s, so that the margin between departure and arrival is a small part.
SPEED = 2


def share_used(simulator: Simulator) -> float:
    """Requests that arrived, as a share of those that the API allows, while there was work for whole blocks.

    From the second block on, when every worker has joined, to the block after which the work runs out: a quarter of the
    requests is then left.
    """
    limit, block = simulator.config.rate_limit, simulator.config.block_seconds / SPEED
    arrivals = sorted(record.elapsed for record in simulator.log)
    blocks = len(arrivals) * 3 // 4 // limit - 1
    assert blocks >= 4, len(arrivals)
    return blocks / ((arrivals[(blocks + 1) * limit] - arrivals[limit]) / block)


def test_four_workers_use_both_budgets_up(start, tmp_path: Path, postgres_url: str) -> None:
    """Eight days of 599 rows of each account, two a worker: each budget is used to 95 %, and no request is refused."""
    with ExitStack() as running:
        simulators = start_both(running, speed=SPEED, rows_per_day=ROWS, now=datetime(2026, 11, 20, 12, tzinfo=UTC))
        expected = {name: ids_of(simulator, DAYS) for name, simulator in simulators.items()}
        environment = environment_of(
            simulators, tmp_path, SONNYS_BUDGET_URL=postgres_url, SONNYS_LEDGER_URL=postgres_url
        )

        command = ["python", "-m", "sonnys_pipeline_tests.support.processes.accounts_process"]
        processes = [
            start([*command, f"worker-{worker}", *DAYS[worker::WORKERS]], environment, forked=True)
            for worker in range(WORKERS)
        ]

        assert [process.wait() for process in processes] == [0] * WORKERS, "\n".join(one.output for one in processes)
        used = {}
        for name, simulator in simulators.items():
            stats = simulator.stats()
            assert stats.by_status == {"200": stats.requests}
            assert stats.jobs_created == len(DAYS) * 6
            landed = Lake(tmp_path / "data" / name).read("transactions", DAYS, ["id"])["id"].to_pylist()
            assert sorted(landed) == expected[name]
            assert len(landed) == len(set(landed)) == len(DAYS) * ROWS
            used[name] = share_used(simulator)
        assert all(0.95 <= share <= 1.0 for share in used.values()), used
    for name in simulators:
        with open_ledger(postgres_url, account=name) as jobs:
            found = jobs.list_jobs()
            assert sorted(job.name for job in found) == [f"worker-{worker}" for worker in range(WORKERS)]
            assert {(job.account, job.successful_days) for job in found} == {(name, 2)}
