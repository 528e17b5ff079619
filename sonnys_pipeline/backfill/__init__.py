"""Jobs that a person plans, stops and resumes, and the executor that runs them, for Dagster and for the command line.

Belongs here: plan, approval, execution, recovery, audit. Does not belong here: requests (`extract/`), files (`lake/`),
printing (`cli/`). Knows nothing of Dagster.
"""
