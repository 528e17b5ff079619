"""Shorter waits inside Dagster's own processes, so that tests with a daemon take seconds instead of minutes.

Python imports a module of this name at start from any folder on PYTHONPATH; `QUICK_PATH` (in `processes/quick.py`)
holds this folder. The daemon looks every 1 to 4 seconds instead of every 5 to 30 seconds, no more often, because each
look costs processor time. Sensors that no test waits for look as often as deployed; `FOLLOW_NOTHING` and `ALL_QUICK`
(in `processes/quick.py`) say otherwise. A code server forks its runs from a process that has imported the definitions,
where Dagster would import them again for each run. Engines and migrations of SQLite databases are kept, as in the
tests' own process (`../shortcuts.py`). A version of Dagster that has renamed one of these names makes its processes
fail. The garbage collector looks less often, as in the tests' own process: most of what it looks at is imported.
"""

import gc
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType, SimpleNamespace


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

    forking = multiprocessing.get_context("forkserver")
    forking.set_forkserver_preload(["sonnys_pipeline.definitions"])
    _replace(multiprocessing=SimpleNamespace(get_context=lambda _: forking))(module)


def _keep_migrations(module: ModuleType) -> None:
    from sonnys_pipeline_tests.support.reused import kept_migrations

    module.ScriptDirectory.from_config = kept_migrations(module.ScriptDirectory.from_config)


def _keep_engines(module: ModuleType) -> None:
    from sonnys_pipeline_tests.support.reused import held_open, kept_engines

    _replace(create_engine=held_open(kept_engines(module.create_engine)))(module)


def _look_every(sensor: str, otherwise: int, **more: object) -> Callable[[ModuleType], None]:
    def patch(module: ModuleType) -> None:
        _replace(_INTERVAL=int(os.environ.get(f"TESTS_{sensor}_EVERY", otherwise)), **more)(module)

    return patch


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
    "sonnys_pipeline.orchestration.automation.alerts": _look_every("ALERTS", 30),
    "sonnys_pipeline.orchestration.automation.conditions": _look_every("CONDITIONS", 4),
    "sonnys_pipeline.orchestration.automation.missed_mornings": _look_every("MORNINGS", 30, PAUSES=(2, 4, 8, 16, 30)),
}


def keep_pace() -> None:
    """Read the environment again, in a process that was forked with modules which another environment had patched."""
    for name in PATCHES:
        if name.startswith("sonnys_pipeline.") and name in sys.modules:
            PATCHES[name](sys.modules[name])


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


gc.set_threshold(20_000, 20, 20)
sys.meta_path.insert(0, _Patching())
os.environ.setdefault("DAGSTER_EVENT_LOG_CONSUMER_DAEMON_INTERVAL_SECONDS", "1")
