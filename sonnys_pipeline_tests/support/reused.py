"""What Dagster's storage in SQLite makes for each step, and here once a process: by tests and what they start."""

from collections.abc import Callable
from typing import Any

#: Modules of Dagster whose `create_engine` is called for each connection, so that each statement is compiled again.
MAKES_ENGINES = (
    "dagster._core.storage.event_log.sqlite.sqlite_event_log",
    "dagster._core.storage.runs.sqlite.sqlite_run_storage",
    "dagster._core.storage.schedules.sqlite.sqlite_schedule_storage",
)
#: Engines that each of them keeps: a run has a database of its own.
_KEPT = 16


def kept_engines(make: Callable[..., Any]) -> Callable[..., Any]:
    """A `create_engine` that gives an engine again; they pool nothing, so every connection is new all the same."""
    kept: dict[str, Any] = {}

    def create_engine(url: str, **options: Any) -> Any:
        name = f"{url} {options}"
        engine = kept.get(name) or make(url, **options)
        if len(kept) >= _KEPT:
            kept.clear()
        kept[name] = engine
        return engine

    return create_engine


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
