"""Dagster asset checks: what must hold of assets, and how an evaluation says it.

Belongs here: which check runs when, blocking or warning. Does not belong here: the rules (`quality/`).
"""
