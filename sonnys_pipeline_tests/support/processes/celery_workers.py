"""Celery workers as if each had a machine of its own, and the environment in which they meet.

Each has a folder, a state folder and a `DAGSTER_HOME` that no other knows, and, where this system lets us, a host name
and a namespace of process ids: then nobody can tell from outside whether its processes still run. What they share are
PostgreSQL, Redis and the lake.
"""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from sonnys_pipeline_tests.acceptance.conftest import Process, Site

DEPLOYED = Path(__file__).parents[3] / "deploy" / "celery" / "dagster.yaml"
#: Seconds between two looks at the runs, and without a worker until a run is lost: longer than a lease (30 s).
LOOKS, SILENCE = 2, 36
_ALONE = ["--uts", "--pid", "--fork", "--mount-proc", "--kill-child"]


@dataclass(frozen=True)
class Worker:
    """A worker's process, and the folder that is its machine."""

    name: str
    folder: Path
    process: Process

    @property
    def audits(self) -> set[str]:
        """Names of the runs that it has executed, or executes."""
        return {path.stem for path in (self.folder / "state" / "audit").glob("*.ndjson")}

    def is_ready(self) -> bool:
        """Whether it takes runs."""
        assert self.process.popen.poll() is None, self.process.output
        return "ready." in self.process.output

    def ask_to_leave(self) -> None:
        """SIGTERM to the worker itself, as `systemctl stop` with `KillMode=mixed` and `docker stop` send it."""
        self.process.send(signal.SIGTERM)

    def kill(self) -> None:
        """End it and what it executes at once, as a lost machine would."""
        os.killpg(self.process.popen.pid, signal.SIGKILL)
        self.process.popen.wait()


def meeting_place(site: Site, broker: str, **more: str) -> dict[str, str]:
    """The environment of web server, daemon and workers: deployed configuration, and what it takes from outside.

    Looks are more frequent than deployed, and less patient; all else is as deployed.
    """
    home = Path(site.environment["DAGSTER_HOME"])
    config: dict[str, Any] = yaml.safe_load(DEPLOYED.read_text())
    config["run_monitoring"]["poll_interval_seconds"] = LOOKS
    config["run_launcher"]["config"]["silence_seconds"] = SILENCE
    (home / "dagster.yaml").write_text(yaml.safe_dump(config))
    database = urlsplit(site.ledger_url)
    return {
        **site.environment,
        "SONNYS_CELERY_BROKER_URL": broker,
        "DAGSTER_POSTGRES_HOST": str(database.hostname),
        "DAGSTER_POSTGRES_PORT": str(database.port),
        "DAGSTER_POSTGRES_USER": str(database.username),
        "DAGSTER_POSTGRES_PASSWORD": str(database.password),
        "DAGSTER_POSTGRES_DB": database.path[1:],
        **more,
    }


def start_worker(start: Callable[..., Process], name: str, site: Site, environment: Mapping[str, str]) -> Worker:
    """A worker for one run at a time, as docs/many-workers.md starts it; it takes runs once it is ready."""
    folder = site.folder / name
    (folder / "dagster").mkdir(parents=True)
    shutil.copy(Path(environment["DAGSTER_HOME"]) / "dagster.yaml", folder / "dagster")
    command = ["celery", "-A", "sonnys_pipeline.orchestration.worker", "worker", "--loglevel", "INFO"]
    alone = ["--concurrency", "1", "-n", f"{name}@%h"]
    own = {"SONNYS_STATE_DIR": str(folder / "state"), "DAGSTER_HOME": str(folder / "dagster")}
    machine = name if can_be_alone() else ""
    process = start([*command, *alone], {**environment, **own}, forked=True, machine=machine, folder=folder)
    return Worker(name, folder, process)


@cache
def can_be_alone() -> bool:
    """Whether processes can be given a host name and process ids of their own here; it takes rights."""
    if shutil.which("unshare") is None or shutil.which("hostname") is None:
        return False
    tried = subprocess.run(["unshare", *_ALONE, "hostname", "tried"], capture_output=True, check=False)
    return tried.returncode == 0
