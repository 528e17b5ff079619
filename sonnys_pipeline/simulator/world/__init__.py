"""The simulated chain of car washes: what happened at each site on each day.

Belongs here: rows and people as functions of seed, site and day, independent of the order of queries. Does not belong
here: HTTP, clocks, faults.
"""
