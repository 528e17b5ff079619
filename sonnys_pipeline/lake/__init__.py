"""The lake: plain Parquet files that any reader can open. Does not use Dagster.

Belongs here: layout, metadata, atomic writes, reads and queries of landed files. Does not belong here: loading
or counting rows.
"""
