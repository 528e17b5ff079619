"""Read-only SQL over everything that is landed.

Belongs here: views of landed files, and running one statement on them. Does not belong here: terminals and formats.
"""
