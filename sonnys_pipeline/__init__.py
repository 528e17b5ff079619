"""Every Sonny's BackOffice transaction as Parquet: client, loader, lake and a Dagster code location."""
