"""Which process executes a run, and whether that process still lives.

A process id alone proves nothing after a restart: ids are used again. So a run remembers its machine, the machine's
boot, the process id, and when the process was started, and only all of them together are the run's process.
"""

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

import dagster as dg
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.execution.step_dependency_config import StepDependencyConfig
from dagster._core.storage.tags import HIDDEN_TAG_PREFIX

#: The tag of a run that says which process executes it; Dagster's UI does not show it.
PROCESS_TAG = f"{HIDDEN_TAG_PREFIX}sonnys_process"
#: Field 22 of /proc/PID/stat, counted behind the program's name: clock ticks between boot and the process's start.
_START_FIELD = 19
#: Seconds that two ways of telling an instant may differ by.
_CLOCKS = 5.0


class Life(StrEnum):
    """What can be said of a run's process."""

    ALIVE = "alive"
    GONE = "gone"
    ELSEWHERE = "elsewhere"  # on another machine, or recorded by nobody: nothing can be said from here


@dataclass(frozen=True)
class RunProcess:
    """The process that executes a run.

    Attributes:
        run_id: of the run; a retry inherits the tags of the run before it, this one included.
        host: name of the machine or container.
        boot: what tells one boot of it from the next; empty where the system does not say.
        namespace: what tells its process ids from those of another container; empty where the system does not say.
        started: what tells it from another process that was given the same id later.
    """

    run_id: str
    host: str
    boot: str
    namespace: str
    pid: int
    started: str

    @classmethod
    def this(cls, run_id: str) -> Self:
        """The present process, as the one that executes a run."""
        return cls(run_id, socket.gethostname(), _boot(), _namespace(), os.getpid(), _started(os.getpid()) or "")

    @classmethod
    def of(cls, run: dg.DagsterRun) -> Self | None:
        """What a run has recorded; `None` where it has not, or not yet."""
        try:
            found = cls(**json.loads(run.tags[PROCESS_TAG]))
        except (KeyError, TypeError, ValueError):
            return None
        return found if found.run_id == run.run_id else None

    @property
    def tags(self) -> Mapping[str, str]:
        """What is recorded."""
        return {PROCESS_TAG: json.dumps(asdict(self))}

    def life(self) -> Life:
        """Whether it lives, as far as can be told from here."""
        if self.host != socket.gethostname():
            return Life.ELSEWHERE
        if self.boot != _boot():
            return Life.GONE
        if self.namespace != _namespace():
            return Life.ELSEWHERE
        return Life.ALIVE if self.started and _started(self.pid) == self.started else Life.GONE


class RecordingExecutor(dg.Executor):
    """An executor that first records which process it runs in; everything else is the other executor's."""

    def __init__(self, executor: dg.Executor) -> None:
        self._executor = executor

    @property
    def retries(self) -> RetryMode:
        """As the other one has them."""
        return self._executor.retries

    @property
    def step_dependency_config(self) -> StepDependencyConfig:
        """As the other one has it."""
        return self._executor.step_dependency_config

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        """Record the process, then execute."""
        run_id = plan_context.run_id
        plan_context.instance.add_run_tags(run_id, RunProcess.this(run_id).tags)
        yield from self._executor.execute(plan_context, execution_plan)


def recording(executor: dg.ExecutorDefinition) -> dg.ExecutorDefinition:
    """The same executor, whose runs record their process."""
    create = executor.executor_creation_fn
    if create is None:  # as Dagster allows it for definitions that only describe an executor
        return executor
    return dg.ExecutorDefinition(
        name=executor.name,
        config_schema=executor.config_schema,  # type: ignore[arg-type] # taken as it is, whatever the annotation says
        requirements=executor.get_requirements,
        executor_creation_fn=lambda context: RecordingExecutor(create(context)),
        description=executor.description,
    )


def lost_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Runs that count as started although their process is gone."""
    started = instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    known = ((run, RunProcess.of(run)) for run in started)
    return [run for run, process in known if process is not None and process.life() is Life.GONE]


def lives_since(pid: int, instant: float) -> bool:
    """Whether a process of this machine lives that had this id at an instant, in seconds since 1970.

    For a run that died before it recorded its process. One that was started later was only given the same id.
    """
    started = _started(pid)
    if started is None:
        return False
    if not (uptime := _text("/proc/uptime")):
        return True
    age = float(uptime.split()[0]) - int(started) / os.sysconf("SC_CLK_TCK")
    return time.time() - age <= instant + _CLOCKS


def _boot() -> str:
    return _text("/proc/sys/kernel/random/boot_id")


def _namespace() -> str:
    with suppress(OSError):
        return os.readlink("/proc/self/ns/pid")  # noqa: PTH115 - it names no path
    return ""


def _started(pid: int) -> str | None:
    """What tells a process from others of the same id; `None` where there is no such process, or it is a zombie."""
    if stat := _text(f"/proc/{pid}/stat"):
        fields = stat.rpartition(")")[2].split()  # a program's name may hold blanks and brackets
        return None if fields[0] in "ZX" else fields[_START_FIELD]
    if Path("/proc/self/stat").exists():
        return None
    asked = ["/bin/ps", "-o", "lstart=", "-p", str(pid)]  # systems without /proc
    told = subprocess.run(asked, capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    return told.stdout.strip() or None


def _text(path: str) -> str:
    with suppress(OSError):
        return Path(path).read_text().strip()
    return ""
