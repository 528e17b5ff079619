"""Jobs, their days and their load jobs, kept in SQLite or PostgreSQL. Knows nothing of Dagster.

Belongs here: tables, transactions, allowed status changes. Does not belong here: what is done with a job (`backfill/`),
and what Dagster keeps itself (docs/decisions, 4).
"""
