"""The top floor: Dagster's nouns, one file each. The only room that imports Dagster; the work is done below it."""
