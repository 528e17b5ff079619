"""Marks of transactions, by which a server's ledger tells whether a COMMIT has happened whose answer was lost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "sonnys_commits",
        sa.Column("mark", sa.String(32), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("mark", name="pk_sonnys_commits"),
    )
