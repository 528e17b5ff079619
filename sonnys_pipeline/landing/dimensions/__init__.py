"""Lists of the API as landed histories: what was listed when.

Belongs here: joining a list with its history, and landing it. Does not belong here: sites, whose days are moved by what
changes in them (`landing/sites/`).
"""
