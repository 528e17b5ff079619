"""Pipelines as they stand after their first runs, for tests that begin there: copied in 30 ms, landed in seconds."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg


class Beginning:
    """How all tests of a module begin: the first one lands days, the others get copies of what it had then.

    Copied are the lake, whose files keep their times, and what the instance in memory remembers; not the ledger.
    """

    def __init__(self, folder: Path) -> None:
        self._lake = folder / "data"
        self._remembered: dg.DagsterInstance | None = None
        self._returned: Any = None

    def of(self, pipeline: Any, land: Callable[[], Any]) -> Any:
        """What `land` returned; it is called once, on a pipeline as new as the others."""
        lake = Path(str(pipeline.lake.root))
        if self._remembered is not None:
            shutil.copytree(self._lake, lake)
            _copy(self._remembered, pipeline.instance)
            return self._returned
        self._returned = land()
        shutil.copytree(lake, self._lake)
        self._remembered = dg.DagsterInstance.ephemeral()
        _copy(pipeline.instance, self._remembered)
        return self._returned

    def close(self) -> None:
        if self._remembered is not None:
            self._remembered.dispose()


def _copy(source: dg.DagsterInstance, target: dg.DagsterInstance) -> None:
    for name in ("run_storage", "event_log_storage"):
        _database(getattr(source, name)).backup(_database(getattr(target, name)))
    target.event_log_storage._storage_id = source.event_log_storage._storage_id  # type: ignore[attr-defined]


def _database(storage: Any) -> Any:
    """The SQLite database in memory that a storage of an ephemeral instance holds."""
    return storage._held_conn.connection.driver_connection
