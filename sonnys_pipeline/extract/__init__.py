"""Loads days: submits load jobs, polls them and assembles complete days on one request budget.

Belongs here: which request is sent when, how a response changes the state, when a day is complete. Does not belong
here: HTTP (`client/`), files, the ledger, Dagster.
"""
