"""What Dagster is told of landed days, and what its UI shows of them.

Belongs here: materializations and their metadata, for days that a run or the command line has landed.
"""
