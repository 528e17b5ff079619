"""What tests do once per process instead of each time: making databases. And what they leave out: waiting for disks.

Processes that tests start have those of `reused.py` alone; PostgreSQL and ledgers of older versions have none.
"""

import importlib
import os
import shutil
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, column, event, insert, inspect, table

from sonnys_pipeline.ledger import engine
from sonnys_pipeline_tests.support.reused import MAKES_ENGINES, kept_engines, kept_migrations, shared_statements


@pytest.fixture(scope="session", autouse=True)
def _ledgers_are_migrated_once() -> Iterator[Callable[..., None]]:
    """A new SQLite ledger gets the tables that Alembic made in the first one: the same, 30 ms sooner each time."""
    migrate = engine._migrate
    template: list[str] = []

    def make(connection: Connection, found: str | None, where: str) -> None:
        if found is not None or connection.dialect.name != "sqlite" or inspect(connection).get_table_names():
            migrate(connection, found, where)
        elif template:
            for statement in template:
                connection.exec_driver_sql(statement)
            version = insert(table(engine.VERSION_TABLE, column("version_num")))
            connection.execute(version.values(version_num=engine.SCHEMA_REVISION))
        else:
            migrate(connection, found, where)
            made = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
            template.extend(connection.exec_driver_sql(made).scalars())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "_migrate", make)
        yield migrate


@pytest.fixture
def migrated_by_alembic(_ledgers_are_migrated_once: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of migrations: they are done each time, as in a deployment."""
    monkeypatch.setattr(engine, "_migrate", _ledgers_are_migrated_once)


@pytest.fixture(scope="session", autouse=True)
def _ledgers_share_their_statements() -> Iterator[None]:
    """Each statement of a ledger in SQLite is compiled once, not once for each ledger that a test opens."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "create_engine", shared_statements(engine.create_engine))
        yield


@pytest.fixture(scope="session", autouse=True)
def _dagsters_databases_are_made_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A new Dagster instance on disk gets copies of the databases of the first one, half a second sooner each time.

    Runs in it, and instances in memory, have their databases sooner, too.
    """
    if "dagster" not in sys.modules:  # nobody asks for an instance, and the import takes two seconds
        yield
        return
    from alembic.script import ScriptDirectory
    from dagster._core.storage.event_log import InMemoryEventLogStorage
    from dagster._core.storage.runs import InMemoryRunStorage
    from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

    make = DagsterSqliteStorage.__init__
    folders = ("history", "schedules")
    template = tmp_path_factory.mktemp("template")

    def copy(storage: DagsterSqliteStorage, base_dir: str, *args: Any, **options: Any) -> None:
        is_new = not any((Path(base_dir) / folder).exists() for folder in folders)
        is_made = any(template.iterdir())
        if is_new and is_made:
            shutil.copytree(template, base_dir, dirs_exist_ok=True)
        make(storage, base_dir, *args, **options)
        if is_new and not is_made:
            for folder in folders:
                shutil.copytree(Path(base_dir) / folder, template / folder)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DagsterSqliteStorage, "__init__", copy)
        patch.setattr(ScriptDirectory, "from_config", kept_migrations(ScriptDirectory.from_config))
        for name in MAKES_ENGINES:
            module = importlib.import_module(name)
            patch.setattr(module, "create_engine", kept_engines(module.create_engine))
        _keep_connection(patch, InMemoryRunStorage, "connect")
        _keep_connection(patch, InMemoryEventLogStorage, "_connect")
        yield


def _keep_connection(patch: pytest.MonkeyPatch, storage: Any, method: str) -> None:
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


@pytest.fixture(scope="session", autouse=True)
def _no_power_is_cut() -> Iterator[None]:
    """Nothing waits until the disk itself has it, which is for machines that fail: here only processes are killed."""

    def connected(connection: object, record: object) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.execute("PRAGMA synchronous = OFF").close()

    def synced(file: int) -> None:
        os.fstat(file)  # a descriptor that is closed is an error all the same

    # Whoever sets it for his own connections, as the ledger does, does so after this.
    event.listen(Engine, "connect", connected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", synced)
        yield
    event.remove(Engine, "connect", connected)
