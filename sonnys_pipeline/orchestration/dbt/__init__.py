"""The assets as sources of a dbt project. Belongs here: text made of their definitions. Nothing here imports dbt."""
