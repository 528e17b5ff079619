"""Assets computed from the lists of people and prepaid balances.

Belongs here: their definitions. Does not belong here: what is counted (`marts/people/`).
"""
