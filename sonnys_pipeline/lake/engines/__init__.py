"""Engines that run the marts' SQL over landed files: DuckDB in this process, or an existing Spark cluster.

Belongs here: the interface that the marts use, both engines, the translation of the SQL. Does not belong here: the
marts' SQL (`marts/`), and what a row counts as (`lake/sql.py`).
"""
