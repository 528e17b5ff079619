"""From the lake to a report that people read: which files go into it, and where it lies. Knows nothing of Dagster."""
