"""Dagster as `deploy/` runs it, on the simulator: code server, web server and daemon, each a process of its own."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import requests
import yaml

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.orchestration.services.ui import end_groups
from sonnys_pipeline.simulator import Simulator, SimulatorConfig
from sonnys_pipeline_tests.acceptance.conftest import free_port
from sonnys_pipeline_tests.support.processes.forking import Forked
from sonnys_pipeline_tests.support.processes.preloaded import Preloaded
from sonnys_pipeline_tests.support.processes.quick import QUICK_PATH

ROOT = Path(__file__).parents[3]
#: Of the westernmost of the simulated sites, as the README advises: yesterday is whole everywhere.
TIMEZONE = "America/Los_Angeles"
#: How much faster than the real API the simulator runs.
SPEED = 100.0
#: Days that the UI offers, all of them over: a screen shows each with its name.
OFFERED_DAYS = 24
#: Seconds until what should come counts as not coming: several times what it takes on two loaded cores.
LONGEST = 120


@dataclass(frozen=True)
class Stack:
    """A running simulator with Dagster on it.

    Attributes:
        url: of Dagster's UI.
        folder: lake, state, Dagster's home and the logs of the processes.
        simulator: the API.
        processes: by name.
    """

    url: str
    folder: Path
    simulator: Simulator
    processes: Mapping[str, Forked]

    @property
    def lake(self) -> Lake:
        """What has landed."""
        return Lake(self.folder / "data")

    def log(self, name: str) -> str:
        """The end of what a process has written."""
        return (self.folder / f"{name}.log").read_text(errors="replace")[-5000:]

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """What the UI's own API answers; an error of it is an error here."""
        asked = {"query": query, "variables": variables}
        answer = requests.post(f"{self.url}/graphql", json=asked, timeout=60).json()
        assert answer.keys() == {"data"}, (answer, self.log("sonnys-webserver"))
        return answer["data"]

    def until(self, reached: Callable[[], Any], what: str) -> Any:
        """Ask again until there is something; a process that has ended, or too long a wait, is an error."""
        deadline = time.monotonic() + LONGEST
        while not (found := reached()):
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} ended: {self.log(name)}"
            logs = "\n".join(f"{name}: {self.log(name)}" for name in self.processes)
            assert time.monotonic() < deadline, f"{what}: did not happen within {LONGEST} s\n{logs}"
            time.sleep(0.1)
        return found

    def is_ready(self) -> bool:
        """Whether the UI answers and the daemon beats; a code location that does not load is an error."""
        try:
            answer = self.ask(
                """{ instance { daemonHealth { daemonStatus(daemonType: "BACKFILL") { healthy } } }
                     workspaceOrError { ... on Workspace { locationEntries {
                       loadStatus locationOrLoadError { __typename ... on PythonError { message } } } } } }"""
            )
        except requests.ConnectionError:
            return False
        (location,) = answer["workspaceOrError"]["locationEntries"]
        loaded = location["locationOrLoadError"] or {}
        if loaded.get("__typename") == "PythonError":
            assert "Could not reach user code server" in loaded["message"], loaded["message"]
            return False  # it is still importing
        return bool(loaded and answer["instance"]["daemonHealth"]["daemonStatus"]["healthy"])


def last_days(count: int) -> list[str]:
    """The last days that are over in the zone of the partitions, oldest first."""
    today = datetime.now(ZoneInfo(TIMEZONE)).date()
    return [(today - timedelta(days=back)).isoformat() for back in range(count, 0, -1)]


@contextmanager
def running_stack(
    folder: Path, preloaded: Preloaded, rows_per_day: int | None = None, **more: str
) -> Iterator[Stack]:  # fmt: skip
    """A stack that is ready, with `more` in its environment; whatever comes of its use, none of it is left behind."""
    with ExitStack() as ending:
        simulator = ending.enter_context(Simulator(SimulatorConfig(speed=SPEED, rows_per_day=rows_per_day)))
        environment = {**_environment(simulator, folder), **more}
        port, code = free_port(), free_port()
        stack = Stack(f"http://127.0.0.1:{port}", folder, simulator, {})
        at = ["--host", "127.0.0.1", "--port"]
        server = {"host": "127.0.0.1", "port": code, "location_name": "sonnys_pipeline.definitions"}
        (folder / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
        workspace = ["--workspace", str(folder / "workspace.yaml")]
        commands = {
            "dagster": ["code-server", "start", *at, str(code), "--module-name", "sonnys_pipeline.definitions"],
            "sonnys-webserver": [*at, str(port), *workspace],
            "sonnys-daemon": ["run", *workspace],
        }
        processes = {name: _start(preloaded, name, options, folder, environment) for name, options in commands.items()}
        ending.callback(end_groups, processes.values())
        stack = Stack(stack.url, folder, simulator, processes)
        stack.until(stack.is_ready, "web server and daemon are ready")
        yield stack


def _environment(simulator: Simulator, folder: Path) -> dict[str, str]:
    """The simulator's address and scaled durations, and a Dagster instance as `deploy/` has it."""
    home = folder / "dagster"
    home.mkdir()
    shutil.copy(ROOT / "deploy" / "dagster.yaml", home)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        # Web server and daemon would both make the tables of a new instance, and one of them would fail.
        instance.get_runs_count()
    own = {
        **simulator.config.environment(simulator.base_url),
        "SONNYS_DATA_URL": str(folder / "data"),
        "SONNYS_STATE_DIR": str(folder / "state"),
        "SONNYS_TIMEZONE": TIMEZONE,
        "SONNYS_START_DATE": last_days(OFFERED_DAYS)[0],
        "DAGSTER_HOME": str(home),
        "PYTHONPATH": QUICK_PATH,
    }
    return {**{name: value for name, value in os.environ.items() if not name.startswith("SONNYS_")}, **own}


def _start(
    preloaded: Preloaded, name: str, options: list[str], folder: Path, environment: Mapping[str, str]
) -> Forked:  # fmt: skip
    """A command that stands beside the interpreter, leader of a session of its own, so that it ends as a group."""
    with (folder / f"{name}.log").open("wb") as log:
        command = [str(Path(sys.executable).parent / name), *options]
        return preloaded.start(command, environment, folder, log.fileno(), log.fileno())
