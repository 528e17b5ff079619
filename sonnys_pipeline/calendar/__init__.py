"""Local days as UTC windows that the API accepts, and the business days of sites.

Belongs here: pure functions over dates and zones. Does not belong here: settings, or reading the clock.
"""
