"""DG-03: the instance that DAGSTER_HOME names, and whether a daemon is alive on it."""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    SensorInstigatorData,
)
from dagster._core.test_utils import instance_for_test
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._daemon.types import DaemonHeartbeat
from dagster_shared.error import SerializableErrorInfo

from sonnys_pipeline.doctor.machine import State
from sonnys_pipeline.orchestration.instance import (
    DAEMON_SILENCE,
    InstanceError,
    configured_instance,
    daemon_finding,
    instance_finding,
    recorded_finding,
)
from sonnys_pipeline.orchestration.services.processes import RunProcess

DEPLOYED = Path(__file__).parents[3] / "deploy" / "dagster.yaml"
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance on disk: one in memory needs no daemon."""
    with instance_for_test() as on_disk:
        yield on_disk


def beat(instance: dg.DagsterInstance, kinds: list[str], age: float, *, error: str = "") -> None:
    """Heartbeats that are so many seconds old."""
    errors = [SerializableErrorInfo(error, [], None)] if error else []
    for kind in kinds:
        instance.add_daemon_heartbeat(DaemonHeartbeat(NOW.timestamp() - age, kind, "one", errors))


@dg.job
def nothing() -> None:
    """Never executed."""


def origin(name: str, location: str) -> RemoteInstigatorOrigin:
    """Where Dagster would have loaded a schedule or sensor from."""
    target = LoadableTargetOrigin(module_name="sonnys_pipeline.definitions")
    repository = RemoteRepositoryOrigin(ManagedGrpcPythonEnvCodeLocationOrigin(target, location), "__repository__")
    return RemoteInstigatorOrigin(repository, name)


def test_there_is_none_where_dagster_home_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unset and empty are the same."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    assert configured_instance() is None
    monkeypatch.setenv("DAGSTER_HOME", "")
    assert configured_instance() is None


def test_it_opens_what_dagster_home_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What is reported to it is there when it is opened again."""
    (tmp_path / "dagster.yaml").touch()
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    first = configured_instance()
    assert first is not None
    with first:
        first.report_runless_asset_event(dg.AssetMaterialization("transactions", partition="2026-03-01"))
    again = configured_instance()
    assert again is not None
    with again:
        assert again.get_materialized_partitions(dg.AssetKey("transactions")) == {"2026-03-01"}


def test_its_error_keeps_detail_and_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder that is not there: both parts in the message, and across a process boundary."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "nowhere"))
    with pytest.raises(InstanceError) as caught:
        configured_instance()
    copy = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own
    assert (copy.detail, copy.remedy) == (caught.value.detail, caught.value.remedy)
    assert str(copy) == f"{copy.detail}; {copy.remedy}"
    assert f"mkdir -p {tmp_path / 'nowhere'}" in copy.remedy


def test_a_daemon_that_never_ran_is_told_with_the_command(instance: dg.DagsterInstance) -> None:
    """Schedules would not start."""
    found = daemon_finding(instance, NOW)
    assert found.state is State.WARNING
    assert "has never run" in found.detail
    assert "sonnys-daemon run -m sonnys_pipeline.definitions" in found.remedy


def test_a_daemon_that_beats_is_alive(instance: dg.DagsterInstance) -> None:
    """Every kind that the instance needs was heard of; what its sensors and schedules do, is not known yet."""
    beat(instance, list(instance.get_required_daemon_types()), DAEMON_SILENCE - 1)
    found = daemon_finding(instance, NOW)
    assert (found.state, found.detail.partition(",")[0]) == (State.OK, "alive")


RUNS, OTHER = "sonnys_pipeline.definitions", "sonnys_pipeline"


def switch_on(instance: dg.DagsterInstance, name: str, location: str) -> None:
    """A schedule, as the UI does it."""
    daily = ScheduleInstigatorData("0 6 * * *", NOW.timestamp())
    state = InstigatorState(origin(name, location), InstigatorType.SCHEDULE, InstigatorStatus.RUNNING, daily)
    instance.add_instigator_state(state)


@pytest.mark.parametrize(
    ("switched", "state", "says"),
    [
        ([], State.WARNING, f"daily_transactions_schedule is off in {RUNS}: nothing lands"),
        ([("watch_schedule", RUNS)], State.WARNING, f"daily_transactions_schedule is off in {RUNS}: nothing lands"),
        ([("daily_transactions_schedule", OTHER)], State.WARNING, f"it is on in {OTHER}, which does not run"),
        ([("daily_transactions_schedule", RUNS)], State.OK, "alive; daily_transactions_schedule is switched on"),
    ],
)
def test_the_mornings_schedule_is_on_in_the_location_that_runs(
    instance: dg.DagsterInstance, switched: list[tuple[str, str]], state: State, says: str
) -> None:
    """Another schedule does not count, nor this one under another location's name; the remedy names what to switch."""
    beat(instance, list(instance.get_required_daemon_types()), 10)
    for location, age in ((RUNS, 20), (OTHER, DAEMON_SILENCE + 1)):
        ticked = SensorInstigatorData(last_tick_timestamp=NOW.timestamp() - age)
        sensor = InstigatorState(origin("alerts", location), InstigatorType.SENSOR, InstigatorStatus.RUNNING, ticked)
        instance.add_instigator_state(sensor)
    for name, location in switched:
        switch_on(instance, name, location)

    found = daemon_finding(instance, NOW)

    assert (found.state, says in found.detail) == (state, True), found
    if state is State.WARNING:
        assert f"switch on daily_transactions_schedule of {RUNS}" in found.remedy
        assert "make dev" not in found.remedy


def test_an_instance_that_cannot_notice_lost_runs_is_told(instance: dg.DagsterInstance) -> None:
    """Dagster's own launcher, or monitoring switched off: the remedy names the file that has both."""
    found = instance_finding(instance)

    assert found.state is State.WARNING
    assert "power cut" in found.detail
    assert "deploy/dagster.yaml" in found.remedy


def test_runs_whose_process_is_gone_are_told() -> None:
    """By the start of their ids; one whose process lives is not named."""
    with instance_for_test(overrides=yaml.safe_load(DEPLOYED.read_text())) as deployed:
        assert instance_finding(deployed).state is State.OK
        runs = [deployed.create_run_for_job(nothing, status=dg.DagsterRunStatus.STARTED) for _ in range(2)]
        alive, gone = (RunProcess.this(run.run_id) for run in runs)
        deployed.add_run_tags(alive.run_id, alive.tags)
        deployed.add_run_tags(gone.run_id, replace(gone, started="1").tags)

        found = instance_finding(deployed)

    assert found.state is State.WARNING
    assert f"1 say Started and their process is gone ({gone.run_id[:8]})" in found.detail


def test_a_daemon_that_fell_silent_is_told_with_its_age(instance: dg.DagsterInstance) -> None:
    """One kind is late, the others are not: a warning that names it."""
    kinds = list(instance.get_required_daemon_types())
    beat(instance, kinds, 10)
    beat(instance, ["SCHEDULER"], DAEMON_SILENCE + 100)
    found = daemon_finding(instance, NOW)
    assert found.state is State.WARNING
    assert "400 s ago (SCHEDULER)" in found.detail


def test_a_daemon_that_reports_errors_is_named_without_quoting_them(instance: dg.DagsterInstance) -> None:
    """They are to be read in the UI; nobody knows what they quote."""
    beat(instance, list(instance.get_required_daemon_types()), 10)
    beat(instance, ["SENSOR"], 10, error="it says key-4711")
    found = daemon_finding(instance, NOW)
    assert found.state is State.WARNING
    assert "SENSOR" in found.detail
    assert "4711" not in found.detail


def test_days_that_are_landed_are_compared_with_events(instance: dg.DagsterInstance) -> None:
    """Only days that lie in the lake are missed in Dagster; the other way round it is not this check's matter."""
    assert recorded_finding(instance, []).state is State.OK
    for day in ("2026-03-01", "2026-03-09"):
        instance.report_runless_asset_event(dg.AssetMaterialization("transactions", partition=day))
    assert recorded_finding(instance, ["2026-03-01"]).state is State.OK
    found = recorded_finding(instance, ["2026-03-01", "2026-03-02"])
    assert found.state is State.WARNING
    assert found.detail == "1 of 2 landed days have no materialization in Dagster (2026-03-02)"
