"""Jobs, their rows, the load jobs of rows, and the log of transitions.

Instants are `timestamptz` on PostgreSQL and text in UTC on SQLite; statuses are text, checked by the code.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "sonnys_jobs",
        sa.Column("number", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("original_command", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("mode", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("total_rows", sa.Integer, nullable=False),
        sa.Column("processed_rows", sa.Integer, nullable=False),
        sa.Column("successful_rows", sa.Integer, nullable=False),
        sa.Column("failed_rows", sa.Integer, nullable=False),
        sa.Column("skipped_rows", sa.Integer, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT),
        sa.Column("completed_at", INSTANT),
        sa.Column("lease_owner", sa.Text),
        sa.Column("lease_until", INSTANT),
        sa.PrimaryKeyConstraint("number", name="pk_sonnys_jobs"),
        sa.UniqueConstraint("id", name="uq_sonnys_jobs_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_sonnys_jobs_name", "sonnys_jobs", ["name"])
    op.create_index("ix_sonnys_jobs_status", "sonnys_jobs", ["status"])
    op.create_table(
        "sonnys_job_rows",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("site", sa.Text),
        sa.Column("checksum", sa.String(64), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("rows", sa.Integer),
        sa.Column("requests", sa.Integer, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("path", sa.Text),
        sa.Column("job_hashes", sa.JSON, nullable=False),
        sa.Column("error_code", sa.Text),
        sa.Column("error_message", sa.Text),
        sa.Column("started_at", INSTANT),
        sa.Column("completed_at", INSTANT),
        sa.PrimaryKeyConstraint("id", name="pk_sonnys_job_rows"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["sonnys_jobs.id"], name="fk_sonnys_job_rows_job_id", ondelete="CASCADE"
        ),
        sa.UniqueConstraint("job_id", "position", name="uq_sonnys_job_rows_job_id_position"),
        sa.UniqueConstraint("job_id", "checksum", name="uq_sonnys_job_rows_job_id_checksum"),
        sqlite_autoincrement=True,
    )  # fmt: skip
    op.create_index("ix_sonnys_job_rows_job_id_status", "sonnys_job_rows", ["job_id", "status"])
    op.create_table(
        "sonnys_load_jobs",
        sa.Column("row_id", sa.Integer, nullable=False),
        sa.Column("window_start", INSTANT, nullable=False),
        sa.Column("window_end", INSTANT, nullable=False),
        sa.Column("page", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("job_hash", sa.Text),
        sa.Column("submitting_at", INSTANT, nullable=False),
        sa.Column("submitted_at", INSTANT),
        sa.PrimaryKeyConstraint("row_id", "window_start", "window_end", "page", name="pk_sonnys_load_jobs"),
        sa.ForeignKeyConstraint(
            ["row_id"], ["sonnys_job_rows.id"], name="fk_sonnys_load_jobs_row_id", ondelete="CASCADE"
        ),
    )  # fmt: skip
    op.create_table(
        "sonnys_job_transitions",
        sa.Column("id", sa.Integer, autoincrement=True, nullable=False),
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("from_status", sa.String(16), nullable=False),
        sa.Column("to_status", sa.String(16), nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sonnys_job_transitions"),
        sa.ForeignKeyConstraint(
            ["job_id"], ["sonnys_jobs.id"], name="fk_sonnys_job_transitions_job_id", ondelete="CASCADE"
        ),
        sqlite_autoincrement=True,
    )  # fmt: skip
    op.create_index("ix_sonnys_job_transitions_job_id", "sonnys_job_transitions", ["job_id"])
