"""An operator with two databases: a simulator each, and the environment in which processes use both."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sonnys_pipeline.simulator import Simulator, SimulatorConfig
from sonnys_pipeline_tests.support.processes.quick import QUICK_PATH

NAMES = ("north", "south")


def start_both(running: ExitStack, **config: Any) -> dict[str, Simulator]:
    """Two simulators of one site unless told otherwise, alike, each with credentials and rows of its own."""
    return {
        name: running.enter_context(
            Simulator(
                SimulatorConfig(
                    api_id=f"{name}-id",
                    api_key=f"{name}-key",
                    seed=seed,
                    **{"sites": 1, "virtual_site": False, **config},
                )
            )
        )
        for seed, name in enumerate(NAMES, start=7)
    }


def environment_of(simulators: Mapping[str, Simulator], folder: Path, **more: str) -> dict[str, str]:
    """Two accounts that share everything but their databases, every duration scaled as the simulators' clocks are."""
    found = {
        "SONNYS_ACCOUNTS": ",".join(simulators),
        **simulators[NAMES[0]].config.scaled_environment(),
        "SONNYS_DATA_URL": str(folder / "data"),
        "SONNYS_STATE_DIR": str(folder / "state"),
        "PYTHONPATH": QUICK_PATH,
    }
    for name, simulator in simulators.items():
        own = {
            "API_ID": simulator.config.api_id,
            "API_KEY": simulator.config.api_key,
            "BASE_URL": simulator.base_url,
        }
        found |= {f"SONNYS_{name.upper()}__{field}": value for field, value in own.items()}
    return {**os.environ, **found, **more}


def ids_of(simulator: Simulator, days: Sequence[str]) -> list[str]:
    """What a simulated world has of UTC days in a row, in order."""
    first, last = (datetime.fromisoformat(day).replace(tzinfo=UTC) for day in (days[0], days[-1]))
    rows = simulator.world.rows(first, last + timedelta(days=1) - timedelta(milliseconds=1))
    return sorted(row["id"] for row in rows)
