"""Plain Parquet that anything can read: columns, layout, atomic landing. Knows nothing of Dagster."""
