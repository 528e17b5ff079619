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
        self._folder = folder
        self._kept: dict[str, tuple[dg.DagsterInstance, Any]] = {}

    def of(self, pipeline: Any, land: Callable[[], Any], *, stage: str = "landed") -> Any:
        """What `land` returned; it is called once, on a pipeline as new as the others.

        A module whose tests do not all begin alike has several stages.
        """
        lake, kept = Path(str(pipeline.lake.root)), self._folder / stage
        if stage in self._kept:
            remembered, returned = self._kept[stage]
            shutil.copytree(kept, lake)
            _copy(remembered, pipeline.instance)
            return returned
        returned = land()
        shutil.copytree(lake, kept)
        remembered = dg.DagsterInstance.ephemeral()
        _copy(pipeline.instance, remembered)
        self._kept[stage] = (remembered, returned)
        return returned

    def close(self) -> None:
        for remembered, _ in self._kept.values():
            remembered.dispose()


def _copy(source: dg.DagsterInstance, target: dg.DagsterInstance) -> None:
    for name in ("run_storage", "event_log_storage"):
        _database(getattr(source, name)).backup(_database(getattr(target, name)))
    target.event_log_storage._storage_id = source.event_log_storage._storage_id  # type: ignore[attr-defined]


def _database(storage: Any) -> Any:
    """The SQLite database in memory that a storage of an ephemeral instance holds."""
    return storage._held_conn.connection.driver_connection
