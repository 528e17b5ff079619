"""Load jobs name a site, and what is known of an API is kept: its sites, and what it has shown of itself.

Load jobs noted before named the site of their row, or none; those that are alive are taken up as before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table of load jobs anew, since its primary key gets a column, and the table of what is known."""
    op.rename_table("sonnys_load_jobs", "sonnys_load_jobs_0004")
    if op.get_bind().dialect.name == "postgresql":  # names of constraints are unique in a schema there
        op.execute(
            "ALTER TABLE sonnys_load_jobs_0004 RENAME CONSTRAINT pk_sonnys_load_jobs TO pk_sonnys_load_jobs_0004"
        )
    op.create_table(
        "sonnys_load_jobs",
        sa.Column("row_id", sa.Integer, nullable=False),
        sa.Column("site", sa.Text, nullable=False),
        sa.Column("window_start", INSTANT, nullable=False),
        sa.Column("window_end", INSTANT, nullable=False),
        sa.Column("page", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("job_hash", sa.Text),
        sa.Column("submitting_at", INSTANT, nullable=False),
        sa.Column("submitted_at", INSTANT),
        sa.PrimaryKeyConstraint("row_id", "site", "window_start", "window_end", "page", name="pk_sonnys_load_jobs"),
        sa.ForeignKeyConstraint(
            ["row_id"], ["sonnys_job_rows.id"], name="fk_sonnys_load_jobs_row_id", ondelete="CASCADE"
        ),
    )  # fmt: skip
    op.execute(
        "INSERT INTO sonnys_load_jobs "
        "(row_id, site, window_start, window_end, page, job_hash, submitting_at, submitted_at) "
        "SELECT old.row_id, coalesce(days.site, ''), old.window_start, old.window_end, old.page, old.job_hash, "
        "old.submitting_at, old.submitted_at "
        "FROM sonnys_load_jobs_0004 AS old JOIN sonnys_job_rows AS days ON days.id = old.row_id"
    )
    op.drop_table("sonnys_load_jobs_0004")
    op.create_table(
        "sonnys_api_knowledge",
        sa.Column("api_id_digest", sa.String(64), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("learned_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("api_id_digest", "name", name="pk_sonnys_api_knowledge"),
    )
