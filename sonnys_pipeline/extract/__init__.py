"""Days in, complete days out: load jobs submitted, polled and put together on one request budget.

Belongs here: which request is sent when, what an answer changes, when a day is complete. Does not belong here: HTTP
(`client/`), files, the ledger, Dagster.
"""
