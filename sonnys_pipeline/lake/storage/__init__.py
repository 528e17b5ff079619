"""Where files lie: a folder, or a bucket of an object store.

Belongs here: bytes, names, and errors of the store in the lake's words. Does not belong here: Parquet.
"""
