"""A CSV of days that a person hands in, and the results that go back into it (BX-07).

Belongs here: reading and writing it letter for letter. Does not belong here: what a plan makes of its days.
"""
