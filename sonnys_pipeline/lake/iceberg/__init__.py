"""The lake's assets as Apache Iceberg tables, one table an asset, through pyiceberg (docs/iceberg.md).

Belongs here: the catalog, commits, and the expiry of earlier versions. Does not belong here: what is in a file, which
is the same as in a lake of plain Parquet. Nothing here is imported for a lake of plain Parquet.
"""

#: File that makes a folder a lake of Iceberg tables (`catalogs.py`).
MARKER = ".iceberg/lake.json"
