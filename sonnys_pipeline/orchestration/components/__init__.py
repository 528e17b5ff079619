"""What puts accounts into a Dagster project of others: the component, its names, resources and choice of assets.

Which definitions there are is decided in `orchestration/build.py`, for a component as for the code location.
"""
