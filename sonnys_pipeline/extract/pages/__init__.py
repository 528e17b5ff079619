"""Turns page bodies into the rows of a whole day.

Belongs here: pure functions over responses. Does not belong here: when to send requests, and files.
"""
