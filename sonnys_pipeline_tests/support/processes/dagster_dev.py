"""A running `dagster dev`, and what the UI's buttons ask of it, over GraphQL."""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import requests

from sonnys_pipeline_tests.acceptance.conftest import STUCK, Process, free_port
from sonnys_pipeline_tests.support.processes.quick import FOLLOW_NOTHING

LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
TERMINATE = """mutation($id: String!) { terminateRun(runId: $id, terminatePolicy: SAFE_TERMINATE) { __typename } }"""
GO_ON = """mutation($params: ReexecutionParams!) { launchRunReexecution(reexecutionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
BACKFILL = """mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
OVER = frozenset({"SUCCESS", "FAILURE", "CANCELED"})


@dataclass(frozen=True)
class Server:
    """`dagster dev` on a site: web server, daemon and code server."""

    url: str
    process: Process

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """What GraphQL answers; an error of it is an error here."""
        asked = {"query": query, "variables": variables}
        answer = requests.post(f"{self.url}/graphql", json=asked, timeout=60).json()
        assert answer.keys() == {"data"}, (answer, self.process.output)
        return answer["data"]

    def launch_days(self, first: str, last: str) -> str:
        """Start one run of `transactions` over a range of days; its id."""
        selector = {
            "jobName": "__ASSET_JOB",
            "repositoryName": "__repository__",
            "repositoryLocationName": "sonnys_pipeline.definitions",
            "assetSelection": [{"path": ["transactions"]}],
        }
        ends = {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}
        tags = [{"key": key, "value": value} for key, value in ends.items()]
        return self._launch(LAUNCH, {"selector": selector, "executionMetadata": {"tags": tags}})

    def go_on(self, run_id: str) -> str:
        """Re-execute a run from failure; the new run's id."""
        return self._launch(GO_ON, {"parentRunId": run_id, "strategy": "FROM_FAILURE"})

    def _launch(self, mutation: str, params: Mapping[str, Any]) -> str:
        (launched,) = self.ask(mutation, params=params).values()
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return launched["run"]["runId"]

    def backfill(self, days: Sequence[str]) -> str:
        """Start a backfill of `transactions`; its id."""
        params = {"assetSelection": [{"path": ["transactions"]}], "partitionNames": list(days)}
        (launched,) = self.ask(BACKFILL, params=params).values()
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        return launched["backfillId"]

    def terminate(self, run_id: str) -> None:
        """Ask a run to end."""
        assert self.ask(TERMINATE, id=run_id)["terminateRun"]["__typename"] == "TerminateRunSuccess"

    def ends_as(self, run_id: str) -> str:
        """Wait for a run's end; how it ended."""
        try:
            return until(lambda: status if (status := self.status(run_id)) in OVER else None, every=0.5)
        except AssertionError as error:
            error.add_note(f"run {run_id}: {self.status(run_id)}; {self.process.output}")
            raise

    def status(self, run_id: str) -> str:
        """Where a run stands."""
        return self.ask(STATUS, id=run_id)["runOrError"]["status"]

    def is_up(self) -> bool:
        """Whether it answers yet."""
        try:
            return requests.get(f"{self.url}/server_info", timeout=60).ok
        except requests.ConnectionError:
            return False

    def end(self) -> None:
        """End the whole group by force: by itself it takes ten seconds, and no test looks at how."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.popen.pid, signal.SIGKILL)
        self.process.popen.wait()


@contextmanager
def dagster_dev(start: Callable[..., Process], environment: Mapping[str, str]) -> Iterator[Server]:
    """`dagster dev`, answering; ended afterwards. Marts do not follow what lands."""
    port = free_port()
    command = ["dagster", "dev", "-m", "sonnys_pipeline.definitions", "-h", "127.0.0.1", "-p", str(port)]
    running = Server(f"http://127.0.0.1:{port}", start(command, {**environment, **FOLLOW_NOTHING}, forked=True))
    try:
        until(running.is_up)
        yield running
    finally:
        running.end()


def until(reached: Callable[[], Any], seconds: float = STUCK, *, every: float = 0.2) -> Any:
    """Ask `every` so many seconds until there is something; to ask Dagster costs hundredths of a processor second."""
    deadline = time.monotonic() + seconds
    while not (found := reached()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(every)
    return found
