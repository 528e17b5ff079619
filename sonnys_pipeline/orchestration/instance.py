"""The Dagster instance of `DAGSTER_HOME`, for commands outside of Dagster."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus

from sonnys_pipeline.doctor.machine import Finding, State, skipped
from sonnys_pipeline.orchestration.account import Account
from sonnys_pipeline.orchestration.automation.mornings import MORNING
from sonnys_pipeline.orchestration.services.processes import lost_runs
from sonnys_pipeline.orchestration.services.ui import CODE_LOCATION
from sonnys_pipeline.runtime.quoting import sentence

#: Seconds without a heartbeat after which the daemon counts as dead; it sends one every 30 s, or later under load.
DAEMON_SILENCE = 300.0
_INSTANCE, _DAEMON, _DAYS = "Dagster instance", "Dagster daemon", "recorded days"
#: Runs named in a line.
_NAMED = 3
#: Characters quoted of Dagster's messages.
_QUOTED = 300


class InstanceError(Exception):
    """`DAGSTER_HOME` is set, but no instance can be opened there; `detail` says why, `remedy` what to do."""

    def __init__(self, detail: str, remedy: str) -> None:
        self.detail, self.remedy = detail, remedy
        super().__init__(f"{detail}; {remedy}")

    def __reduce__(self) -> tuple[type["InstanceError"], tuple[str, str]]:
        return type(self), (self.detail, self.remedy)


def configured_instance() -> dg.DagsterInstance | None:
    """The instance of `DAGSTER_HOME` as a context manager; `None` where it is not set. Raises InstanceError."""
    named = os.environ.get("DAGSTER_HOME", "")
    if not named:
        return None
    home = Path(named).expanduser()
    if not home.is_absolute():
        raise InstanceError(f"DAGSTER_HOME: {named} is a relative path", f"write {home.absolute()}")
    if not home.is_dir():
        raise InstanceError(
            f"DAGSTER_HOME: {home} is not a directory", f"mkdir -p {home}, or set it to another directory"
        )
    with ExitStack() as opened:
        try:
            instance = opened.enter_context(dg.DagsterInstance.get())
            instance.get_runs_count()  # the first use reveals a missing storage
        except Exception as error:
            remedy = f"correct {home / 'dagster.yaml'}; install the package, or fix the storage, that it names"
            if "more than one head" in str(error):
                remedy = "two processes made this storage at the same moment: docs/operations.md says how to repair it"
            raise InstanceError(f"DAGSTER_HOME: {home} cannot be opened ({_reason(error)})", remedy) from error
        opened.pop_all()  # the caller closes it
        return instance


def instance_findings(
    landed: Sequence[str], in_part: int = 0, now: datetime | None = None, account: str | None = None
) -> list[Finding]:
    """Findings of `sonnys doctor` about Dagster: the instance, its daemon, and landed days unknown to it.

    `landed` are the days of `transactions` landed with all sites, `in_part` is the number landed with some sites only.
    """
    try:
        instance = configured_instance()
    except InstanceError as error:
        return [Finding(_INSTANCE, State.PROBLEM, error.detail, error.remedy), *_unknown("there is no instance")]
    if instance is None:
        detail = "DAGSTER_HOME is not set: Dagster forgets every run when it ends, and schedules do not run"
        remedy = 'mkdir -p .dagster && export DAGSTER_HOME="$PWD/.dagster"'
        return [Finding(_INSTANCE, State.WARNING, detail, remedy), *_unknown("DAGSTER_HOME is not set")]
    with instance:
        try:
            return [
                instance_finding(instance),
                daemon_finding(instance, now or datetime.now(UTC), account),
                recorded_finding(instance, landed, in_part, account),
            ]
        except Exception as error:  # noqa: BLE001 - Dagster and its storages have errors of their own
            remedy = "look at the storage that dagster.yaml names; `dagster instance migrate` updates an older one"
            return [Finding(_INSTANCE, State.PROBLEM, f"cannot be read ({_reason(error)})", remedy)]


def instance_finding(instance: dg.DagsterInstance) -> Finding:
    """Whether runs are remembered, and whether a run whose process is gone is noticed."""
    opens = f"{os.environ.get('DAGSTER_HOME', '')}: opens; {instance.get_runs_count()} runs remembered"
    lost = lost_runs(instance)
    if not (instance.run_monitoring_enabled and instance.run_launcher.supports_check_run_worker_health):
        detail = f"{opens}; a run whose process is gone, as after a power cut, stays at Started for ever"
        remedy = "copy deploy/dagster.yaml into DAGSTER_HOME, and start the daemon again"
        return Finding(_INSTANCE, State.WARNING, detail, remedy)
    if lost:
        named = ", ".join(run.run_id[:8] for run in lost[:_NAMED])
        detail = f"{opens}; {len(lost)} say Started and their process is gone ({named})"
        return Finding(_INSTANCE, State.WARNING, detail, "start the daemon: it ends them, and tries them again")
    return Finding(_INSTANCE, State.OK, opens)


def daemon_finding(instance: dg.DagsterInstance, now: datetime, account: str | None = None) -> Finding:
    """Whether a daemon is alive, so that schedules and backfills run, and whether the morning's schedule is on."""
    beats = instance.get_daemon_heartbeats()
    needed = instance.get_required_daemon_types()
    ages = {kind: now.timestamp() - beats[kind].timestamp for kind in needed if kind in beats}
    remedy = f"keep `sonnys ui` or `sonnys-daemon run -m {CODE_LOCATION}` running with this DAGSTER_HOME"
    if not ages:
        return Finding(_DAEMON, State.WARNING, "has never run: schedules and backfills of the UI do not start", remedy)
    silent = [kind for kind in needed if ages.get(kind, float("inf")) > DAEMON_SILENCE]
    if silent:
        oldest = max(ages.values())
        detail = f"last heard of {oldest:,.0f} s ago ({', '.join(silent)}): schedules and backfills do not start"
        return Finding(_DAEMON, State.WARNING, detail, remedy)
    failing = [kind for kind in needed if beats[kind].errors]
    if failing:
        detail = f"alive, but {', '.join(failing)} reports errors"
        return Finding(_DAEMON, State.WARNING, detail, "read them in Dagster's UI under Deployment, Daemons")
    return morning_finding(instance, now, account)


def morning_finding(instance: dg.DagsterInstance, now: datetime, account: str | None = None) -> Finding:
    """Whether the schedule that lands yesterday is on in the running code location.

    Dagster keeps the switch under the location's name: one that was switched on under another name has no effect.
    Sensors show which location runs, since they leave a tick every half minute.
    """
    name = Account(account).named(MORNING)
    running = running_locations(instance, now)
    if not running:
        return Finding(_DAEMON, State.OK, f"alive, since a moment only: whether {name} is on shows in a minute")
    on = {
        _location(state)
        for state in instance.all_instigator_state(instigator_statuses={InstigatorStatus.RUNNING})
        if state.instigator_type is InstigatorType.SCHEDULE and state.name == name
    }
    if on & running:
        return Finding(_DAEMON, State.OK, f"alive; {name} is switched on")
    where = " or ".join(sorted(running))
    elsewhere = f" (it is on in {', '.join(sorted(on))}, which does not run)" if on else ""
    return Finding(
        _DAEMON,
        State.WARNING,
        f"alive; {name} is off in {where}{elsewhere}: nothing lands by itself",
        f"in Dagster's UI, under Automation, switch on {name} of {where}",
    )


def running_locations(instance: dg.DagsterInstance, now: datetime) -> set[str]:
    """Names of the code locations whose sensors have ticked recently."""
    since = now.timestamp() - DAEMON_SILENCE
    sensors = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    ticked = ((state, getattr(state.instigator_data, "last_tick_timestamp", None)) for state in sensors)
    return {_location(state) for state, instant in ticked if instant is not None and instant >= since}


def _location(state: InstigatorState) -> str:
    return state.origin.repository_origin.code_location_origin.location_name


def recorded_finding(
    instance: dg.DagsterInstance, landed: Sequence[str], in_part: int = 0, account: str | None = None
) -> Finding:
    """Whether Dagster has a materialization of every landed day; the command line or a killed run may leave none.

    Days landed with some sites only are observations there.
    """
    known = instance.get_materialized_partitions(Account(account).key("transactions"))
    unknown = sorted(set(landed) - known)
    some = f"; {in_part} more hold some sites only" if in_part else ""
    if not landed:
        return Finding(_DAYS, State.OK, f"no day is landed whole yet{some}")
    if not unknown:
        return Finding(_DAYS, State.OK, f"Dagster knows all {len(landed)} landed days{some}")
    shown = unknown[0] if len(unknown) == 1 else f"{unknown[0]} … {unknown[-1]}"
    detail = f"{len(unknown)} of {len(landed)} landed days have no materialization in Dagster ({shown})"
    return Finding(
        _DAYS, State.WARNING, detail, f"sonnys backfill reconcile{f' --account {account}' if account else ''}"
    )


def _unknown(why: str) -> list[Finding]:
    return [skipped(_DAEMON, why), skipped(_DAYS, why)]


def _reason(error: BaseException) -> str:
    """Kind and beginning of an error, without Dagster's pages about what it would have accepted."""
    said = sentence(error).partition(" Expected: ")[0]
    return f"{type(error).__name__}: {said[:_QUOTED]}"
