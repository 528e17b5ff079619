"""What every part of the ledger stands on: one transaction at a time, and again when the server was away.

A PostgreSQL server may be away for a minute: each method waits and asks again. A connection that breaks before COMMIT
leaves nothing behind, so the method is run again as a whole. One that breaks while COMMIT is under way leaves the
question whether it happened; a mark that each transaction leaves answers it, and nothing is ever done twice.
"""

from __future__ import annotations

import functools
import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, delete, insert, select
from sqlalchemy.dialects import postgresql

from sonnys_pipeline.ledger.engine import describe, translated
from sonnys_pipeline.ledger.errors import LeaseLostError, LedgerUnavailableError, UnknownJobError
from sonnys_pipeline.ledger.models import Job
from sonnys_pipeline.ledger.schema import aware_utc, commits, jobs
from sonnys_pipeline.runtime.outage import OutageDeadline

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="LedgerStore")

logger = logging.getLogger(__name__)

#: How long a server may be away before that is an error, in seconds; and when the run is to end anyway.
SERVER_PATIENCE = 60.0
HURRIED_PATIENCE = 2.0
#: The ledger's columns that make a `Job`.
JOB_COLUMNS = [column for column in jobs.c if column is not jobs.c.number]


def utc_now() -> datetime:
    """The instant, aware UTC."""
    return datetime.now(UTC)


def repeated(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Run a method that is one transaction again when its server was away; nothing of it has happened then."""

    @functools.wraps(method)
    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        while True:
            try:
                return method(self, *args, **kwargs)
            except LedgerUnavailableError as error:
                if not self.wait_for_server(error):
                    raise

    return run


class LedgerStore:
    """An open ledger: a database with the tables of this version, and a clock.

    Safe for use by several threads; each method is one transaction.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        now: Callable[[], datetime] = utc_now,
        patience: OutageDeadline | None = None,
        account: str | None = None,
    ) -> None:
        """Use an engine as `open_ledger` makes it: with the tables, and for SQLite with its settings.

        Args:
            engine: becomes ours; `close` disposes of it.
            now: clock of aware datetimes.
            patience: how long a server may be away before that is an error; left out, a minute.
            account: whose jobs these are; those of others that share the ledger are not there, whoever asks.
        """
        self._engine = engine
        self._writer = engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")
        self._clock = now
        self._patience = patience or OutageDeadline(SERVER_PATIENCE)
        self._old_marks: list[str] = []
        self._account = account
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

    def hurry(self) -> None:
        """Wait no longer for a server that is away, since the run is to end; safe to call from a signal handler."""
        self._patience.seconds = HURRIED_PATIENCE

    def wait_for_server(self, error: LedgerUnavailableError) -> bool:
        """Pause after an error; whether it is worth asking again then."""
        if not error.connection_lost:
            return False
        if not self._patience.is_away:
            logger.warning("%s. Waiting until it answers", error)
        pause = self._patience.next_pause()
        if pause is None:
            return False
        time.sleep(pause)
        return True

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """One transaction that sees one state."""
        with translated(self.where, self._engine) as connection:
            self._patience.answered()
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """One transaction: all of it, or, when anything is raised, nothing."""
        mark = ""
        try:
            with translated(self.where, self._writer) as connection:
                self._patience.answered()
                yield connection
                if self._engine.dialect.name == "postgresql":
                    mark = self._leave_mark(connection)
        except LedgerUnavailableError as error:
            # With a mark it was COMMIT that failed: it may have been done, and only its answer be lost.
            if not mark or not error.connection_lost or not self._was_committed(mark):
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

    def _was_committed(self, mark: str) -> bool:
        """What became of a transaction whose COMMIT was not answered.

        Its mark is written again. Where it stands, that is refused; where the transaction is under way still, it waits
        for its end; and where it succeeds, the transaction can never come after it. (PostgreSQL's own numbers of
        transactions cannot tell: after a crash it gives some of them out a second time.)

        Raises:
            LedgerUnavailableError: when the server stays away, so that nobody knows.
        """
        again = postgresql.insert(commits).values(mark=mark, at=utc_now()).on_conflict_do_nothing()
        while True:
            try:
                with translated(self.where, self._writer) as connection:
                    self._patience.answered()
                    is_new = connection.execute(again.returning(commits.c.mark)).one_or_none() is not None
            except LedgerUnavailableError as error:
                if not self.wait_for_server(error):
                    raise
            else:
                return not is_new

    def _ours(self) -> ColumnElement[bool]:
        """That a job is of this account."""
        return jobs.c.account.is_(None) if self._account is None else jobs.c.account == self._account

    def _job(self, connection: Connection, job_id: str, *, lock: bool = False) -> Job:
        """A job; `lock` keeps other writers off it, and its rows, until the transaction ends.

        Whoever changes anything of a job locks its line first, so that no two writers wait for each other.
        """
        query = select(*JOB_COLUMNS).where(jobs.c.id == job_id, self._ours())
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
