"""What is reported to Dagster about landed days.

Belongs here: materializations and their metadata, for days landed by a run or by the command line.
"""
