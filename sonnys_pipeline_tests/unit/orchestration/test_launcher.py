"""BM-04, BM-05: the launcher of runs on Celery workers, and the worker; on Celery's broker in memory.

Real workers, brokers and lost machines are in `acceptance/workers/test_many_workers.py`.
"""

import importlib
import signal
import subprocess
import sys
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

from sonnys_pipeline.config.settings import Settings, SettingsError
from sonnys_pipeline.orchestration import launcher as launcher_module
from sonnys_pipeline.orchestration.launcher import SILENCE, WorkerRunLauncher

BROKER = "redis://:broker-password@127.0.0.1:6379/1"
TASK = "a-task"


@dg.job
def nothing():
    """Never executed."""


@pytest.fixture
def instance(monkeypatch):
    """An instance whose runs go to workers, of whom there are none; silence for any time means lost."""
    monkeypatch.setattr(launcher_module, "_ANSWER", 0.01)
    config = {"broker": "memory://", "backend": "cache+memory://", "silence_seconds": 0}
    named = {"module": "sonnys_pipeline.orchestration.launcher", "class": "WorkerRunLauncher", "config": config}
    with dg.instance_for_test(overrides={"run_launcher": named}) as opened:
        yield opened


def started(instance: dg.DagsterInstance, task: str | None = TASK) -> dg.DagsterRun:
    """A run that a worker has begun."""
    tags = {DAGSTER_CELERY_TASK_ID_TAG: task} if task else {}
    return instance.create_run_for_job(nothing, tags=tags, status=dg.DagsterRunStatus.STARTED)


def test_the_instance_makes_the_launcher(instance):
    """As `dagster.yaml` says; what it leaves out has a default that is longer than a ledger lease."""
    assert isinstance(instance.run_launcher, WorkerRunLauncher)
    assert SILENCE > 30


def test_a_run_that_no_worker_has_is_lost(instance):
    """The daemon is told so, with what to do."""
    told = instance.run_launcher.check_run_worker_health(started(instance))

    assert told.status is WorkerStatus.FAILED
    assert "Re-execute from failure" in told.msg


def test_silence_is_borne_for_a_while(instance, monkeypatch):
    """A worker may be connecting again; each run has a patience of its own."""
    found = instance.run_launcher
    monkeypatch.setattr(found, "_silence", 60)
    now = [1000.0]
    monkeypatch.setattr(launcher_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    run, later = started(instance), started(instance, "another-task")

    assert found.check_run_worker_health(run).status is WorkerStatus.RUNNING
    now[0] += 59
    assert found.check_run_worker_health(run).status is WorkerStatus.RUNNING
    assert found.check_run_worker_health(later).status is WorkerStatus.RUNNING
    now[0] += 2
    assert found.check_run_worker_health(run).status is WorkerStatus.FAILED
    assert found.check_run_worker_health(later).status is WorkerStatus.RUNNING


def test_a_worker_that_answers_ends_the_silence(instance, monkeypatch):
    """What counts is the time since the last answer."""
    found = instance.run_launcher
    monkeypatch.setattr(found, "_silence", 60)
    now, held = [1000.0], [False, True, False]
    monkeypatch.setattr(launcher_module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(found, "_is_held", lambda task: held.pop(0))
    run = started(instance)

    for _ in range(3):
        now[0] += 59
        assert found.check_run_worker_health(run).status is WorkerStatus.RUNNING


@pytest.mark.parametrize(("state", "status"), [("FAILURE", WorkerStatus.FAILED), ("SUCCESS", WorkerStatus.SUCCESS)])
def test_a_task_that_has_ended_is_believed(instance, monkeypatch, state, status):
    """Its worker has said so itself; nobody is asked."""
    found = instance.run_launcher
    monkeypatch.delattr(WorkerRunLauncher, "_is_held")
    found.celery.backend.store_result(TASK, RuntimeError("lost") if state == "FAILURE" else 0, state)

    assert found.check_run_worker_health(started(instance)).status is status


def test_a_run_whose_launch_is_not_recorded_yet_is_left_alone(instance):
    """It has no task to ask for."""
    assert instance.run_launcher.check_run_worker_health(started(instance, None)).status is WorkerStatus.RUNNING


def test_termination_marks_the_run_before_anybody_is_told(instance):
    """So that it ends as cancelled, and is not retried as a failed run would be."""
    run = started(instance)

    assert instance.run_launcher.terminate(run.run_id)
    assert instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.CANCELING


def test_nothing_to_terminate(instance):
    """A run that is over, unknown, or was never sent to a worker."""
    over = instance.create_run_for_job(
        nothing, tags={DAGSTER_CELERY_TASK_ID_TAG: TASK}, status=dg.DagsterRunStatus.SUCCESS
    )
    unsent = started(instance, None)

    for run_id in (over.run_id, unsent.run_id, "00000000-0000-0000-0000-000000000000"):
        assert instance.run_launcher.terminate(run_id) is False
    assert instance.get_run_by_id(over.run_id).status is dg.DagsterRunStatus.SUCCESS


@pytest.fixture
def worker(monkeypatch):
    """The module that a worker names after `-A`."""
    monkeypatch.setenv("SONNYS_CELERY_BROKER_URL", BROKER)
    yield importlib.import_module("sonnys_pipeline.orchestration.worker")
    sys.modules.pop("sonnys_pipeline.orchestration.worker")


def test_the_worker_takes_runs_from_the_broker(worker):
    """It knows both tasks, leaves in the queue what it cannot begin, and shows its broker to nobody."""
    assert {"execute_job", "resume_job"} <= set(worker.app.tasks)
    assert worker.app.conf.broker_url == worker.app.conf.result_backend == BROKER
    assert worker.app.conf.worker_disable_prefetch
    assert "broker-password" not in repr(worker.app)


def test_a_worker_without_a_broker_says_what_to_set(worker, monkeypatch):
    """The message names the variable."""
    monkeypatch.delenv("SONNYS_CELERY_BROKER_URL")
    with pytest.raises(SettingsError, match="SONNYS_CELERY_BROKER_URL not set"):
        worker.worker_app(Settings())


@pytest.mark.parametrize(
    ("sig", "how", "told"), [("SIGTERM", "Warm", True), ("SIGINT", "Warm", False), ("SIGTERM", "Cold", False)]
)
def test_sigterm_is_handed_to_the_run(worker, monkeypatch, sig, how, told):
    """Once; Ctrl-C comes by itself, and a second signal would leave without a checkpoint."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as run:
        waiting = SimpleNamespace(worker_pid=None)
        monkeypatch.setattr(worker.state, "active_requests", [SimpleNamespace(worker_pid=run.pid), waiting])
        worker.stop_runs(sig=sig, how=how, signal=None, sender="worker")
        if not told:
            assert run.poll() is None
            run.kill()
        assert run.wait(60) == -(signal.SIGTERM if told else signal.SIGKILL)


@pytest.mark.parametrize(
    "url", ["amqp://secret@host//", "redis://", "secret", "rediss://:secret@host:6379/1", "redis://[secret"]
)
def test_brokers_that_cannot_be_used_are_refused_without_being_quoted(monkeypatch, url):
    """The message names the variable and never the password in it."""
    monkeypatch.setenv("SONNYS_CELERY_BROKER_URL", url)

    with pytest.raises(SettingsError, match="SONNYS_CELERY_BROKER_URL") as refused:
        Settings.load()
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("url", [BROKER, "rediss://:broker-password@redis.example.com:6379/1?ssl_cert_reqs=required"])
def test_brokers_are_masked(monkeypatch, url):
    """Accepted, and shown nowhere."""
    monkeypatch.setenv("SONNYS_CELERY_BROKER_URL", url)
    settings = Settings.load()

    assert settings.celery_broker_url.get_secret_value() == url
    assert "broker-password" not in f"{settings!r} {settings}"
