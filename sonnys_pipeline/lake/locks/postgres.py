"""Locks of a lake in the ledger's PostgreSQL server, for writers on several machines.

A lock is an advisory lock of a transaction that is open while a file is written. The server frees it when its holder
dies, and it works through a connection pooler.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from sqlalchemy import Connection, NullPool, func, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from sonnys_pipeline.lake.errors import UnwritableLakeError
from sonnys_pipeline.lake.locks.files import LOCK_TIMEOUT
from sonnys_pipeline.runtime import postgres
from sonnys_pipeline.runtime.outage import OutageDeadline
from sonnys_pipeline.runtime.quoting import sentence

logger = logging.getLogger(__name__)

#: SQLSTATE of a lock that timed out.
_LOCK_NOT_AVAILABLE = "55P03"


class PostgresLocks:
    """Locks by name, of one lake; safe for use by several threads."""

    def __init__(self, url: str, lake: str, *, deadline: OutageDeadline | None = None) -> None:
        """Nothing is connected yet. Raises ValueError for an unreadable URL (not quoted), or without a driver."""
        self._lake = lake
        # A connection per lock: locks are rare, and an idle connection may be closed from outside.
        self._engine = postgres.open_engine(
            url, variable="SONNYS_LEDGER_URL", application="ledger", poolclass=NullPool
        )  # fmt: skip
        self._deadline = deadline or OutageDeadline()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._lake!r})"

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        """Hold a lock; a server that goes away meanwhile has freed it. Raises UnwritableLakeError without the lock."""
        key = postgres.advisory_lock_key(f"lake {self._lake} {name}")
        connection, held = self._deadline.retry(lambda: self._locked(key), lambda error: self._outage(name, error))
        with held:
            yield
            try:
                connection.rollback()
            except SQLAlchemyError as error:
                logger.warning("the lock of %s was lost while %s was written: %s", self._lake, name, _said(error))

    def hurry(self) -> None:
        """Stop waiting for a server that is away, since the run is to end; safe to call from a signal handler."""
        self._deadline.hurry()

    def _locked(self, key: int) -> tuple[Connection, ExitStack]:
        """A connection whose open transaction holds the lock, and its cleanup."""
        with ExitStack() as opened:
            connection = opened.enter_context(self._engine.connect())
            # Not the ledger's limits: the transaction is idle while a file is written.
            postgres.limit_transaction(connection, lock=LOCK_TIMEOUT, statement=2 * LOCK_TIMEOUT, idle=0)
            connection.execute(select(func.pg_advisory_xact_lock(key)))
            return connection, opened.pop_all()

    def _outage(self, name: str, error: Exception) -> UnwritableLakeError | None:
        """The error to raise if the server stays away; raises at once if it answers and refuses."""
        if not isinstance(error, SQLAlchemyError):
            return None
        sqlstate = getattr(getattr(error, "orig", None), "sqlstate", None)
        busy = sqlstate == _LOCK_NOT_AVAILABLE
        remedy = "end the program that holds the lock" if busy else "check the server of SONNYS_LEDGER_URL"
        url = self._engine.url
        where = postgres.describe(url.host, url.port, url.database)
        said = UnwritableLakeError(
            f"cannot lock {name} of {self._lake} in the ledger {where} ({_said(error)}); {remedy}, then run it again: "
            "nothing landed was touched"
        )
        refused = isinstance(error, DBAPIError) and sqlstate is not None
        if refused and not postgres.is_connection_lost(error):
            raise said from error
        return said


def _said(error: SQLAlchemyError) -> str:
    return sentence(getattr(error, "orig", None) or error)
