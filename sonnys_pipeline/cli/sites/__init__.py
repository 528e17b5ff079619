"""`sonnys sites`: see the history of the sites, and say of it what no list can.

Belongs here: parsing, calling, printing. The history itself is kept in `landing/sites/`.
"""
