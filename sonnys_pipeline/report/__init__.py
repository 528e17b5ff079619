"""The morning report that people read: figures, comparisons, caveats, one page. Does not use Dagster.

Belongs here: collecting figures, formatting, charts, templates. Does not belong here: counting (`marts/`).
"""
