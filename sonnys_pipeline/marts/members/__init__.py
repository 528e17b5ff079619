"""Marts of memberships: movement and revenue by day, cohorts by month of sign-up (docs/kpis.md, "Members").

Belongs here: figures from the history of recurring accounts, their status changes and charges. Does not belong here:
figures from transactions (`marts/memberships.py`).
"""
