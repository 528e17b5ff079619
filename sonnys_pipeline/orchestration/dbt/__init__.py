"""What dbt is told about the assets. Belongs here: a text made of their definitions; nothing here imports dbt."""
