"""Runs on one machine: Dagster's default launcher, extended by detection of runs whose process is gone.

Without it, a power cut leaves a run at "Started" for ever, since the code server that watched its process died too;
downstream assets wait for the run, and its place in the queue stays taken. `dagster.yaml` names this class, see
`deploy/`; run monitoring uses it to end such runs, and run retries start them again.
"""

import json

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.execution.retries import auto_reexecution_should_retry_run
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG, WILL_RETRY_TAG

from sonnys_pipeline.orchestration.services.processes import Life, RunProcess, lives_since

_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


def expect_retry(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Mark a run that monitoring is about to end as retried, if it will be.

    Dagster marks it only after failing it. A backfill evaluated in between counts the run as lost, closes, and its runs
    are not retried.
    """
    if run.status is dg.DagsterRunStatus.CANCELING:  # a person wants it ended
        return
    if auto_reexecution_should_retry_run(instance, run.with_status(dg.DagsterRunStatus.FAILURE), None):
        instance.add_run_tags(run.run_id, {WILL_RETRY_TAG: "true"})


class LocalRunLauncher(DefaultRunLauncher):
    """Starts runs as processes of the code server, and notices those that died with it.

    Runs of `dagster asset materialize` are included, since they record their process too.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Yes; Dagster's own launcher does not."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Failed when the run's process is gone; a run whose process is unknown here is left alone."""
        process = RunProcess.of(run)
        is_gone = self._died_early(run) if process is None else process.life() is Life.GONE
        if not is_gone or self._cannot_be_retried_yet(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(
            WorkerStatus.FAILED,
            "the process of this run is gone: it was killed, or its machine went down. What is landed stays landed; a "
            'retry, or "Re-execute from failure", goes on with what is missing',
        )

    def get_run_worker_debug_info(self, run: dg.DagsterRun, include_container_logs: bool | None = True) -> None:  # noqa: ARG002 - Dagster's signature
        """Nothing; monitoring asks for it right before it ends a run, be it lost or never begun."""
        expect_retry(self._instance, run)

    def _cannot_be_retried_yet(self, run: dg.DagsterRun) -> bool:
        """Whether the code server died with the run and is not back: Dagster drops a retry that it cannot start."""
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call] # Dagster's own
        if client is None or client.port is None:  # a server of the daemon's own: it is there, under another name
            return False
        try:
            client.ping("")
        except DagsterUserCodeUnreachableError:
            return True
        return False

    def _died_early(self, run: dg.DagsterRun) -> bool:
        """Whether a run whose process is not recorded, but was told of when a code server here started it, is gone.

        It died within moments of its start, or has an executor that records nothing.
        """
        server = json.loads(run.tags.get(GRPC_INFO_TAG, "{}"))
        if "socket" not in server and server.get("host") not in _HERE:
            return False
        told = [
            (int(str(pid.value)), entry.timestamp)
            for entry in self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
            if entry.dagster_event is not None and (pid := entry.dagster_event.engine_event_data.metadata.get("pid"))
        ]
        return bool(told) and not any(lives_since(pid, instant) for pid, instant in told)
