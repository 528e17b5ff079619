"""The simulated chain of car washes: what happened at each site on each day.

Belongs here: rows and people as functions of seed, site and day, so that no order of questions changes an answer.
Does not belong here: HTTP, clocks, faults.
"""
