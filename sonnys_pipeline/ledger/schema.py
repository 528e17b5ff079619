"""The ledger's tables, and how instants and enums are stored.

A change of a table needs a migration and a new `SCHEMA_REVISION`; a test compares them.

The names begin with `sonnys_` because a PostgreSQL database may be shared, for example with Dagster, which has tables
named `jobs` and `alembic_version`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

from sonnys_pipeline.ledger.errors import UnknownStoredValueError
from sonnys_pipeline.ledger.models import JobMode, JobStatus, RowStatus

#: Newest revision in `migrations/versions`.
SCHEMA_REVISION = "0005"
#: Table in which Alembic keeps the revision.
VERSION_TABLE = "sonnys_ledger_version"


def aware_utc(instant: datetime) -> datetime:
    """The same instant in UTC. Raises ValueError for a naive datetime."""
    if instant.utcoffset() is None:
        raise ValueError(f"{instant!r} has no time zone; the ledger takes aware datetimes, such as datetime.now(UTC)")
    return instant.astimezone(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An instant, aware UTC: `timestamptz` in PostgreSQL, text `YYYY-MM-DD HH:MM:SS.ffffff` in SQLite; both sort."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the base's signature
        """Refuse naive datetimes; convert others to UTC."""
        return None if value is None else aware_utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - the base's signature
        """Add the zone to SQLite's text; convert PostgreSQL's value from the session's zone to UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class StrictEnum(TypeDecorator[StrEnum]):
    """A value of an enum as text; any other value raises when written or read."""

    impl = String(16)
    cache_ok = True

    def __init__(self, kind: type[StrEnum]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: StrEnum | str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - the base's signature
        """The member's text."""
        return None if value is None else self.kind(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002 - the base's signature
        """The member. Raises UnknownStoredValueError when none has this text."""
        if value is None:
            return None
        try:
            return self.kind(value)
        except ValueError:
            raise UnknownStoredValueError(
                f"the ledger holds {value!r} instead of a {self.kind.__name__} (one of "
                f"{', '.join(self.kind)}); it was changed by hand or by a newer version"
            ) from None


class PlainText(TypeDecorator[str]):
    """Any text: what a database cannot store (NUL, surrogates) becomes a replacement character.

    Messages quote foreign bodies and file names, and a failure must be recorded whatever its message holds.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - the base's signature
        """The text with replacements."""
        if value is None:
            return None
        return value.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


class StringTuple(TypeDecorator[tuple[str, ...]]):
    """A few strings in order, as a JSON list."""

    impl = JSON
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> list[str]:  # noqa: ARG002 - the base's signature
        """The list."""
        return list(value or ())

    def process_result_value(self, value: Any, dialect: Dialect) -> tuple[str, ...]:  # noqa: ANN401, ARG002 - JSON may be anything
        """The tuple. Raises UnknownStoredValueError when it is not a list of strings."""
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise UnknownStoredValueError(f"the ledger holds {value!r} instead of a list of hashes")
        return tuple(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: One line per job. `number` orders jobs created within the same microsecond; it is not shown.
jobs = Table(
    "sonnys_jobs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(64), nullable=False, unique=True),
    Column("name", PlainText, nullable=False),
    Column("original_command", PlainText, nullable=False),
    Column("description", PlainText, nullable=False),
    Column("mode", StrictEnum(JobMode), nullable=False),
    Column("status", StrictEnum(JobStatus), nullable=False),
    # The columns keep their names of older versions; what they count is days.
    Column("total_rows", Integer, key="total_days", nullable=False),
    Column("processed_rows", Integer, key="processed_days", nullable=False),
    Column("successful_rows", Integer, key="successful_days", nullable=False),
    Column("failed_rows", Integer, key="failed_days", nullable=False),
    Column("skipped_rows", Integer, key="skipped_days", nullable=False),
    Column("error_code", PlainText),
    Column("error_message", PlainText),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("completed_at", UtcDateTime),
    Column("lease_owner", PlainText),
    Column("lease_until", UtcDateTime),
    Column("account", PlainText),
    Index(None, "name"),
    Index(None, "status"),
    sqlite_autoincrement=True,
)

#: One line per day (and site) of a job.
job_rows = Table(
    "sonnys_job_rows",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("job_id", ForeignKey(jobs.c.id, ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("day", String(10), nullable=False),
    Column("site", PlainText),
    Column("checksum", String(64), nullable=False),
    Column("status", StrictEnum(RowStatus), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("rows", Integer),
    Column("requests", Integer, nullable=False),
    Column("seconds", Double, nullable=False),
    Column("path", PlainText),
    Column("job_hashes", StringTuple, nullable=False),
    Column("error_code", PlainText),
    Column("error_message", PlainText),
    Column("started_at", UtcDateTime),
    Column("completed_at", UtcDateTime),
    UniqueConstraint("job_id", "position"),
    UniqueConstraint("job_id", "checksum"),
    Index(None, "job_id", "status"),
    sqlite_autoincrement=True,
)

#: One line per load job that was, or was about to be, submitted for a row that is not completed yet.
load_jobs = Table(
    "sonnys_load_jobs",
    metadata,
    Column("row_id", ForeignKey(job_rows.c.id, ondelete="CASCADE"), primary_key=True),
    # The site that the load job names; empty for none, since a key column cannot be null.
    Column("site", PlainText, primary_key=True),
    Column("window_start", UtcDateTime, primary_key=True),
    Column("window_end", UtcDateTime, primary_key=True),
    Column("page", Integer, primary_key=True, autoincrement=False),
    Column("job_hash", PlainText),
    Column("submitting_at", UtcDateTime, nullable=False),
    Column("submitted_at", UtcDateTime),
)

#: One line per change of a job's status; never changed.
transitions = Table(
    "sonnys_job_transitions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("job_id", ForeignKey(jobs.c.id, ondelete="CASCADE"), nullable=False),
    Column("at", UtcDateTime, nullable=False),
    Column("from_status", StrictEnum(JobStatus), nullable=False),
    Column("to_status", StrictEnum(JobStatus), nullable=False),
    Column("by", PlainText, nullable=False),
    Column("why", PlainText, nullable=False),
    Index(None, "job_id"),
    sqlite_autoincrement=True,
)

#: One line per plan: the preview as JSON text, its fingerprint, and who approved which fingerprint.
plans = Table(
    "sonnys_plans",
    metadata,
    Column("job_id", ForeignKey(jobs.c.id, ondelete="CASCADE"), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("content", Text, nullable=False),
    Column("planned_at", UtcDateTime, nullable=False),
    Column("approved_fingerprint", String(64)),
    Column("approved_by", PlainText),
    Column("approved_at", UtcDateTime),
)

#: One line per writer on a server: the mark of its last transaction, which tells whether a COMMIT whose answer was lost
#: has happened. Empty in a file.
commits = Table(
    "sonnys_commits",
    metadata,
    Column("mark", String(32), primary_key=True),
    Column("at", UtcDateTime, nullable=False),
)

#: One line per fact about an API id: its sites, and how the API was seen to behave (LV-05).
api_knowledge = Table(
    "sonnys_api_knowledge",
    metadata,
    Column("api_id_digest", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("content", Text, nullable=False),
    Column("learned_at", UtcDateTime, nullable=False),
)
