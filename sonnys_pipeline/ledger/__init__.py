"""What is remembered of jobs, their days and their load jobs, in SQLite or PostgreSQL. Knows nothing of Dagster.

Belongs here: tables, transactions, which status may follow which. Does not belong here: what is done with a job
(`backfill/`), and what Dagster remembers itself (docs/decisions, 4).
"""
