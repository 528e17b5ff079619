"""Dagster's nouns, one file each; the only room that imports Dagster. The work is done in the rooms below."""
