"""The store under each part of the ledger: one transaction at a time, repeated when the server was away.

Methods wait up to a minute for a PostgreSQL server. A connection that breaks before COMMIT changes nothing, so the
method is run again. If it breaks during COMMIT, a mark that each transaction writes tells whether it happened, so
nothing is done twice.
"""

from __future__ import annotations

import functools
import logging
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Engine, RowMapping, bindparam, delete, insert, select
from sqlalchemy.dialects import postgresql

from sonnys_pipeline.ledger.engine import describe, translated
from sonnys_pipeline.ledger.errors import LeaseLostError, LedgerUnavailableError, UnknownJobError
from sonnys_pipeline.ledger.models import Job
from sonnys_pipeline.ledger.schema import aware_utc, commits, jobs
from sonnys_pipeline.runtime.outage import OutageDeadline

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="LedgerPart")

logger = logging.getLogger(__name__)

#: The columns that make a `Job`.
JOB_COLUMNS = [column for column in jobs.c if column is not jobs.c.number]
#: SQL condition: this job of this account. Statements that are executed often are built once, with parameters: building
#: one takes longer than executing it.
THIS_JOB = (jobs.c.id == bindparam("of_job"), jobs.c.account.is_not_distinct_from(bindparam("of_account")))
_JOB = select(*JOB_COLUMNS).where(*THIS_JOB)
_LOCKED_JOB = _JOB.with_for_update()


def utc_now() -> datetime:
    """Now, aware UTC."""
    return datetime.now(UTC)


class LedgerStore:
    """An open database with the ledger's tables, a clock, and the account whose jobs are visible; thread-safe."""

    def __init__(
        self,
        engine: Engine,
        *,
        now: Callable[[], datetime] = utc_now,
        deadline: OutageDeadline | None = None,
        account: str | None = None,
    ) -> None:
        self.engine = engine
        self.account = account
        self.deadline = deadline or OutageDeadline()
        self.where = describe(engine.url)
        self._writer = engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")
        self._clock = now
        self._old_marks: list[str] = []
        #: Per thread: the connection of a transaction shared by several calls.
        self._shared = threading.local()

    def close(self) -> None:
        """Close all connections; leases stay until released or expired."""
        self.engine.dispose()

    def now(self) -> datetime:
        """The clock's instant; a naive one is refused."""
        return aware_utc(self._clock())

    def retry(self, transact: Callable[[], R]) -> R:
        """Run a transaction, again when the server was away before it was committed."""
        if self._shared_connection is not None:  # the shared transaction is repeated as a whole
            return transact()
        return self.deadline.retry(transact, self._outage)

    def together(self, act: Callable[[], R]) -> R:
        """Run the calls of `act` as one transaction, all or nothing; after an outage `act` is called again."""

        def transact() -> R:
            with self.writing() as connection:
                self._shared.connection = connection
                try:
                    return act()
                finally:
                    self._shared.connection = None

        return self.retry(transact)

    @property
    def _shared_connection(self) -> Connection | None:
        return getattr(self._shared, "connection", None)

    def _outage(self, error: Exception) -> Exception | None:
        if not (isinstance(error, LedgerUnavailableError) and error.connection_lost):
            return None
        if not self.deadline.is_away:
            logger.warning("%s. Waiting until it answers", error)
        return error

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state."""
        if (shared := self._shared_connection) is not None:
            yield shared
            return
        with translated(self.where, self.engine) as connection:
            self.deadline.answered()
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is rolled back when anything is raised."""
        if (shared := self._shared_connection) is not None:
            yield shared
            return
        mark = ""
        try:
            with translated(self.where, self._writer) as connection:
                self.deadline.answered()
                yield connection
                if self.engine.dialect.name == "postgresql":
                    mark = self._leave_mark(connection)
        except LedgerUnavailableError as error:
            # With a mark, COMMIT failed: it may have happened although its answer was lost.
            if not mark or not error.connection_lost or not self.was_committed(mark):
                raise
        if mark:
            self._old_marks.append(mark)

    def _leave_mark(self, connection: Connection) -> str:
        """The last statement of a transaction: a mark that exists if it was committed; earlier marks are removed."""
        old, self._old_marks = self._old_marks, []
        gone = delete(commits).where(commits.c.mark.in_(old)).cte("gone")
        mark = secrets.token_hex(16)
        connection.execute(insert(commits).values(mark=mark, at=utc_now()).add_cte(gone))
        return mark

    def was_committed(self, mark: str) -> bool:
        """Whether a transaction whose COMMIT was not answered has happened.

        Its mark is written again. If it exists, that is refused; while the transaction is under way, this waits for its
        end; if it succeeds, the transaction can never be committed. (Transaction numbers cannot tell: PostgreSQL may
        reuse some after a crash.)
        """
        again = postgresql.insert(commits).values(mark=mark, at=utc_now()).on_conflict_do_nothing()

        def write_again() -> bool:
            with translated(self.where, self._writer) as connection:
                self.deadline.answered()
                return connection.execute(again.returning(commits.c.mark)).one_or_none() is not None

        return not self.retry(write_again)

    def ours(self) -> ColumnElement[bool]:
        """SQL condition: the job is of this account."""
        return jobs.c.account.is_(None) if self.account is None else jobs.c.account == self.account

    def this_job(self, job_id: str) -> dict[str, str | None]:
        """Parameters of `THIS_JOB`."""
        return {"of_job": job_id, "of_account": self.account}

    def job(self, connection: Connection, job_id: str, *, lock: bool = False) -> Job:
        """A job; `lock` keeps other writers from it and its rows until the transaction ends.

        Every change of a job locks its line first, so that no two writers wait for each other.
        """
        asked = connection.execute(_LOCKED_JOB if lock else _JOB, self.this_job(job_id))
        found = asked.mappings().one_or_none()
        if found is None:
            raise UnknownJobError(job_id)
        return as_job(found)


class LedgerPart:
    """A part of the ledger in the shared store."""

    def __init__(self, store: LedgerStore) -> None:
        self._store = store


def retried(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Repeat a part's method, one transaction, when its server was away; see `LedgerStore.retry`."""

    @functools.wraps(method)
    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._store.retry(lambda: method(self, *args, **kwargs))

    return run


def as_record(kind: type[R], columns: Iterable[Column[Any]], line: RowMapping) -> R:
    """A record from a result line; its fields are the columns' keys."""
    return kind(**{column.key: line[column] for column in columns})


def as_job(line: RowMapping) -> Job:
    """A record from `JOB_COLUMNS`."""
    return as_record(Job, JOB_COLUMNS, line)


def check_owner(job: Job, owner: str | None) -> None:
    """Refuse a change by an executor that does not hold the job (LeaseLostError); `None` is not checked."""
    if owner is not None and job.lease_owner != owner:
        raise LeaseLostError(job.id, owner, job.lease_owner)


def check_paging(limit: int | None, offset: int) -> None:
    """Refuse values that a database might take for "all" (ValueError)."""
    if (limit is not None and limit < 0) or offset < 0:
        raise ValueError(f"limit and offset must be 0 or more, not {limit} and {offset}")
