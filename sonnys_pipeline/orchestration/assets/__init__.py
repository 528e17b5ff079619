"""Dagster assets: landed and computed files.

Belongs here: keys, partitions, dependencies, metadata. Does not belong here: the work itself.
"""
