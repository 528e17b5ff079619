"""How often members wash, from the member washes of the last 30 business days (docs/kpis.md, "How often members wash").

Belongs here: marts whose days look back over many days of `transactions`, their inputs included. Does not belong here:
marts of one business day (`marts/memberships.py`), and of accounts (`marts/members/`).
"""
