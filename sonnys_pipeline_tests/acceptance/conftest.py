"""What the acceptance tests share: simulators, environments that point at them, and processes that surely end.

`SONNYS_TEST_STORES=postgres` puts ledger, request budget and Dagster's storage of every test into PostgreSQL; what the
tests expect is the same. `SONNYS_TEST_LAKE=s3` puts what lands into a bucket of a real S3 server.
"""

import os
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import yaml

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.simulator import Simulator, SimulatorConfig
from sonnys_pipeline_tests.support.processes.forking import Forked
from sonnys_pipeline_tests.support.processes.quick import QUICK_PATH

#: The commands that stand beside the interpreter that runs the tests.
BIN = Path(sys.executable).parent
#: Seconds until a process counts as stuck; an order above what it takes on loaded cores.
STUCK = 240
#: Where ledger, budget and Dagster's storage lie: in files, or in `postgres`.
STORES = os.environ.get("SONNYS_TEST_STORES", "files")
#: Where days land: in a `folder`, or on `s3`.
LAKE = os.environ.get("SONNYS_TEST_LAKE", "folder")
DEPLOYED = Path(__file__).parents[2] / "deploy" / "dagster-postgres.yaml"


@dataclass(frozen=True)
class Site:
    """A place of work of its own: a simulator, and the environment in which processes use it.

    Every duration is scaled as the simulator's clock is.
    """

    simulator: Simulator
    folder: Path
    environment: Mapping[str, str]
    new_database: Callable[[], str] | None = None

    @property
    def ledger_url(self) -> str:
        """Where the jobs are remembered."""
        return self.environment.get("SONNYS_LEDGER_URL") or f"sqlite:///{self.folder / 'state' / 'ledger.sqlite'}"

    @property
    def lake(self) -> Lake:
        """What has landed here."""
        return Lake(self.environment["SONNYS_DATA_URL"])

    def new_dagster_home(self, name: str) -> str:
        """One more Dagster instance on disk, for processes that shall not meet in one."""
        return dagster_home(self.folder / name, self.new_database)

    def landed_ids(self, *days: str) -> list[str]:
        """The ids that have landed, in order, repeated ones included."""
        return sorted(self.lake.read("transactions", days, ["id"])["id"].to_pylist())

    def expected_ids(self, day: str, timezone: str = "UTC") -> list[str]:
        """What the simulated world has from one local midnight to the next, that one excluded."""
        midnights = [date.fromisoformat(day) + timedelta(days=step) for step in (0, 1)]
        start, end = (
            datetime(each.year, each.month, each.day, tzinfo=ZoneInfo(timezone)).astimezone(UTC) for each in midnights
        )
        rows = self.simulator.world.rows(start, end - timedelta(milliseconds=1))
        return sorted(row["id"] for row in rows)

    def load_jobs(self, day: str) -> int:
        """How many load jobs a UTC day takes: each site's pages, both ends of the day included, and one for none."""
        start = datetime.fromisoformat(day).replace(tzinfo=UTC)
        world = self.simulator.world
        rows = [len(world.rows(start, start + timedelta(days=1), site.code)) for site in world.sites if site.code]
        return sum(max(1, -(-count // 100)) for count in rows)

    def materializations(self, home: str | None = None) -> list[tuple[str | None, Mapping[str, Any]]]:
        """Partition and metadata of each materialization of `transactions` that Dagster remembers, oldest first."""
        with dg.DagsterInstance.from_config(home or self.environment["DAGSTER_HOME"]) as instance:
            records = instance.fetch_materializations(dg.AssetKey("transactions"), limit=1000).records
            return [
                (
                    record.partition_key,
                    {name: value.value for name, value in record.asset_materialization.metadata.items()},
                )
                for record in reversed(records)
            ]


@pytest.fixture
def open_site(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Site]]:
    """Starts simulators of one site unless told otherwise, each with an environment; they stop after the test."""
    with ExitStack() as running:

        def start(timezone: str = "UTC", stores: str = STORES, lake: str = LAKE, **config: Any) -> Site:
            bucket = request.getfixturevalue("s3_url") if lake == "s3" else ""
            new_database: Callable[[], str] | None = None
            if stores == "postgres":
                new_database = request.getfixturevalue("postgres_server").new_database
            one_site = {"sites": 1, "virtual_site": False}
            simulator = running.enter_context(Simulator(SimulatorConfig(**{**one_site, **config})))
            folder = tmp_path / f"site-{simulator.root_url.rpartition(':')[2]}"
            own = {
                **simulator.config.environment(simulator.base_url),
                "SONNYS_DATA_URL": f"{bucket}/{folder.name}" if bucket else str(folder / "data"),
                "SONNYS_STATE_DIR": str(folder / "state"),
                "SONNYS_TIMEZONE": timezone,
                "DAGSTER_HOME": dagster_home(folder / "dagster", new_database),
                "PYTHONPATH": QUICK_PATH,
            }
            if new_database is not None:
                config_file = yaml.safe_load((folder / "dagster" / "dagster.yaml").read_text())
                own |= dict.fromkeys(("SONNYS_LEDGER_URL", "SONNYS_BUDGET_URL"), database_of(config_file["storage"]))
            return Site(simulator, folder, {**os.environ, **own}, new_database)

        yield start


def dagster_home(folder: Path, new_database: Callable[[], str] | None = None) -> str:
    """A Dagster instance of its own, without telemetry: on disk, or in a new database.

    On disk its databases are there already, as on any day but the first.
    """
    folder.mkdir(parents=True)
    config: dict[str, Any] = {"telemetry": {"enabled": False}}
    if new_database is not None:
        config["storage"] = postgres_storage(new_database())
    (folder / "dagster.yaml").write_text(yaml.safe_dump(config))
    if new_database is None:
        dg.DagsterInstance.from_config(str(folder)).dispose()
    return str(folder)


def postgres_storage(url: str) -> dict[str, Any]:
    """What `deploy/dagster-postgres.yaml` says of Dagster's storage, its variables replaced by what a URL says."""
    parts = urlsplit(url)
    known = {
        "HOST": parts.hostname, "PORT": str(parts.port), "USER": parts.username, "PASSWORD": parts.password,
        "DB": parts.path[1:],
    }  # fmt: skip
    deployed: dict[str, Any] = yaml.safe_load(DEPLOYED.read_text())["storage"]
    database = deployed["postgres"]["postgres_db"]
    for name, value in database.items():
        if isinstance(value, dict) and "env" in value:
            database[name] = known[value["env"].removeprefix("DAGSTER_POSTGRES_")]
    database["port"] = int(database["port"])
    return deployed


def database_of(storage: Mapping[str, Any]) -> str:
    """The URL of the database in which Dagster's storage lies, for others to lie there, too."""
    at = storage["postgres"]["postgres_db"]
    return f"postgresql://{at['username']}:{at['password']}@{at['hostname']}:{at['port']}/{at['db_name']}"


def free_port() -> int:
    """A port that nobody listens on, below those that systems hand out: no simulator is given it in the meantime."""
    for port in random.sample(range(20_000, 30_000), 100):
        with socket.socket() as free, suppress(OSError):
            free.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


@dataclass(frozen=True)
class Process:
    """A running command, the leader of a session of its own; its output goes to files."""

    popen: subprocess.Popen[bytes] | Forked
    stdout: Path
    stderr: Path

    def wait(self) -> int:
        """Its exit code.

        Raises:
            subprocess.TimeoutExpired: when it is stuck.
        """
        return self.popen.wait(STUCK)

    def send(self, what: signal.Signals) -> None:
        """A signal for it alone, not for its children."""
        self.popen.send_signal(what)

    @property
    def output(self) -> str:
        """What it has written so far, both streams."""
        return self.stdout.read_text() + self.stderr.read_text()


@pytest.fixture
def start(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Process]]:
    """Starts commands, by name or path, in the test's folder; whatever still runs after the test is killed.

    `forked=True` forks a Python program from one that has imported the pipeline, on a `machine` of its own if asked to.
    """
    started: list[subprocess.Popen[bytes] | Forked] = []

    def start_one(
        command: Sequence[str | Path],
        environment: Mapping[str, str] | None = None,
        *,
        forked: bool = False,
        machine: str = "",
        folder: Path = tmp_path,
    ) -> Process:
        outputs = [tmp_path / f"process-{len(started)}.{name}" for name in ("stdout", "stderr")]
        program = BIN / command[0] if isinstance(command[0], str) else command[0]
        with outputs[0].open("wb") as stdout, outputs[1].open("wb") as stderr:
            if forked:
                words = [str(word) for word in (program, *command[1:])]
                words = words[1:] if program == BIN / "python" else words
                server = request.getfixturevalue("preloaded")
                started.append(
                    server.start(words, environment, folder, stdout.fileno(), stderr.fileno(), machine=machine)
                )
                return Process(started[-1], *outputs)
            popen = subprocess.Popen(
                [program, *command[1:]],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
            )
        started.append(popen)
        return Process(popen, *outputs)

    yield start_one
    for popen in started:
        if popen.poll() is None:
            os.killpg(popen.pid, signal.SIGKILL)
            popen.wait()


@pytest.fixture
def materialize(start: Callable[..., Process]) -> Callable[..., Process]:
    """Starts `dagster asset materialize` of `transactions` in a process of its own, as CI does."""

    def materialize_one(site: Site, *days: str, home: str | None = None) -> Process:
        which = ["--partition", *days] if len(days) == 1 else ["--partition-range", "...".join(days)]
        command = ["dagster", "asset", "materialize", "-m", "sonnys_pipeline.definitions", "--select", "transactions"]
        environment = {**site.environment, **({"DAGSTER_HOME": home} if home else {})}
        return start([*command, *which], environment, forked=True)

    return materialize_one
