"""The ledger's database: opened by its URL, created or migrated.

SQLite (the default) runs in WAL mode with `synchronous=NORMAL`: a commit takes a fraction of a millisecond and survives
the death of any process; a power cut may lose the last commits, never half of one. Each writing method takes the write
lock when it begins, so that writers queue (up to 30 s) instead of failing half-way.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import (
    URL,
    Connection,
    Engine,
    create_engine,
    delete,
    event,
    func,
    inspect,
    select,
    table,
)
from sqlalchemy import column as sql_column
from sqlalchemy.exc import SQLAlchemyError

from sonnys_pipeline.ledger.errors import LedgerUnavailableError, LedgerVersionError
from sonnys_pipeline.ledger.schema import SCHEMA_REVISION, VERSION_TABLE, commits
from sonnys_pipeline.runtime import postgres
from sonnys_pipeline.runtime.quoting import sentence

MIGRATIONS = Path(__file__).parent / "migrations"
#: How long a writer waits for another one, in seconds; a lock is held for about a millisecond.
BUSY_TIMEOUT = 30.0
#: PostgreSQL's advisory lock for migrations; an arbitrary number.
MIGRATION_LOCK = 0x50_4E_4E_59_53
#: How long the mark of a transaction is kept, far longer than it is needed.
MARKS_KEPT = timedelta(days=1)


@contextmanager
def translated(where: str, engine: Engine) -> Iterator[Connection]:
    """A transaction that raises database errors as the ledger's."""
    try:
        opened = engine.connect()
    except SQLAlchemyError as error:
        raise unavailable(where, error, connection_lost=engine.dialect.name != "sqlite") from error
    try:
        with opened as connection, connection.begin():
            yield connection
    except SQLAlchemyError as error:
        raise unavailable(where, error, connection_lost=postgres.is_connection_lost(error)) from error


def unavailable(where: str, error: BaseException, *, connection_lost: bool = False) -> LedgerUnavailableError:
    """The error for a store that fails."""
    reason = sentence(getattr(error, "orig", None) or error)
    told = LedgerUnavailableError(
        f"the ledger {where} cannot be used: {reason}. Check the disk, the permissions and, for "
        "PostgreSQL, the server; SONNYS_LEDGER_URL says where the ledger is"
    )
    told.connection_lost = connection_lost
    return told


def describe(url: URL) -> str:
    """Where a ledger is, for messages: a file, or server and database; without user, password or parameters."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return postgres.describe(url.host, url.port, url.database)


def open_engine(url: str) -> Engine:
    """Open a ledger's URL and create or migrate its schema, as `open_ledger`; errors do not quote it (passwords)."""
    scheme, _, rest = url.partition("://")
    if scheme.partition("+")[0] == "sqlite" and rest.startswith("/") and rest[1:] not in {"", ":memory:"}:
        return _open_sqlite(Path(rest[1:]))  # not make_url: a folder may have ? in its name
    if postgres.is_postgres(url):
        return _open_postgresql(url)
    raise ValueError(
        "SONNYS_LEDGER_URL: not a ledger that this version supports; use sqlite:///relative/path, "
        "sqlite:////absolute/path or postgresql://user:password@host/database"
    )


def _open_sqlite(path: Path) -> Engine:
    """Open a SQLite file; only its owner can read it and its directory."""
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_TIMEOUT})

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: object) -> None:  # noqa: ANN401, ARG001 - SQLAlchemy's signature
        connection.isolation_level = None  # transactions begin where we say, not before the first INSERT
        connection.execute("PRAGMA foreign_keys = ON").close()
        connection.execute("PRAGMA synchronous = NORMAL").close()

    opened: list[tuple[int, int]] = []

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # An open connection would go on writing to the deleted file, and the data would be lost.
        if opened and _identity(path) not in opened:
            gone = "the file was deleted or replaced while it was in use; restore it from a backup, or start a new one"
            raise unavailable(str(path), OSError(gone))
        connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))

    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        # Switching to WAL does not wait for other processes, so they take turns.
        with FileLock(f"{path}.lock", mode=0o600, timeout=BUSY_TIMEOUT, poll_interval=0.01):
            _prepare(engine, describe(engine.url))
        opened += filter(None, [_identity(path)])
    except (OSError, Timeout) as error:
        engine.dispose()
        raise unavailable(str(path), error) from error
    except BaseException:
        engine.dispose()
        raise
    return engine


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _open_postgresql(url: str) -> Engine:
    try:
        engine = postgres.open_engine(url, variable="SONNYS_LEDGER_URL", application="ledger")
    except postgres.DriverMissingError as error:
        raise LedgerUnavailableError(str(error)) from error

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        # As with SQLite, no writer waits for ever, not even for one that hangs in its transaction.
        postgres.limit_transaction(connection, lock=BUSY_TIMEOUT, statement=BUSY_TIMEOUT, idle=BUSY_TIMEOUT)

    try:
        _prepare(engine, describe(engine.url))
    except BaseException:
        engine.dispose()
        raise
    return engine


def _prepare(engine: Engine, where: str) -> None:
    """Create or migrate the schema if necessary, all or nothing; other processes wait."""
    is_sqlite = engine.dialect.name == "sqlite"
    try:
        if is_sqlite:
            with closing(engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA journal_mode = WAL").close()
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise unavailable(where, error) from error
    with translated(where, engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")) as connection:
        if not is_sqlite:
            connection.execute(select(func.pg_advisory_xact_lock(MIGRATION_LOCK)))
        if (found := _revision(connection)) != SCHEMA_REVISION:
            _migrate(connection, found, where)
        if not is_sqlite:  # marks of processes that were killed
            connection.execute(delete(commits).where(commits.c.at < datetime.now(UTC) - MARKS_KEPT))


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    version = connection.execute(select(sql_column("version_num")).select_from(table(VERSION_TABLE))).scalar()
    return None if version is None else str(version)


def _migrate(connection: Connection, found: str | None, where: str) -> None:
    """Run the missing revisions; raises `LedgerVersionError` for a revision that this code does not have."""
    from alembic import command  # noqa: PLC0415 - needed once in a ledger's life, and slow to import
    from alembic.config import Config  # noqa: PLC0415 - the same
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - the same

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise LedgerVersionError(where, found, SCHEMA_REVISION)
    command.upgrade(config, "head")
