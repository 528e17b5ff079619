"""Runs on Celery workers: dagster-celery's launcher, extended by detection of lost workers and by termination.

The whole run is one task, so its days share a client, and "Terminate" reaches the working process. (dagster-celery's
executor makes a task of each step; a terminated step continues there, and a lost worker is never noticed.)
`dagster.yaml` names this class, see `deploy/celery/`; it needs the extra `celery`.
"""

import time
import warnings
from collections.abc import Mapping
from typing import Any, Self, cast

import dagster as dg
from dagster._config import UserConfigSchema
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster._serdes import ConfigurableClassData
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from sonnys_pipeline.orchestration.services.local_launcher import expect_retry

#: Seconds for a worker to answer; it does so at once, even while it executes a run.
_ANSWER = 5.0
#: Seconds without a worker that has the run. Longer than the lease of a ledger job (30 s), which must be free for the
#: next run, and than a worker needs to reconnect after its broker was away.
SILENCE = 90
# dagster-celery registers its tasks again at each launch; that is no news for a daemon's log.
warnings.filterwarnings("ignore", message="Task name '(execute|resume)_job' is already registered")

#: A launch waits a minute for a broker that is away; Dagster would fail the run at once.
_MINUTE = {"max_retries": 60, "interval_start": 0, "interval_step": 1, "interval_max": 1}
_PATIENCE = {"task_publish_retry_policy": _MINUTE, "result_backend_transport_options": {"retry_policy": _MINUTE}}


class WorkerRunLauncher(CeleryRunLauncher):
    """Sends runs to Celery workers.

    The workers are asked about a run, not only the result store, which says "started" for ever if a worker was killed
    or its machine is gone, and forgets after a day, while a backfill may take longer.
    """

    def __init__(
        self,
        *,
        silence_seconds: int = SILENCE,
        config_source: Mapping[str, Any] | None = None,
        **config: Any,  # noqa: ANN401 - Celery's own
    ) -> None:
        super().__init__(config_source={**_PATIENCE, **(config_source or {})}, **config)
        self._silence = silence_seconds
        self._silent_since: dict[str, float] = {}

    def terminate(self, run_id: str) -> bool:
        """Mark the run, then ask its process for a checkpoint, so that it ends as cancelled; False if none is left."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or DAGSTER_CELERY_TASK_ID_TAG not in run.tags:
            return False
        self._instance.report_run_canceling(run)
        return bool(super().terminate(run_id))

    def get_run_worker_debug_info(self, run: dg.DagsterRun, include_container_logs: bool | None = True) -> None:  # noqa: ARG002 - Dagster's signature
        """Nothing; monitoring asks for it just before it ends a run."""
        expect_retry(self._instance, run)

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Failed when its task has failed, or when no worker has had it for `silence_seconds`."""
        task = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
        if task is None:  # it began before its launch was recorded
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        told = super().check_run_worker_health(run)
        if told.status in {WorkerStatus.SUCCESS, WorkerStatus.FAILED}:
            self._silent_since.pop(run.run_id, None)
            return told
        if self._is_held(task):
            self._silent_since.pop(run.run_id, None)
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        now = time.monotonic()
        silent = now - self._silent_since.setdefault(run.run_id, now)
        if silent < self._silence:
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        del self._silent_since[run.run_id]
        return CheckRunHealthResult(
            WorkerStatus.FAILED,
            f"no worker has had this run for {silent:.0f} s: its worker is gone. What is landed stays landed; a "
            'retry, or "Re-execute from failure", goes on with what is missing',
        )

    def _is_held(self, task: str) -> bool:
        """Whether a worker executes a task or has it queued: asks the one that began it, else all."""
        found = self.celery.AsyncResult(task).info
        began = found.get("hostname") if isinstance(found, dict) else None
        # A single worker answers at once; asking all of them takes the whole time.
        for asked in [[began], None] if began else [None]:
            inspect = self.celery.control.inspect(destination=asked, timeout=_ANSWER)
            replies: Mapping[str, Mapping[str, Any]] = inspect.query_task(task) or {}
            if any(task in held for held in replies.values()):
                return True
        return False

    @classmethod
    def config_type(cls) -> UserConfigSchema:
        """The options of `dagster.yaml`."""
        of_celery = cast("dict[str, Any]", super().config_type())
        return of_celery | {"silence_seconds": dg.Field(dg.IntSource, is_required=False, default_value=SILENCE)}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """Dagster's constructor."""
        return cls(inst_data=inst_data, **config_value)
