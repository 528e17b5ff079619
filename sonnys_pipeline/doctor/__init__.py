"""Checks of `sonnys doctor` on this machine, the API and the landed days. Does not use Dagster.

Belongs here: findings, each with its remedy. Does not belong here: printing (`cli/doctor.py`), Dagster's own state
(`orchestration/instance.py`).
"""
