"""How a ledger gets the tables of this version, from nothing or from an older version; run by `ledger_store.py`.

Belongs here: Alembic's `env.py` and one file per revision, in order, in `versions/`. Does not belong here: data of a
user, or anything imported from `tables.py`, which shows the present while a revision is history.

A revision is written by hand: copy the newest file of `versions/`, number it on, set its `down_revision`, change
`tables.py` alike and raise `SCHEMA_REVISION` there. A test compares what the revisions make with `tables.py`.
"""
