"""What Dagster's storage in SQLite makes for each step, and here once a process: by tests and what they start."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, event

#: Modules of Dagster whose `create_engine` is called for each connection, so that each statement is compiled again.
MAKES_ENGINES = (
    "dagster._core.storage.event_log.sqlite.sqlite_event_log",
    "dagster._core.storage.runs.sqlite.sqlite_run_storage",
    "dagster._core.storage.schedules.sqlite.sqlite_schedule_storage",
)
#: Engines that each of them keeps: a run has a database of its own.
_KEPT = 16
#: Databases of Dagster that are not of one run, by their names.
_OF_ALL_RUNS = frozenset({"index", "runs", "schedules"})


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


def shared_statements(make: Callable[..., Engine]) -> Callable[..., Engine]:
    """A `create_engine` whose engines of SQLite files compile a statement once for all of them, not once for each.

    A compiled statement is kept by dialect, of which SQLAlchemy makes one for each engine: here all have the same. It
    knows SQLite's version, which it has asked, and nothing of a file.
    """
    first = make("sqlite://")
    first.connect().close()

    def create_engine(url: str | URL, **options: Any) -> Engine:
        engine = make(url, **options)
        if isinstance(engine.dialect, type(first.dialect)):
            engine.dialect = engine.pool._dialect = first.dialect
            engine._compiled_cache = first._compiled_cache
        return engine

    return create_engine


def held_open(create_engine: Callable[..., Engine]) -> Callable[..., Engine]:
    """For processes of their own: no database waits for the disk, and one connection to it stays open.

    That one does nothing, but spares the others what SQLite does when the last one closes: to copy its log into the
    database, and to delete it. Not for processes that fork, or that copy databases: either breaks SQLite's locks.
    """
    opened: dict[str, sqlite3.Connection] = {}

    def create(url: str, **options: Any) -> Engine:
        engine = create_engine(url, **options)
        if not event.contains(engine, "connect", _without_waiting):
            event.listen(engine, "connect", _without_waiting)
        elif url not in opened and (path := _database(engine)):  # it has been made by now
            opened[url] = sqlite3.connect(path, check_same_thread=False)
            opened[url].execute("SELECT count(*) FROM sqlite_master").close()
        return engine

    return create


def _database(engine: Engine) -> str | None:
    """Path of a database of many runs; that of one run is watched by the web server, which looks at no log."""
    path = Path(engine.url.database or "")
    return str(path) if path.stem in _OF_ALL_RUNS and path.exists() else None


def _without_waiting(connection: Any, _: object) -> None:
    connection.execute("PRAGMA synchronous = OFF").close()


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
