"""What Alembic runs: the revisions, on the connection and in the transaction that `ledger/engine.py` hands over.

Does not belong here: finding a database, or a lock. There is no `alembic.ini`.
"""

from __future__ import annotations

from alembic import context

from sonnys_pipeline.ledger.schema import VERSION_TABLE, metadata


def run() -> None:
    """Run them; the transaction is the caller's, so that a ledger is migrated wholly or not at all."""
    context.configure(
        connection=context.config.attributes["connection"], target_metadata=metadata, version_table=VERSION_TABLE
    )
    context.run_migrations()


if __name__ == "env_py":  # the name under which Alembic loads this file; imported as a module it does nothing
    run()
