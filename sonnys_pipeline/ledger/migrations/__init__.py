"""How a ledger gets the tables of this version, from nothing or from an older version; run by `ledger/engine.py`.

Belongs here: one file a revision in `versions/`, in order. Does not belong here: a user's data, or anything imported
from `ledger/schema.py`, which shows the present while a revision is history.
"""
