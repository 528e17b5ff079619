"""Plans of jobs, and who approved them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "sonnys_plans",
        sa.Column("job_id", sa.String(64), nullable=False),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("content", sa.Text, nullable=False),
        sa.Column("planned_at", INSTANT, nullable=False),
        sa.Column("approved_fingerprint", sa.String(64)),
        sa.Column("approved_by", sa.Text),
        sa.Column("approved_at", INSTANT),
        sa.PrimaryKeyConstraint("job_id", name="pk_sonnys_plans"),
        sa.ForeignKeyConstraint(["job_id"], ["sonnys_jobs.id"], name="fk_sonnys_plans_job_id", ondelete="CASCADE"),
    )
