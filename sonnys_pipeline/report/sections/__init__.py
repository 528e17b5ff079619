"""Sections of the daily report that are not made of transactions.

Belongs here: what such a section shows, read from its mart. Does not belong here: the page itself (`templates/`).
"""
