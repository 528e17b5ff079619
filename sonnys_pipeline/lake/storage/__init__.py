"""Where files are stored: a directory, or a bucket of an object store.

Belongs here: bytes, names, and the store's errors as errors of the lake. Does not belong here: Parquet.
"""
