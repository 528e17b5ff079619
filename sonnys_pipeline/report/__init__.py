"""The morning report that people read: figures, comparisons, caveats, one page. Knows nothing of Dagster.

Belongs here: gathering, wording, charts, templates. Does not belong here: how a figure is counted (`marts/`).
"""
