"""RB-03: a run whose process is gone is noticed, by whatever it died, and one that lives is left alone."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.events import EngineEventData
from dagster._core.launcher import WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG, MAX_RETRIES_TAG, WILL_RETRY_TAG

from sonnys_pipeline.orchestration.build import build_defs
from sonnys_pipeline.orchestration.services import processes
from sonnys_pipeline.orchestration.services.local_launcher import LocalRunLauncher
from sonnys_pipeline.orchestration.services.processes import Life, RunProcess, lost_runs

DEPLOYED = Path(__file__).parents[4] / "deploy" / "dagster.yaml"
HERE, SOCKET = '{"host": "localhost", "port": 9}', '{"host": "localhost", "socket": "/tmp/nobody"}'


@dg.job
def nothing() -> None:
    """Never executed."""


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """The deployed one."""
    with dg.instance_for_test(overrides=yaml.safe_load(DEPLOYED.read_text())) as opened:
        yield opened


def started(instance: dg.DagsterInstance, **tags: str) -> dg.DagsterRun:
    """A run that says it has begun."""
    return instance.create_run_for_job(nothing, tags=tags, status=dg.DagsterRunStatus.STARTED)


def health(instance: dg.DagsterInstance, run: dg.DagsterRun) -> WorkerStatus:
    """What the daemon is told."""
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return instance.run_launcher.check_run_worker_health(found).status


def record(instance: dg.DagsterInstance, process: RunProcess) -> None:
    instance.add_run_tags(process.run_id, process.tags)


def test_the_deployed_instance_has_it(instance):
    """Monitoring is on, and asks it."""
    assert isinstance(instance.run_launcher, LocalRunLauncher)
    assert instance.run_monitoring_enabled
    assert instance.run_launcher.supports_check_run_worker_health


def test_a_process_that_lives_is_left_alone_and_one_that_was_killed_is_noticed(instance):
    """The same process, before and after."""
    run = started(instance)
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as child:
        record(instance, replace(RunProcess.this(run.run_id), pid=child.pid, started=processes._started(child.pid)))
        assert health(instance, run) is WorkerStatus.RUNNING
        assert lost_runs(instance) == []
        child.kill()
    assert health(instance, run) is WorkerStatus.FAILED
    assert [found.run_id for found in lost_runs(instance)] == [run.run_id]


@pytest.mark.parametrize("changed", [{"started": "1"}, {"boot": "the one before"}], ids=["reused id", "rebooted"])
def test_a_process_id_that_was_given_again_is_not_taken_for_the_run(instance, changed):
    """This very process has the id; it was started at another time, or in another boot."""
    run = started(instance)
    record(instance, replace(RunProcess.this(run.run_id), **changed))

    assert health(instance, run) is WorkerStatus.FAILED


@pytest.mark.parametrize("changed", [{"host": "another-machine"}, {"namespace": "pid:[1]"}])
def test_nothing_is_said_of_processes_of_other_machines(instance, changed):
    """A run by hand on another machine, in the same database: nobody here knows."""
    run = started(instance)
    process = replace(RunProcess.this(run.run_id), started="1", **changed)
    record(instance, process)

    assert process.life() is Life.ELSEWHERE
    assert health(instance, run) is WorkerStatus.RUNNING


def test_a_retry_is_not_judged_by_the_process_of_the_run_before_it(instance):
    """It inherits the tags of that one until it has recorded its own process."""
    before = started(instance)
    gone = replace(RunProcess.this(before.run_id), started="1")
    retry = started(instance, **gone.tags)

    assert health(instance, retry) is WorkerStatus.RUNNING


def told_of(instance: dg.DagsterInstance, run: dg.DagsterRun, pid: int) -> None:
    """What the code server's process writes before anything of a run."""
    instance.report_engine_event(f"Started process for run (pid: {pid}).", run, EngineEventData.in_process(pid))


def test_a_run_that_died_before_it_could_record_its_process(instance):
    """What the code server told of it is enough, when it is one of this machine."""
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        child.wait()
    own, dead = (started(instance, **{GRPC_INFO_TAG: SOCKET}) for _ in range(2))
    elsewhere = started(instance, **{GRPC_INFO_TAG: '{"host": "code", "port": 4000}'})
    untold = started(instance, **{GRPC_INFO_TAG: SOCKET})
    told_of(instance, own, os.getpid())
    for run in (dead, elsewhere):
        told_of(instance, run, child.pid)

    found = [health(instance, run) for run in (own, dead, elsewhere, untold)]

    assert found == [WorkerStatus.RUNNING, WorkerStatus.FAILED, WorkerStatus.RUNNING, WorkerStatus.RUNNING]


def test_a_process_that_began_later_was_only_given_the_same_id():
    """Of two instants, one long before this process began and the present one, it was there at the second."""
    assert processes.lives_since(os.getpid(), time.time())
    assert not processes.lives_since(os.getpid(), time.time() - 10**6)


def test_a_run_is_kept_until_its_code_server_is_back(instance):
    """Dagster drops a retry that it cannot start; nobody listens on this port."""
    run = started(instance, **{GRPC_INFO_TAG: HERE})
    record(instance, replace(RunProcess.this(run.run_id), started="1"))

    assert health(instance, run) is WorkerStatus.RUNNING


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (dg.DagsterRunStatus.STARTED, "true"),
        (dg.DagsterRunStatus.STARTING, "true"),
        (dg.DagsterRunStatus.CANCELING, None),
    ],
)
def test_a_lost_run_is_marked_for_its_retry_before_it_is_ended(instance, status, expected):
    """A backfill that is looked at between its end and Dagster's own mark would close, and nothing be tried again."""
    run = instance.create_run_for_job(nothing, status=status)

    instance.run_launcher.get_run_worker_debug_info(run)

    assert instance.get_run_by_id(run.run_id).tags.get(WILL_RETRY_TAG) == expected


def test_a_run_that_is_not_tried_again_is_not_marked(instance):
    """Its tries are used up: backfills need not wait for another."""
    run = instance.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED, tags={MAX_RETRIES_TAG: "0"})

    instance.run_launcher.get_run_worker_debug_info(run)

    assert WILL_RETRY_TAG not in instance.get_run_by_id(run.run_id).tags


@pytest.mark.parametrize("executor", ["in_process", "multiprocess"])
def test_a_run_records_its_process(monkeypatch, executor):
    """With either executor, before its first step: the run's own process, not a step's."""
    monkeypatch.setenv("SONNYS_EXECUTOR", executor)
    with dg.instance_for_test() as instance:
        result = dg.execute_job(dg.reconstructable(recorded), instance=instance)
        (run,) = instance.get_runs()
    assert result.success
    found = RunProcess.of(run)
    assert found is not None
    assert (found.pid, found.life()) == (os.getpid(), Life.ALIVE)


def recorded() -> dg.JobDefinition:
    """A job with the executor of our definitions."""

    @dg.op
    def one() -> None: ...

    @dg.job(executor_def=build_defs().executor)
    def made() -> None:
        one()

    return made
