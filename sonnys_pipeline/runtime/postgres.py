"""Connections to PostgreSQL for the request budget, the ledger and the lake's locks.

A URL may hold a password: no error or description here shows one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Engine, Pool, create_engine, func, make_url, select, true
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

if TYPE_CHECKING:
    import psycopg

#: libpq's options unless the URL sets them: a dead server or network is noticed within seconds.
_LIBPQ = {
    "connect_timeout": "3", "tcp_user_timeout": "5000", "keepalives_idle": "5", "keepalives_interval": "2",
    "keepalives_count": "2",
}  # fmt: skip
#: Secret parameters, kept out of an engine's URL so that no rendering shows them.
_SECRET_PARAMETERS = ("password", "sslpassword")


class DriverMissingError(ValueError):
    """No driver for PostgreSQL is installed; the message names the setting and the remedy."""

    def __init__(self, variable: str) -> None:
        super().__init__(f"{variable}: PostgreSQL needs a driver: pip install 'sonnys-pipeline[postgres]'")


def is_postgres(url: str) -> bool:
    """Whether a URL names a PostgreSQL server, with or without a driver."""
    return url.partition("://")[0].partition("+")[0] in {"postgresql", "postgres"}


def describe(host: str | None, port: int | str | None, database: str | None) -> str:
    """Server and database, for messages: without user, password or parameters."""
    return f"postgresql://{host or 'localhost'}{f':{port}' if port else ''}/{database or ''}"


def is_connection_lost(error: BaseException) -> bool:
    """Whether the server went away during a statement."""
    return isinstance(error, DBAPIError) and error.connection_invalidated


def advisory_lock_key(name: str) -> int:
    """The key of an advisory lock: the first 64 bits of the name's SHA-256, signed."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def _options(application: str, given: Mapping[str, Any]) -> dict[str, Any]:
    ours = {**_LIBPQ, "application_name": f"sonnys-pipeline {application}"}
    return {name: value for name, value in ours.items() if name not in given}


def _unreadable(variable: str) -> ValueError:
    return ValueError(
        f"{variable}: cannot be read; write postgresql://user:password@host/database, with special characters of the "
        "password written as %40 and the like"
    )


class Server:
    """One connection through the driver alone: several statements in one message, no implicit transaction."""

    def __init__(self, url: str, *, variable: str, application: str) -> None:
        """Read the URL; nothing is connected yet.

        `variable` is the setting's name for errors, `application` what the server shows after `sonnys-pipeline`.
        Errors as for `open_engine`.
        """
        try:
            import psycopg  # noqa: PLC0415 - an extra
            from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - the same
        except ImportError:
            raise DriverMissingError(variable) from None
        try:
            given = {name: str(value) for name, value in conninfo_to_dict(url).items()}
        except psycopg.Error:
            raise _unreadable(variable) from None
        self.errors: tuple[type[Exception], ...] = (psycopg.Error, OSError)
        self.where = describe(given.get("host"), given.get("port", "5432"), given.get("dbname"))
        self._driver: Any = psycopg
        self._parameters: dict[str, Any] = {**_options(application, given), **given}
        self._connection: psycopg.Connection[Any] | None = None

    def ask(self, script: str, values: Mapping[str, str | int]) -> tuple[int, ...]:
        """Send statements at once; returns the last numbers. `{name}` is a value; an error drops the connection."""
        from psycopg import sql  # noqa: PLC0415 - an extra

        query = sql.SQL(script).format(**{name: sql.Literal(value) for name, value in values.items()})
        answer: tuple[int, ...] = ()
        try:
            if self._connection is None:
                self._connection = self._driver.connect(**self._parameters, autocommit=True, prepare_threshold=None)
            with self._connection.cursor() as cursor:
                cursor.execute(query)
                more_results: bool | None = True
                while more_results:
                    if cursor.description and (line := cursor.fetchone()) and isinstance(line[0], int):
                        answer = tuple(map(int, line))
                    more_results = cursor.nextset()
        except BaseException:
            self.close()  # interrupted: the next answer on this connection would belong to this question
            raise
        return answer

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def open_engine(url: str, *, variable: str, application: str, poolclass: type[Pool] | None = None) -> Engine:
    """SQLAlchemy's engine for a database; its URL contains no secrets. Arguments as for `Server`.

    `url` may name another driver, as `postgresql+psycopg2://`. Nothing is connected yet.

    Raises:
        DriverMissingError: when the driver is not installed.
        ValueError: for a URL that cannot be read; its text is not quoted.
    """
    scheme, _, rest = url.partition("://")
    try:
        parsed = make_url(f"postgresql{scheme.removeprefix('postgresql').removeprefix('postgres')}://{rest}")
    except (SQLAlchemyError, ValueError):
        raise _unreadable(variable) from None
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")  # instead of SQLAlchemy's default
    driver = parsed.get_driver_name()
    own = _options(application, parsed.query) if driver in {"psycopg", "psycopg2"} else {}
    if driver == "psycopg":
        own["prepare_threshold"] = None  # a pooler may give each transaction another connection
    secrets = {name: value for name, value in parsed.query.items() if name in _SECRET_PARAMETERS}
    try:
        return create_engine(
            parsed.difference_update_query(_SECRET_PARAMETERS),
            connect_args={**own, **secrets},
            isolation_level="READ COMMITTED",
            pool_pre_ping=True,
            poolclass=poolclass,
        )
    except ModuleNotFoundError as error:
        raise DriverMissingError(variable) from error


def limit_transaction(connection: Connection, *, lock: float, statement: float, idle: float) -> None:
    """Limit, in seconds (0: no limit), an open transaction's waits for a lock, each statement, and its idle time."""
    limits = {"lock_timeout": lock, "statement_timeout": statement, "idle_in_transaction_session_timeout": idle}
    settings = [func.set_config(name, str(round(1000 * seconds)), true()) for name, seconds in limits.items()]
    connection.execute(select(*settings))
