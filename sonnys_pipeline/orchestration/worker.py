"""The Celery worker's module: `celery -A sonnys_pipeline.orchestration.worker worker --concurrency 1`.

`dagster-celery worker start -A` with this module would work too, but does not forward its signals, and writes a broker
password given in YAML to a file; here it comes from `SONNYS_CELERY_BROKER_URL`.
"""

import os
import signal
from typing import Any

from celery import Celery, signals
from celery.worker import state
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_execute_job_task, create_resume_job_task

from sonnys_pipeline.config.settings import Settings, SettingsError


def worker_app(settings: Settings) -> Celery:
    """The application with its tasks: to execute and to resume a run. Raises SettingsError without a broker."""
    if settings.celery_broker_url is None:
        raise SettingsError(
            "SONNYS_CELERY_BROKER_URL not set: name the Redis that web server and daemon use, such as "
            "redis://:password@host:6379/1",
            ["celery_broker_url"],
        )
    broker = settings.celery_broker_url.get_secret_value()
    config = {
        "broker_connection_retry_on_startup": True,  # a worker may be started before its broker
        "worker_prefetch_multiplier": 1,
        "worker_disable_prefetch": True,  # a waiting run stays in the queue, where any worker can take it
        "worker_redirect_stdouts": False,  # Dagster keeps what a run prints
        "worker_hijack_root_logger": False,
    }
    made: Celery = make_app({"broker": broker, "backend": broker, "config_source": config})  # type: ignore[no-untyped-call]
    create_execute_job_task(made)
    create_resume_job_task(made)
    return made


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator] # Celery has no types
def stop_runs(sig: str, how: str, **_: Any) -> None:  # noqa: ANN401 - whatever Celery says besides
    """On SIGTERM, stop runs at a checkpoint within seconds (BM-04); otherwise a worker would wait for their end.

    Ctrl-C reaches them directly; a second signal would end them without a checkpoint. `celery control shutdown`
    sends no signal: the worker takes no new run, and exits when the present one has ended.
    """
    if sig != "SIGTERM" or how != "Warm":
        return
    for request in list(state.active_requests):
        if request.worker_pid:
            os.kill(request.worker_pid, signal.SIGTERM)


app = worker_app(Settings.load())
