"""Locks of a lake in the ledger's PostgreSQL server, for writers on several machines (docs/many-workers.md).

A lock is an advisory one of a transaction that does nothing else and is held open for the time that a file takes. The
server frees it when its holder dies, and a pool of connections in between does not mind it.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Connection, NullPool, func, select, true
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from sonnys_pipeline.lake.errors import UnwritableLakeError
from sonnys_pipeline.lake.locks.files import LOCK_TIMEOUT
from sonnys_pipeline.ledger.engine import describe, is_server, server_engine
from sonnys_pipeline.ledger.store import HURRIED_PATIENCE, SERVER_PATIENCE
from sonnys_pipeline.runtime.outage import OutageDeadline
from sonnys_pipeline.runtime.quoting import sentence

__all__ = ["PostgresLocks", "is_server"]
logger = logging.getLogger(__name__)

#: SQLSTATE of a lock that was not to be had in time.
_LOCK_NOT_AVAILABLE = "55P03"


class PostgresLocks:
    """Locks by name, of one lake; safe for use by several threads."""

    def __init__(self, url: str, lake: str, *, patience: OutageDeadline | None = None) -> None:
        """Lock in the database of a ledger; nothing is connected yet.

        Args:
            url: `postgresql://user:password@host/database`.
            lake: root of the lake; its locks are not those of another one.
            patience: how long the server may be away before that is an error; left out, a minute.

        Raises:
            ValueError: for a URL that cannot be read; its text is not quoted.
            LedgerUnavailableError: when no driver is installed.
        """
        self._lake = lake
        # A connection each: a lock is rare, and one that is kept idle for hours is somebody's to close.
        self._engine = server_engine(url, NullPool)
        self._patience = patience or OutageDeadline(SERVER_PATIENCE)

    def __repr__(self) -> str:
        """Its lake alone: the URL holds a password."""
        return f"{type(self).__name__}({self._lake!r})"

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        """Hold the lock of a name while inside; a server that goes away meanwhile has freed it.

        Raises:
            UnwritableLakeError: when it cannot be had.
        """
        with ExitStack() as held:
            connection = self._locked(name, held)
            yield
            try:
                connection.rollback()
            except SQLAlchemyError as error:
                logger.warning("the lock of %s was lost while %s was written: %s", self._lake, name, _said(error))

    def hurry(self) -> None:
        """Wait no longer for a server that is away, since the run is to end; safe to call from a signal handler."""
        self._patience.seconds = HURRIED_PATIENCE

    def _locked(self, name: str, held: ExitStack) -> Connection:
        """A connection whose open transaction holds the lock; asked for again while the server is away."""
        key = int.from_bytes(hashlib.sha256(f"lake {self._lake} {name}".encode()).digest()[:8], signed=True)
        while True:
            opened = ExitStack()
            try:
                connection = opened.enter_context(self._engine.connect())
                # Ours are other limits than the ledger's: the transaction is idle while a file is written.
                for limit, seconds in (
                    ("lock_timeout", LOCK_TIMEOUT),
                    ("statement_timeout", 2 * LOCK_TIMEOUT),
                    ("idle_in_transaction_session_timeout", 0),
                ):
                    connection.execute(select(func.set_config(limit, str(round(1000 * seconds)), true())))
                connection.execute(select(func.pg_advisory_xact_lock(key)))
            except SQLAlchemyError as error:
                opened.close()
                self._wait_or_raise(name, error)
            except BaseException:
                opened.close()
                raise
            else:
                self._patience.answered()
                held.push(opened)
                return connection

    def _wait_or_raise(self, name: str, error: SQLAlchemyError) -> None:
        refused = isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) is not None
        pause = None if refused and not _is_lost(error) else self._patience.next_pause()
        if pause is None:
            taken = getattr(getattr(error, "orig", None), "sqlstate", None) == _LOCK_NOT_AVAILABLE
            remedy = "end the program that holds the lock" if taken else "look at the server of SONNYS_LEDGER_URL"
            raise UnwritableLakeError(
                f"cannot lock {name} of {self._lake} in the ledger {describe(self._engine.url)} ({_said(error)}); "
                f"{remedy}, then run it again: nothing landed was touched"
            ) from error
        time.sleep(pause)


def _is_lost(error: SQLAlchemyError) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated


def _said(error: SQLAlchemyError) -> str:
    return sentence(getattr(error, "orig", None) or error)
