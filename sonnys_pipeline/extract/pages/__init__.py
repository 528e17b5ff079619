"""From the body of one page to the rows of a whole day.

Belongs here: pure functions over answers that have come. Does not belong here: when to ask, and files.
"""
