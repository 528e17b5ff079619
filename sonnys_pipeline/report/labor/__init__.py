"""Labor in the daily report: hours, cost, and cars for each hour, by site.

Belongs here: the figures of a report's section on labor, from landed clock entries. Does not belong here: how hours and
cost are counted (`marts/people/`).
"""
