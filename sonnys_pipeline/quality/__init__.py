"""What must hold of landed rows: pure functions behind checks, report and staleness. Knows nothing of Dagster.

Belongs here: rules, and what they found. Does not belong here: who is told (`report/`, `orchestration/checks/`).
"""
