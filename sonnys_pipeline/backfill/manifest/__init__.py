"""A CSV of requested days, and the results written back into it (BX-07).

Belongs here: reading and writing it without changing any other character. Does not belong here: what a plan makes of
it.
"""
