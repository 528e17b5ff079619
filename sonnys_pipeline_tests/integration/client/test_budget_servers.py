"""BM-07: four real processes on one budget in PostgreSQL or Redis: no 429, and hardly a place left unused."""

import json
import subprocess
import sys
from collections.abc import Callable

import pytest

from sonnys_pipeline.simulator import Simulator
from sonnys_pipeline_tests.integration.client.test_budget_processes import SHARER

PROCESSES, EACH = 4, 20
#: The server's block, in seconds: long enough for the margin between departure and arrival to be a small part of it.
BLOCK = 5.0
STORES = [pytest.param("postgres", marks=pytest.mark.postgres), pytest.param("redis", marks=pytest.mark.redis)]


@pytest.mark.parametrize("store", STORES)
def test_four_processes_use_their_budget_up(
    start_simulator: Callable[..., Simulator], store: str, request: pytest.FixtureRequest
) -> None:
    """80 requests, 20 to a block: none meets a 429, and the first three blocks use 95 % of what the API allows."""
    simulator = start_simulator(speed=1, rate_limit=20, block_seconds=BLOCK)
    command = [sys.executable, "-c", SHARER, simulator.base_url, request.getfixturevalue(f"{store}_url")]
    command += [f"20/{BLOCK:g}", str(EACH)]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    ended = [process.communicate(timeout=90) for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES, [stderr for _, stderr in ended]
    assert [json.loads(stdout)["sent"] for stdout, _ in ended] == [EACH] * PROCESSES
    stats = simulator.stats()
    assert (stats.requests, stats.rate_limited) == (PROCESSES * EACH, 0)
    arrivals = sorted(record.elapsed for record in simulator.log)
    # Steady state: processes that started late have joined, so from the second block's first request to the last one's.
    used = 40 / ((arrivals[60] - arrivals[20]) / BLOCK * 20)
    assert 0.95 <= used <= 1.0, used
