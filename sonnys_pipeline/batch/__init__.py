"""Days that are loaded and landed: from the API to the lake, recoverably. Knows nothing of Dagster."""
