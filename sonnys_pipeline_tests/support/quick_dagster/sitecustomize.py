"""Shorter waits inside Dagster's own processes, so that tests with a daemon take seconds instead of minutes.

Python imports a module of this name at start from any folder on PYTHONPATH; `QUICK_PATH` (in `processes/quick.py`)
holds this folder. The daemon looks every 1 to 4 seconds instead of every 5 to 30 seconds, no more often, because each
look costs processor time. Sensors that no test waits for look as often as deployed; `FOLLOW_NOTHING` and `ALL_QUICK`
(in `processes/quick.py`) say otherwise. A code server forks its runs from a process that is forked from it once it has
imported the definitions, where Dagster would import them again for each run. Programs of Dagster fork those that they
start, where a test wants it (`processes/forked.py`). Engines and migrations of SQLite databases are kept, as in the
tests' own process (`../shortcuts.py`). A version of Dagster that has renamed one of these names makes its processes
fail.
"""

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType, SimpleNamespace
from typing import Any


def _replace(**values: object) -> Callable[[ModuleType], None]:
    def patch(module: ModuleType) -> None:
        for name, value in values.items():
            getattr(module, name)
            setattr(module, name, value)

    return patch


def _look_into_the_queue_every_second(module: ModuleType) -> None:
    _replace(dequeue_interval_seconds=property(lambda _: 1))(module.QueuedRunCoordinator)


def _fork_runs(module: ModuleType) -> None:
    import multiprocessing
    from multiprocessing import forkserver, resource_tracker, util

    load, spawn = module.LoadedRepositories.__init__, util.spawnv_passfds

    def load_and_fork(*arguments: Any, **options: Any) -> None:
        load(*arguments, **options)
        if threading.active_count() > 1:  # then it is started, and imports the definitions, as preloaded below
            return
        resource_tracker.ensure_running()
        util.spawnv_passfds = _forked_server
        try:
            forkserver.ensure_running()
        finally:
            util.spawnv_passfds = spawn

    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["sonnys_pipeline.definitions"])
    _replace(__init__=load_and_fork)(module.LoadedRepositories)
    _replace(multiprocessing=SimpleNamespace(get_context=lambda _: forking))(module)


def _forked_server(_: object, command: Sequence[str], descriptors: Sequence[int]) -> int:
    """The server that forks runs, itself forked from the code server, where multiprocessing would start it."""
    if process := os.fork():
        return process
    from sonnys_pipeline_tests.support.processes.forked import as_new

    as_new()
    alive = os.fstat(descriptors[-1]).st_ino
    for descriptor in map(int, os.listdir("/proc/self/fd")):  # noqa: PTH208 - numbers, no paths
        # The other end of this pipe is the code server's: the server ends when that is closed.
        with suppress(OSError):
            if descriptor not in descriptors and os.fstat(descriptor).st_ino == alive:
                os.close(descriptor)
    try:
        exec(command[-1])  # noqa: S102 - the words after `python -c`
    finally:
        os._exit(0)


def _fork_programs(module: ModuleType) -> None:
    from sonnys_pipeline_tests.support.processes.forked import forking

    _replace(open_ipc_subprocess=forking(module.open_ipc_subprocess))(module)


def _keep_migrations(module: ModuleType) -> None:
    from sonnys_pipeline_tests.support.reused import kept_migrations

    module.ScriptDirectory.from_config = kept_migrations(module.ScriptDirectory.from_config)


def _keep_engines(module: ModuleType) -> None:
    from sonnys_pipeline_tests.support.reused import kept_engines

    _replace(create_engine=kept_engines(module.create_engine))(module)


def _look_as_told(module: ModuleType) -> None:
    sensor, otherwise = SENSORS[module.__name__]
    _replace(_INTERVAL=int(os.environ.get(f"TESTS_{sensor}_EVERY", otherwise)))(module)


def _look_again_soon(module: ModuleType) -> None:
    _look_as_told(module)
    _replace(PAUSES=(2, 4, 8, 16, 30))(module)


def sensors_look_as_told() -> None:
    """Read the environment again, in a process that is forked from one that has imported the sensors."""
    for name in SENSORS.keys() & sys.modules.keys():
        _look_as_told(sys.modules[name])


#: Sensors by module: how the environment calls them, and in how many seconds they look again if it does not say.
SENSORS: Mapping[str, tuple[str, int]] = {
    "sonnys_pipeline.orchestration.automation.alerts": ("ALERTS", 30),
    "sonnys_pipeline.orchestration.automation.conditions": ("CONDITIONS", 4),
    "sonnys_pipeline.orchestration.automation.missed_mornings": ("MORNINGS", 30),
}
#: What is changed in a module once it is imported.
PATCHES: Mapping[str, Callable[[ModuleType], None]] = {
    "alembic.script.base": _keep_migrations,
    "dagster._core.storage.event_log.sqlite.sqlite_event_log": _keep_engines,
    "dagster._core.storage.runs.sqlite.sqlite_run_storage": _keep_engines,
    "dagster._core.storage.schedules.sqlite.sqlite_schedule_storage": _keep_engines,
    "dagster._daemon.controller": _replace(DEFAULT_DAEMON_INTERVAL_SECONDS=2),
    "dagster._daemon.sensor": _replace(MIN_INTERVAL_LOOP_TIME=1),
    "dagster._daemon.asset_daemon": _replace(MIN_INTERVAL_LOOP_SECONDS=1),
    "dagster._core.run_coordinator.queued_run_coordinator": _look_into_the_queue_every_second,
    "dagster._grpc.server": _fork_runs,
    "dagster_shared.ipc": _fork_programs,
    "sonnys_pipeline.orchestration.automation.alerts": _look_as_told,
    "sonnys_pipeline.orchestration.automation.conditions": _look_as_told,
    "sonnys_pipeline.orchestration.automation.missed_mornings": _look_again_soon,
}


class _Patching(MetaPathFinder):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:  # fmt: skip
        if name not in PATCHES:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.loader is None:
            return spec
        execute = spec.loader.exec_module

        def execute_and_patch(module: ModuleType) -> None:
            execute(module)
            PATCHES[name](module)

        spec.loader.exec_module = execute_and_patch  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _Patching())
os.environ.setdefault("DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS", "1")
