"""What is wrong here, and what to do about it: this machine, the API, what is landed. Knows nothing of Dagster.

Belongs here: findings, each with its remedy. Does not belong here: printing (`cli/doctor.py`), Dagster's own state
(`orchestration/instance.py`).
"""
