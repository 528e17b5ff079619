"""BM-07: four real processes on one budget file spend one budget: the API answers none of them with 429."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from sonnys_pipeline.simulator import Simulator

PROCESSES, EACH = 4, 15

#: One sharer: its requests one after the other, as fast as the budget lets them go; no 429 would be forgiven.
SHARER = """
import json, sys
from sonnys_pipeline.client import RequestBudget, RequestRate, SonnysClient

base_url, budget_url, rate, count = sys.argv[1:]
with RequestBudget("demo-id", RequestRate.parse(rate), budget_url) as budget:
    with SonnysClient("demo-id", "demo-key", base_url=base_url, budget=budget, max_retries=0) as client:
        sites = {len(client.sites.list()) for _ in range(int(count))}
        print(json.dumps({"sites": sorted(sites), "sent": client.requests_sent, "waited": client.budget_wait}))
"""


def test_processes_share_one_budget(start_simulator: Callable[..., Simulator], tmp_path: Path) -> None:
    """60 requests of four processes, 20 to a block: all are answered, none with 429, and they did have to wait.

    The budget is told a longer block than the server has, so that a loaded machine may hold a request up by half a
    second between its place in the budget and its arrival. Without sharing, 60 would arrive in one block.
    """
    simulator = start_simulator(sites=3, codeless_site=False, speed=1, rate_limit=20, block_seconds=0.9)
    budget_url = f"sqlite:///{tmp_path / 'state' / 'budget.sqlite'}"
    command = [sys.executable, "-c", SHARER, simulator.base_url, budget_url, "20/1.4", str(EACH)]
    processes = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(PROCESSES)
    ]
    ended = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * PROCESSES, [stderr for _, stderr in ended]
    reports = [json.loads(stdout) for stdout, _ in ended]
    assert [(report["sites"], report["sent"]) for report in reports] == [([3], EACH)] * PROCESSES
    assert sum(report["waited"] for report in reports) > 1.4
    stats = simulator.stats()
    assert (stats.requests, stats.rate_limited) == (PROCESSES * EACH, 0)
    assert stats.by_status == {"200": PROCESSES * EACH}
    arrivals = sorted(record.elapsed for record in simulator.log)
    assert arrivals[-1] - arrivals[0] > 1.4
