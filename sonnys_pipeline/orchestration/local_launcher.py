"""Runs on one machine: Dagster's default launcher, which also notices runs whose process is gone.

Without that, a power cut leaves a run at "Started" for ever: the code server that watched its process died with it.
What stands downstream then waits for the run, and its place in the queue stays taken. `dagster.yaml` names this class,
see `deploy/`; run monitoring asks it, ends such runs, and run retries start them again.

Belongs here: what the daemon asks about a run. Does not belong here: which process a run has (`processes.py`).
"""

import json
import os
from typing import Any

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

from sonnys_pipeline.orchestration.processes import Life, RunProcess, lives_since

_HERE = frozenset({"localhost", "127.0.0.1", "::1"})
#: Dagster's switch for a daemon that finds a backfill whose code location is not there (yet): wait for it.
_WAIT_FOR_CODE = "DAGSTER_BACKFILL_RETRY_DEFINITION_CHANGED_ERROR"


def wait_for_code_locations() -> None:
    """Let the daemon keep backfills whose code server is still starting, as after a power cut; else it fails them.

    Called by the launchers, since `dagster.yaml` names those wherever a daemon runs, and nothing else of ours.
    """
    os.environ.setdefault(_WAIT_FOR_CODE, "1")


class LocalRunLauncher(DefaultRunLauncher):
    """Starts runs as processes of the code server, and notices those that died with it.

    Runs of `dagster asset materialize` count, too: nobody launched them, and their process is recorded all the same.
    """

    def __init__(self, **config: Any) -> None:  # noqa: ANN401 - Dagster's own
        """Begin with no run."""
        super().__init__(**config)
        wait_for_code_locations()

    @property
    def supports_check_run_worker_health(self) -> bool:
        """It does; Dagster's own launcher does not."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Failed when the run's process is gone; a run of which nothing can be said from here is left alone."""
        process = RunProcess.of(run)
        is_gone = self._died_early(run) if process is None else process.life() is Life.GONE
        if not is_gone:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(
            WorkerStatus.FAILED,
            "the process of this run is gone: it was killed, or its machine went down. What is landed stays landed; a "
            'retry, or "Re-execute from failure", goes on with what is missing',
        )

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
