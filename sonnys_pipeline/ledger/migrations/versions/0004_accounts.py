"""Whose a job is, where several accounts share one ledger; jobs from before are of the one account that there was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the column."""
    op.add_column("sonnys_jobs", sa.Column("account", sa.Text))
