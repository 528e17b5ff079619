"""From landed rows to tables and figures: pure functions over Arrow tables, with DuckDB. Knows nothing of Dagster.

Belongs here: flat tables, KPIs by site and day, their columns' meaning and source (docs/kpis.md). Does not belong
here: pages that people read (`report/`).
"""
