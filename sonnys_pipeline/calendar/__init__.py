"""Local days as UTC windows for the API, and the business days of sites.

Belongs here: pure functions over dates and zones. Does not belong here: settings, or reading the clock.
"""
