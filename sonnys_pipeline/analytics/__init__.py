"""From rows to numbers: pure functions over Arrow tables, computed by DuckDB. Knows nothing of Dagster or files."""
