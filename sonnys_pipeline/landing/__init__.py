"""Loaded days become landed days; so do archived pages. Knows nothing of Dagster.

Belongs here: what replaces what, what is refused, the archive of pages, quarantine. Does not belong here: how a day was
read (`extract/`), how files are written (`lake/`).
"""
