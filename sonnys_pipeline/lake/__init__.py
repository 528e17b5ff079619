"""Plain Parquet that anything can read: columns, layout, atomic landing, and questions to landed files.

Belongs here: where files lie, what they say of themselves, how they are read and put in their place. Does not belong
here: where rows come from, and what is counted with them. Knows nothing of Dagster.
"""
