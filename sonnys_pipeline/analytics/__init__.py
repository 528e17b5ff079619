"""From rows to numbers: pure functions over Arrow tables or Parquet files, with DuckDB. Knows nothing of Dagster."""
