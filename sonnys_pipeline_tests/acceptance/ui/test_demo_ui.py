"""DG-03: Dagster's UI on the simulator comes up, backfills three days in one run through the daemon, and ends whole.

One server serves all tests of this module, in their order: starting it takes longer than what is asked of it. The
backfill is asked for first, since the daemon looks for backfills only every half minute.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline_tests.acceptance.conftest import BIN, free_port
from sonnys_pipeline_tests.support.processes.preloaded import Preloaded
from sonnys_pipeline_tests.support.processes.quick import FOLLOW_NOTHING, QUICK_PATH

pytestmark = pytest.mark.acceptance

DAYS = ["2026-11-10", "2026-11-11", "2026-11-12"]
#: Seconds until something that should come counts as not coming; several times what it takes on loaded cores.
LONGEST = 240

LAUNCH = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
PROGRESS = """query($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
  status numPartitions runs(limit: 10) { status tags { key value } } } } }"""
PARTITIONS = """{ assetNodeOrError(assetKey: {path: ["transactions"]}) { ... on AssetNode {
  partitionStats { numMaterialized numFailed }
  assetMaterializations { partition metadataEntries { label ... on IntMetadataEntry { intValue } } } } } }"""


class Ui:
    """A running `sonnys demo --ui`."""

    def __init__(self, folder: Path, preloaded: Preloaded) -> None:
        self.port = free_port()
        self.folder = folder
        command = [str(BIN / "sonnys"), "demo", "--ui", "--port", str(self.port), "--folder", str(folder)]
        environment = {**os.environ, "PYTHONPATH": QUICK_PATH, **FOLLOW_NOTHING}
        with (folder / "log").open("wb") as log:
            self.popen = preloaded.start(command, environment, folder, log.fileno(), log.fileno())

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """What GraphQL answers; an error of it is an error here."""
        answer = requests.post(
            f"http://127.0.0.1:{self.port}/graphql", json={"query": query, "variables": variables}, timeout=60
        ).json()
        assert answer.keys() & {"data", "errors"} == {"data"}, (answer, self.log)
        return answer["data"]

    def until(self, reached: Callable[[], Any]) -> Any:
        """Ask again until there is something; a server that has ended or takes too long is an error."""
        deadline = time.monotonic() + LONGEST
        while not (found := reached()):
            assert self.popen.poll() is None, f"the server ended: {self.log}"
            assert time.monotonic() < deadline, f"not reached: {self.log}"
            time.sleep(0.5)
        return found

    @property
    def log(self) -> str:
        """What the server has written."""
        return (self.folder / "log").read_text()

    def processes(self) -> list[int]:
        """Every process of this server: those that work in its folder."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has just ended, or is somebody else's
                if (entry / "cwd").readlink() == self.folder:
                    found.append(int(entry.name))
        return found

    def end(self) -> None:
        """Whatever is still there, is killed."""
        for pid in [self.popen.pid, *self.processes()]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.popen.wait()


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory, preloaded: Preloaded) -> Iterator[Ui]:
    """The server, answering. Marts do not follow what lands."""
    running = Ui(tmp_path_factory.mktemp("demo"), preloaded)

    def assets() -> list[Any]:
        try:
            return running.ask("{ assetNodes { id } }")["assetNodes"]
        except requests.ConnectionError:
            return []

    try:
        running.until(assets)
        yield running
    finally:
        running.end()


@pytest.fixture(scope="module")
def backfill(ui: Ui) -> str:
    """A backfill of three days, asked for as the UI's own dialogue asks."""
    params = {"assetSelection": [{"path": ["transactions"]}], "partitionNames": DAYS, "fromFailure": False}
    launched = ui.ask(LAUNCH, params=params)["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    return launched["backfillId"]


@pytest.mark.usefixtures("backfill")
def test_it_shows_the_assets(ui):
    """The asset graph has landing and downstream assets, with daily partitions where they belong, and no load error."""
    nodes = {
        "/".join(node["assetKey"]["path"]): node
        for node in ui.ask(
            "{ assetNodes { assetKey { path } isPartitioned groupName dependencyKeys { path } description } }"
        )["assetNodes"]
    }

    assert {"transactions", "sites", "line_items", "site_day_kpis"} <= nodes.keys()
    assert nodes["transactions"]["isPartitioned"]
    assert not nodes["sites"]["isPartitioned"]
    assert nodes["line_items"]["dependencyKeys"] == [{"path": ["transactions"]}]
    assert {"path": ["transactions"]} in nodes["site_day_kpis"]["dependencyKeys"]
    assert all(node["description"] for node in nodes.values())


@pytest.mark.usefixtures("backfill")
def test_it_shows_schedule_and_check(ui):
    """The daily schedule is there, stopped until somebody starts it, and `transactions` has its blocking check."""
    data = ui.ask(
        """{ schedulesOrError(repositorySelector: {
               repositoryLocationName: "sonnys_pipeline.definitions", repositoryName: "__repository__"}) {
               ... on Schedules { results { name cronSchedule executionTimezone scheduleState { status } } } }
             assetNodeOrError(assetKey: {path: ["transactions"]}) { ... on AssetNode {
               assetChecksOrError { ... on AssetChecks { checks { name blocking } } } } } }"""
    )

    assert {
        "name": "daily_transactions_schedule",
        "cronSchedule": "0 6 * * *",
        "executionTimezone": "America/Los_Angeles",
        "scheduleState": {"status": "STOPPED"},
    } in data["schedulesOrError"]["results"]
    checks = data["assetNodeOrError"]["assetChecksOrError"]["checks"]
    assert {"name": "complete_and_unique", "blocking": True} in checks


def test_it_backfills_a_range_in_one_run(ui, backfill):
    """Three partitions chosen in the UI: one run by the daemon, three materializations, files that hold their rows."""
    done = ui.until(
        lambda: (
            found
            if (found := ui.ask(PROGRESS, id=backfill)["partitionBackfillOrError"])["status"] != "REQUESTED"
            else None
        )
    )

    assert done["status"] == "COMPLETED_SUCCESS", ui.log
    assert [run["status"] for run in done["runs"]] == ["SUCCESS"]
    tags = {tag["key"]: tag["value"] for tag in done["runs"][0]["tags"]}
    assert tags["dagster/asset_partition_range_start"] == DAYS[0]
    assert tags["dagster/asset_partition_range_end"] == DAYS[-1]
    node = ui.ask(PARTITIONS)["assetNodeOrError"]
    assert node["partitionStats"] == {"numMaterialized": 3, "numFailed": 0}
    rows = {
        event["partition"]: entry["intValue"]
        for event in node["assetMaterializations"]
        for entry in event["metadataEntries"]
        if entry["label"] == "dagster/partition_row_count"
    }
    lake = Lake(ui.folder / "data")
    assert len(node["assetMaterializations"]) == 3
    assert rows == {day: lake.rows("transactions", day) for day in DAYS}
    ids = lake.read("transactions", DAYS, ["id"])["id"].to_pylist()
    assert len(set(ids)) == len(ids) == sum(rows.values()) > 0


@pytest.mark.usefixtures("backfill")
def test_it_ends_whole_when_terminated(ui):
    """SIGTERM to the command: it ends by itself, and neither web server, daemon nor code server stays behind."""
    assert len(ui.processes()) >= 3

    ui.popen.send_signal(signal.SIGTERM)

    assert ui.popen.wait(LONGEST) in {0, 128 + signal.SIGTERM}
    deadline = time.monotonic() + LONGEST
    while ui.processes() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert ui.processes() == []
