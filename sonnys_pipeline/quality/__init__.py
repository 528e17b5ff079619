"""Rules that landed rows must satisfy, used by checks, report and staleness. Does not use Dagster.

Belongs here: rules and their findings. Does not belong here: presenting them (`report/`, `orchestration/checks/`).
"""
