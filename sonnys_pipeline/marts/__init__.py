"""Tables and KPIs computed from landed rows, with DuckDB. Does not use Dagster.

Belongs here: flat tables, KPIs by site and day, the meaning and source of their columns (docs/kpis.md). Does not belong
here: the report (`report/`).
"""
