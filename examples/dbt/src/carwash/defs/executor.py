"""Steps of a run share one process: most are shorter than the start of a process."""

import dagster as dg

defs = dg.Definitions(executor=dg.in_process_executor)
