"""Environment variables and `.env` as typed settings, for one account or several. Knows nothing of Dagster.

Belongs here: names, defaults, parsing, validation, masked secrets. Does not belong here: opening what the settings
name (`backfill/workspace.py`).
"""
