"""The environment as typed settings, for one account or for several. Knows nothing of Dagster.

Belongs here: names, defaults, parsing, refusing; secrets are masked in every rendering. Does not belong here: opening
what the settings name (`backfill/workspace.py`).
"""
