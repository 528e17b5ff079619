"""Every Sonny's BackOffice transaction as Parquet: client, loader, lake and a Dagster code location.

The rooms are floors: each uses only those below it, from `runtime` at the ground to `orchestration` and `cli` on top
(docs/architecture.md). Only `orchestration` and `definitions` import Dagster.
"""
