"""What every part of the ledger stands on: one transaction at a time, and again when the server was away.

A PostgreSQL server may be away for a minute: each method waits and asks again. A connection that breaks before COMMIT
leaves nothing behind, so the method is run again as a whole. One that breaks while COMMIT is under way leaves the
question whether it happened; a mark that each transaction leaves answers it, and nothing is ever done twice.
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

from sqlalchemy import Column, ColumnElement, Connection, Engine, RowMapping, delete, insert, select
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

#: The ledger's columns that make a `Job`.
JOB_COLUMNS = [column for column in jobs.c if column is not jobs.c.number]


def utc_now() -> datetime:
    """The instant, aware UTC."""
    return datetime.now(UTC)


class LedgerStore:
    """An open database with the ledger's tables, a clock, and the account whose jobs are seen.

    Safe for use by several threads.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        now: Callable[[], datetime] = utc_now,
        deadline: OutageDeadline | None = None,
        account: str | None = None,
    ) -> None:
        """Use an engine as `open_ledger` makes it: with the tables, and for SQLite with its settings.

        Args:
            engine: becomes ours; `close` disposes of it.
            now: clock of aware datetimes.
            deadline: how long a server may be away before that is an error; left out, a minute.
            account: whose jobs these are; those of others that share the ledger are not there, whoever asks.
        """
        self.engine = engine
        self.account = account
        self.deadline = deadline or OutageDeadline()
        self.where = describe(engine.url)
        self._writer = engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")
        self._clock = now
        self._old_marks: list[str] = []
        #: Per thread: the connection of the transaction that several calls have in common.
        self._shared = threading.local()

    def close(self) -> None:
        """Close all connections; leases stay until they are released or run out."""
        self.engine.dispose()

    def now(self) -> datetime:
        """The clock's instant; a naive one is refused."""
        return aware_utc(self._clock())

    def retry(self, transact: Callable[[], R]) -> R:
        """Do what is one transaction, again when its server was away: nothing of it has happened then.

        Raises:
            LedgerUnavailableError: when the server stays away, or the store fails in another way.
        """
        if self._shared_connection is not None:  # what is done again is the transaction as a whole
            return transact()
        return self.deadline.retry(transact, self._outage)

    def together(self, act: Callable[[], R]) -> R:
        """Several calls as one transaction: all of them, or, when anything is raised, none.

        Args:
            act: makes the calls, in this thread; after an outage it is called again.

        Raises:
            LedgerUnavailableError: when the server stays away, or the store fails in another way.
        """

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
        """One transaction that sees one state."""
        if (shared := self._shared_connection) is not None:
            yield shared
            return
        with translated(self.where, self.engine) as connection:
            self.deadline.answered()
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: all of it, or, when anything is raised, nothing."""
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
            # With a mark it was COMMIT that failed: it may have been done, and only its answer be lost.
            if not mark or not error.connection_lost or not self.was_committed(mark):
                raise
        if mark:
            self._old_marks.append(mark)

    def _leave_mark(self, connection: Connection) -> str:
        """The last statement of a transaction: a mark that stands when it does; those that are answered for go."""
        old, self._old_marks = self._old_marks, []
        gone = delete(commits).where(commits.c.mark.in_(old)).cte("gone")
        mark = secrets.token_hex(16)
        connection.execute(insert(commits).values(mark=mark, at=utc_now()).add_cte(gone))
        return mark

    def was_committed(self, mark: str) -> bool:
        """What became of a transaction whose COMMIT was not answered.

        Its mark is written again. Where it stands, that is refused; where the transaction is under way still, it waits
        for its end; and where it succeeds, the transaction can never come after it. (PostgreSQL's own numbers of
        transactions cannot tell: after a crash it gives some of them out a second time.)

        Raises:
            LedgerUnavailableError: when the server stays away, so that nobody knows.
        """
        again = postgresql.insert(commits).values(mark=mark, at=utc_now()).on_conflict_do_nothing()

        def write_again() -> bool:
            with translated(self.where, self._writer) as connection:
                self.deadline.answered()
                return connection.execute(again.returning(commits.c.mark)).one_or_none() is not None

        return not self.retry(write_again)

    def ours(self) -> ColumnElement[bool]:
        """That a job is of this account."""
        return jobs.c.account.is_(None) if self.account is None else jobs.c.account == self.account

    def job(self, connection: Connection, job_id: str, *, lock: bool = False) -> Job:
        """A job; `lock` keeps other writers off it, and its rows, until the transaction ends.

        Whoever changes anything of a job locks its line first, so that no two writers wait for each other.

        Raises:
            UnknownJobError: when there is none.
        """
        query = select(*JOB_COLUMNS).where(jobs.c.id == job_id, self.ours())
        found = connection.execute(query.with_for_update() if lock else query).mappings().one_or_none()
        if found is None:
            raise UnknownJobError(job_id)
        return as_job(found)


class LedgerPart:
    """A part of the ledger: what is kept of one thing, in the store that all parts share."""

    def __init__(self, store: LedgerStore) -> None:
        """Keep it there."""
        self._store = store


def retried(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Run a part's method that is one transaction again when its server was away; see `LedgerStore.retry`."""

    @functools.wraps(method)
    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        return self._store.retry(lambda: method(self, *args, **kwargs))

    return run


def as_record(kind: type[R], columns: Iterable[Column[Any]], line: RowMapping) -> R:
    """A record from a line of a result: its fields are the columns' keys."""
    return kind(**{column.key: line[column] for column in columns})


def as_job(line: RowMapping) -> Job:
    """A record from `JOB_COLUMNS`."""
    return as_record(Job, JOB_COLUMNS, line)


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
