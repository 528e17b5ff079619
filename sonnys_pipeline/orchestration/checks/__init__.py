"""Dagster asset checks.

Belongs here: which check runs when, blocking or warning. Does not belong here: the rules (`quality/`).
"""
