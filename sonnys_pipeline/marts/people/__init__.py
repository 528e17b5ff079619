"""Labor and prepaid balances: what employees worked and cost, and what is owed to holders of gift cards and washbooks.

Belongs here: figures computed from `clock_entries`, `giftcards` and `washbooks`, without Dagster. Does not belong here:
memberships (`marts/memberships.py`), and landing these lists (`landing/`).
"""
