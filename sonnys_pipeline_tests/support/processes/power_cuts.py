"""A deployment as `deploy/` describes it, whose power is cut: everything of it is killed in one moment, then started.

Code server, web server and daemon, each a process of its own, with the runs that they start, and PostgreSQL where the
stores lie there. The simulated API stays: it is the vendor's machine.
"""

import http.server
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import requests
import yaml
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.execution.backfill import BulkActionStatus
from dagster._core.scheduler.instigation import ScheduleInstigatorData

from sonnys_pipeline.marts.incremental.inputs import MartInputs
from sonnys_pipeline.marts.kpis import site_day_kpis
from sonnys_pipeline.orchestration.assets.marts import KPI_TABLES
from sonnys_pipeline.orchestration.automation.messages import subject_of
from sonnys_pipeline.orchestration.automation.mornings import MORNING
from sonnys_pipeline.orchestration.services.processes import lost_runs
from sonnys_pipeline_tests.acceptance.conftest import Process, Site, free_port, postgres_storage
from sonnys_pipeline_tests.support.processes.dagster_dev import BACKFILL
from sonnys_pipeline_tests.support.processes.quick import ALL_QUICK
from sonnys_pipeline_tests.support.servers import PostgresServer

DEPLOYED = Path(__file__).parents[3] / "deploy" / "dagster.yaml"
SWITCH_ON = """mutation($selector: ScheduleSelector!) { startSchedule(scheduleSelector: $selector) { __typename } }"""
TABLES = ("line_items", "tenders", "discounts")
OPEN = ("NOT_STARTED", "QUEUED", "STARTING", "STARTED", "CANCELING")
#: Seconds until a deployment counts as never well again; several times what it takes on two loaded cores.
LONGEST = 900


@dataclass
class Inbox:
    """A webhook that keeps what it is sent."""

    url: str
    messages: list[str] = field(default_factory=list)


@contextmanager
def inbox() -> Iterator[Inbox]:
    """One that listens."""
    found = Inbox("")

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found.url = f"http://127.0.0.1:{server.server_port}/hook"
        yield found
        server.shutdown()


class Plant:
    """The deployment."""

    def __init__(
        self, site: Site, start: Callable[..., Process], told: Inbox, postgres: PostgresServer | None = None
    ) -> None:  # fmt: skip
        """Configure it; nothing runs yet. Looks are more frequent than deployed, and one run at a time is let in."""
        self.site, self._start, self._told, self._postgres = site, start, told, postgres
        self.home = Path(site.environment["DAGSTER_HOME"])
        config: dict[str, Any] = yaml.safe_load(DEPLOYED.read_text())
        config["run_monitoring"] |= {"poll_interval_seconds": 3, "start_timeout_seconds": 40}
        config["run_retries"]["max_retries"] = 20
        config["run_queue"]["max_concurrent_runs"] = 1
        if postgres is not None:
            config["storage"] = postgres_storage(site.ledger_url)
        (self.home / "dagster.yaml").write_text(yaml.safe_dump(config))
        with self.instance() as instance:
            instance.get_runs_count()  # makes the storage, alone
        self._code, self._web = free_port(), free_port()
        server = {"host": "127.0.0.1", "port": self._code, "location_name": "sonnys_pipeline.definitions"}
        (self.home / "workspace.yaml").write_text(yaml.safe_dump({"load_from": [{"grpc_server": server}]}))
        self._environment = {**site.environment, **ALL_QUICK, "SONNYS_WEBHOOK_URL": told.url}
        self._processes: list[Process] = []

    @contextmanager
    def instance(self) -> Iterator[dg.DagsterInstance]:
        """What Dagster remembers."""
        with dg.DagsterInstance.from_config(str(self.home)) as found:
            yield found

    def switch_on(self, *, daemon: bool = True) -> None:
        """Start everything, the daemon only if it is wanted, and wait for nothing."""
        workspace = ["--workspace", str(self.home / "workspace.yaml")]
        module = ["--module-name", "sonnys_pipeline.definitions"]
        for command in (
            ["dagster", "code-server", "start", "--host", "127.0.0.1", "--port", str(self._code), *module],
            ["sonnys-webserver", "--host", "127.0.0.1", "--port", str(self._web), *workspace],
            *([["sonnys-daemon", "run", *workspace]] if daemon else []),
        ):
            self._processes.append(self._start(command, self._environment, forked=True))

    def cut(self) -> int:
        """Kill everything at once; how many processes there were."""
        found: list[int] = []
        while more := [pid for pid in self.processes() if pid not in found]:  # until none is left that starts others
            found += more
            for pid in more:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGSTOP)  # nobody may notice that another one is gone
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self._postgres is not None:
            self._postgres.kill()
        for process in self._processes:
            process.popen.wait()
        while self.processes():
            time.sleep(0.05)
        self._processes.clear()
        if self._postgres is not None:
            self._postgres.start()
        return len(found)

    def processes(self) -> list[int]:
        """Every process of the deployment: of a session that one of its commands leads, or with its DAGSTER_HOME.

        A forked process has the environment of the one that it was forked from, as far as /proc shows it.
        """
        home = f"DAGSTER_HOME={self.home}\0".encode()
        sessions = {str(process.popen.pid) for process in self._processes}
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has just ended, or is somebody else's
                state, _, _, session = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
                if state not in "ZX" and (session in sessions or home in (entry / "environ").read_bytes()):
                    found.append(int(entry.name))
        return found

    def schedule_mornings(self, since: datetime) -> bool:
        """Switch the morning's schedule on as the UI does, as if somebody had done it long ago; whether it is on."""
        name = {"repositoryLocationName": "sonnys_pipeline.definitions", "repositoryName": "__repository__"}
        selector = {**name, "scheduleName": MORNING}
        try:
            asked = {"query": SWITCH_ON, "variables": {"selector": selector}}
            answer = requests.post(f"http://127.0.0.1:{self._web}/graphql", json=asked, timeout=60).json()
            (switched,) = answer["data"].values()
        except (requests.RequestException, KeyError, TypeError, AttributeError):
            return False
        if switched["__typename"] != "ScheduleStateResult":
            return False
        with self.instance() as instance:
            (state,) = instance.all_instigator_state(instigator_type=InstigatorType.SCHEDULE)
            data = ScheduleInstigatorData(state.instigator_data.cron_schedule, since.timestamp())
            instance.update_instigator_state(state.with_data(data))
        return True

    def ask_for(self, days: Sequence[str]) -> bool:
        """Launch a backfill of `transactions` as the UI does; whether the web server has taken it."""
        params = {"assetSelection": [{"path": ["transactions"]}], "partitionNames": list(days)}
        try:
            asked = {"query": BACKFILL, "variables": {"params": params}}
            answer = requests.post(f"http://127.0.0.1:{self._web}/graphql", json=asked, timeout=60).json()
            (launched,) = answer["data"].values()
        except (requests.RequestException, KeyError, TypeError, AttributeError):
            return False  # it is not up yet, or the code server is not
        return bool(launched["__typename"] == "LaunchBackfillSuccess")

    def has_started_run(self) -> bool:
        """Whether a run's process works at the moment, as Dagster has it."""
        with self.instance() as instance:
            return bool(instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])))

    @property
    def log(self) -> str:
        """The end of what the processes have written."""
        return "\n".join(process.output[-3000:] for process in self._processes)

    def is_well(self, asked: set[str]) -> str:
        """What is not well yet; empty when all days that were asked for are there, followed, and told of."""
        with self.instance() as instance:
            runs = instance.get_runs()
            backfills = instance.get_backfills()
            lost = lost_runs(instance)
        if lost:
            return f"runs without a process: {[run.run_id for run in lost]}"
        if busy := [(run.job_name, run.status.value) for run in runs if run.status.value in OPEN]:
            return f"runs: {busy}"
        if any(backfill.status is BulkActionStatus.REQUESTED for backfill in backfills):
            return "backfills"
        for day in sorted(asked):
            if not self.site.lake.has("transactions", day) or rows_of(self.site, day) != world_rows(self.site, day):
                return f"{day} is not as the API has it"
        if behind := self.behind(sorted(asked)):
            return f"marts: {behind}"
        failed = {subject_of(run) for run in runs if run.status is dg.DagsterRunStatus.FAILURE}
        told = "\n".join(self._told.messages)  # once for all retries
        if untold := [subject for subject in failed if f"{subject} failed" not in told]:
            return f"untold: {untold}"
        return ""

    def behind(self, days: Sequence[str]) -> list[str]:
        """Files of tables and of a mart that do not hold what their inputs hold."""
        lake = self.site.lake
        found = []
        for day in days:
            rows = lake.read("transactions", [day], ["id", "items", "tenders"])
            expected = [*TABLES, *(kpis.recipe.asset for kpis in KPI_TABLES)]
            found += [f"{asset} {day}" for asset in expected if not lake.has(asset, day)]
            for table, column in (("line_items", "items"), ("tenders", "tenders")):
                if lake.has(table, day):
                    count = sum(len(row[column]) for row in rows.to_pylist())
                    if lake.rows(table, day) != count:
                        found.append(f"{table} {day}")
            inputs = MartInputs(lake, self.site.environment["SONNYS_TIMEZONE"])
            if lake.has("site_day_kpis", day):
                counted = inputs.count(site_day_kpis, [day]).table
                held = lake.read("site_day_kpis", [day]).drop_columns("date")
                if sorted_rows(counted) != sorted_rows(held):
                    found.append(f"site_day_kpis {day}")
        return found


def sorted_rows(table: pa.Table) -> list[str]:
    """Rows in an order that says nothing."""
    return sorted(repr(sorted(row.items())) for row in table.to_pylist())


def rows_of(site: Site, day: str) -> list[tuple[str, float]]:
    """Id and total of each landed row, repeated ones included."""
    table = site.lake.read("transactions", [day], ["id", "total"])
    return sorted((row["id"], round(float(row["total"]), 2)) for row in table.to_pylist())


def world_rows(site: Site, day: str) -> list[tuple[str, float]]:
    """Id and total of each row that the API has of a UTC day."""
    start = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    rows = site.simulator.world.rows(start, start + timedelta(days=1) - timedelta(milliseconds=1))
    return sorted((row["id"], round(float(row["total"]), 2)) for row in rows)
