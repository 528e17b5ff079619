"""What Dagster's storage in SQLite makes for each step, and here once a process: by tests and what they start."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import pytest

#: Modules of Dagster whose `create_engine` is called for each connection, so that each statement is compiled again.
MAKES_ENGINES = (
    "dagster._core.storage.event_log.sqlite.sqlite_event_log",
    "dagster._core.storage.runs.sqlite.sqlite_run_storage",
    "dagster._core.storage.schedules.sqlite.sqlite_schedule_storage",
)
#: Engines that each of them keeps: a run has a database of its own.
_KEPT = 16


def kept_engines(make: Callable[..., Any]) -> Callable[..., Any]:
    """A `create_engine` that gives an engine again; they pool nothing, so every connection is new all the same.

    Dagster disposes of the engine after each connection: that makes another pool, in which there is nothing either.
    """
    kept: dict[str, Any] = {}

    def create_engine(url: str, **options: Any) -> Any:
        name = f"{url} {options}"
        engine = kept.get(name)
        if engine is None:
            engine = make(url, **options)
            engine.dispose = lambda close=True: None
        if len(kept) >= _KEPT:
            kept.clear()
        kept[name] = engine
        return engine

    return create_engine


def keep_connection(patch: pytest.MonkeyPatch, storage: Any, method: str) -> None:
    """Let a storage in memory use the connection that keeps its database there, wherever it would open another one.

    That is for each statement, and each is set up. SQLite refuses the kept one to threads other than its own: these go
    on to open theirs.
    """
    make, connect = storage.__init__, getattr(storage, method)

    def made(self: Any, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        self._held_conn.connection.execute("PRAGMA foreign_keys=ON").close()
        self._kept_by = threading.get_ident()

    @contextmanager
    def connected(self: Any) -> Iterator[Any]:
        kept = self._held_conn
        if getattr(self, "_kept_by", None) != threading.get_ident() or kept.closed or kept.in_transaction():
            with connect(self) as another:
                yield another
        else:
            with getattr(self, "_db_lock", nullcontext()), kept.begin():
                yield kept

    patch.setattr(storage, "__init__", made)
    patch.setattr(storage, method, connected)


def kept_migrations(read: Callable[..., Any]) -> Any:
    """A `ScriptDirectory.from_config` of Alembic that reads a folder once.

    Dagster has ninety migrations, and reads them for each new database and twice for each instance that is opened.
    """
    known: dict[str, Any] = {}

    def from_config(config: Any) -> Any:
        folder = config.get_main_option("script_location")
        if folder not in known:
            known[folder] = read(config)
        return known[folder]

    return staticmethod(from_config)
