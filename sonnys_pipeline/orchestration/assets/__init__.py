"""Dagster assets: what is landed and computed.

Belongs here: keys, partitions, dependencies, metadata. Does not belong here: the work itself, a floor below.
"""
