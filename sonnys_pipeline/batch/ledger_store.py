"""The store under the ledger: opened, made or migrated, and one transaction at a time.

Belongs here: engines, files, locks, Alembic, and what every part of the ledger stands on. Does not belong here: jobs.

SQLite (the default) runs in WAL mode with `synchronous=NORMAL`: a commit costs a fraction of a millisecond and survives
the death of any process; only a loss of power may take the last commits back, never half of one. Every method that
writes takes the write lock when it begins, so that writers queue (up to 30 s) instead of failing half-way.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, inspect, make_url, select, table
from sqlalchemy import column as sql_column
from sqlalchemy.exc import SQLAlchemyError

from sonnys_pipeline.batch.jobs import Job
from sonnys_pipeline.batch.ledger_errors import (
    LeaseLostError,
    LedgerUnavailableError,
    LedgerVersionError,
    UnknownJobError,
)
from sonnys_pipeline.batch.tables import SCHEMA_REVISION, VERSION_TABLE, aware_utc, jobs

MIGRATIONS = Path(__file__).parent / "migrations"
#: How long a writer waits for another one, in seconds; each holds the lock for about a millisecond.
BUSY_TIMEOUT = 30.0
#: PostgreSQL's advisory lock of whoever migrates; any number that nobody else uses.
MIGRATION_LOCK = 0x50_4E_4E_59_53
#: Parameters of a URL that are secrets; kept out of the URL, so that no rendering of it shows them.
SECRET_PARAMETERS = ("password", "sslpassword")
#: The ledger's columns that make a `Job`.
JOB_COLUMNS = [column for column in jobs.c if column is not jobs.c.number]


def utc_now() -> datetime:
    """The instant, aware UTC."""
    return datetime.now(UTC)


class LedgerStore:
    """An open ledger: a database with the tables of this version, and a clock.

    Safe for use by several threads; each method is one transaction.
    """

    def __init__(self, engine: Engine, *, now: Callable[[], datetime] = utc_now) -> None:
        """Use an engine as `open_ledger` makes it: with the tables, and for SQLite with its settings.

        Args:
            engine: becomes ours; `close` disposes of it.
            now: clock of aware datetimes.
        """
        self._engine = engine
        self._writer = engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")
        self._clock = now
        self.where = describe(engine.url)

    def __repr__(self) -> str:
        """Its kind and place, without credentials."""
        return f"{type(self).__name__}({self.where!r})"

    def close(self) -> None:
        """Close all connections; leases stay until they are released or run out."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        """Use as a context manager."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    def _now(self) -> datetime:
        """The clock's instant; a naive one is refused."""
        return aware_utc(self._clock())

    def _reading(self) -> AbstractContextManager[Connection]:
        """One transaction that sees one state."""
        return translated(self.where, self._engine)

    def _writing(self) -> AbstractContextManager[Connection]:
        """One transaction: all of it, or, when anything is raised, nothing."""
        return translated(self.where, self._writer)

    def _job(self, connection: Connection, job_id: str, *, lock: bool = False) -> Job:
        """A job; `lock` keeps other writers off it, and its rows, until the transaction ends.

        Whoever changes anything of a job locks its line first, so that no two writers wait for each other.
        """
        query = select(*JOB_COLUMNS).where(jobs.c.id == job_id)
        found = connection.execute(query.with_for_update() if lock else query).one_or_none()
        if found is None:
            raise UnknownJobError(job_id)
        return as_job(found._mapping)  # noqa: SLF001 - public in spite of its name


def as_job(values: Any) -> Job:  # noqa: ANN401 - a mapping of column names
    """A record from `JOB_COLUMNS`."""
    return Job(**values)


def check_owner(job: Job, owner: str | None) -> None:
    """Refuse a change by an executor that does not hold the job; `None` is nobody in particular.

    Raises:
        LeaseLostError: when somebody else holds it, or nobody.
    """
    if owner is not None and job.lease_owner != owner:
        raise LeaseLostError(job.id, owner, job.lease_owner)


def check_paging(limit: int | None, offset: int) -> None:
    """Refuse what a database might take for "all".

    Raises:
        ValueError: for a negative limit or offset.
    """
    if (limit is not None and limit < 0) or offset < 0:
        raise ValueError(f"limit and offset count from 0, and are not {limit} and {offset}")


@contextmanager
def translated(where: str, engine: Engine) -> Iterator[Connection]:
    """A transaction whose database errors become the ledger's."""
    try:
        with engine.begin() as connection:
            yield connection
    except SQLAlchemyError as error:
        raise unavailable(where, getattr(error, "orig", None) or error) from error


def unavailable(where: str, error: BaseException) -> LedgerUnavailableError:
    """What to say when the store does not do its part."""
    return LedgerUnavailableError(
        f"the ledger {where} cannot be used: {' '.join(str(error).split())}. Look at the disk, the rights and, for "
        "PostgreSQL, the server; SONNYS_LEDGER_URL says where the ledger is"
    )


def describe(url: URL) -> str:
    """Where a ledger is, for messages: a file, or server and database; no user, password or parameter."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    host = url.host or "localhost"
    return f"{url.get_backend_name()}://{host}{f':{url.port}' if url.port else ''}/{url.database or ''}"


def open_engine(url: str) -> Engine:
    """The engine for a ledger's URL, with its schema made or migrated.

    Args:
        url: `sqlite:///relative/path`, `sqlite:////absolute/path` or `postgresql://user:password@host/database`.

    Raises:
        ValueError: for a URL of another kind; its text is not quoted, as it may hold a password.
        LedgerUnavailableError: when the store cannot be reached or written.
        LedgerVersionError: when the ledger is newer than this code.
    """
    scheme, _, rest = url.partition("://")
    if scheme.partition("+")[0] == "sqlite" and rest.startswith("/") and rest[1:] not in {"", ":memory:"}:
        return _open_sqlite(Path(rest[1:]))  # not make_url: a folder may have ? in its name
    if scheme.partition("+")[0] in {"postgresql", "postgres"}:
        return _open_postgresql(scheme.replace("postgres+", "postgresql+") + "://" + rest)
    raise ValueError(
        "SONNYS_LEDGER_URL: not a ledger that this version knows; use sqlite:///relative/path, "
        "sqlite:////absolute/path or postgresql://user:password@host/database"
    )


def _open_sqlite(path: Path) -> Engine:
    """A file and a folder that their owner alone can read."""
    engine = create_engine(URL.create("sqlite", database=str(path)), connect_args={"timeout": BUSY_TIMEOUT})

    @event.listens_for(engine, "connect")
    def connected(connection: Any, record: object) -> None:  # noqa: ANN401, ARG001 - SQLAlchemy's signature
        connection.isolation_level = None  # transactions begin where we say, not before the first INSERT
        connection.execute("PRAGMA foreign_keys = ON").close()
        connection.execute("PRAGMA synchronous = NORMAL").close()

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("sqlite_begin", "BEGIN"))

    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
        # Switching to WAL does not wait for others, so that those who come first come one at a time.
        with FileLock(f"{path}.lock", mode=0o600, timeout=BUSY_TIMEOUT, poll_interval=0.01):
            _prepare(engine, describe(engine.url))
    except (OSError, Timeout) as error:
        engine.dispose()
        raise unavailable(str(path), error) from error
    except BaseException:
        engine.dispose()
        raise
    return engine


def _open_postgresql(url: str) -> Engine:
    """A server's database; secrets are kept out of the URL's parameters."""
    try:
        parsed = make_url(url.replace("postgres://", "postgresql://", 1))
    except (SQLAlchemyError, ValueError):
        raise ValueError(
            "SONNYS_LEDGER_URL: cannot be read; write postgresql://user:password@host/database, with special "
            "characters of the password written as %40 and the like"
        ) from None
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")  # whichever SQLAlchemy takes by itself
    secrets = {name: value for name, value in parsed.query.items() if name in SECRET_PARAMETERS}
    try:
        engine = create_engine(
            parsed.difference_update_query(SECRET_PARAMETERS), connect_args=secrets, pool_pre_ping=True
        )
    except ModuleNotFoundError as error:
        raise LedgerUnavailableError(
            f"the ledger {describe(parsed)} needs a PostgreSQL driver: pip install 'psycopg[binary]'"
        ) from error
    try:
        _prepare(engine, describe(parsed))
    except BaseException:
        engine.dispose()
        raise
    return engine


def _prepare(engine: Engine, where: str) -> None:
    """Make or migrate the schema if need be, wholly or not at all; others wait meanwhile."""
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


def _revision(connection: Connection) -> str | None:
    """The ledger's revision; `None` where there is none yet."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    version = connection.execute(select(sql_column("version_num")).select_from(table(VERSION_TABLE))).scalar()
    return None if version is None else str(version)


def _migrate(connection: Connection, found: str | None, where: str) -> None:
    """Run the revisions that the ledger lacks.

    Raises:
        LedgerVersionError: when it has one that this code lacks.
    """
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
