"""The simulated API over HTTP: endpoints, criteria, load jobs, errors, and controls for tests.

Belongs here: HTTP. Does not belong here: what happened at the sites (`simulator/world/`).
"""
