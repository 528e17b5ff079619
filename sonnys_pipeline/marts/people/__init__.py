"""Labor and prepaid balances: hours and cost of employees, unused value of gift cards, washes left on washbooks.

Belongs here: figures computed from `clock_entries`, `giftcards` and `washbooks`, without Dagster. Does not belong here:
memberships (`marts/memberships.py`), and landing these lists (`landing/`).
"""
