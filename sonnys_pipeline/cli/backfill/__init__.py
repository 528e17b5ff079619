"""`sonnys backfill …`: options, verbs, output.

Belongs here: parsing, calling, printing. Does not belong here: planning and running (`backfill/`).
"""
