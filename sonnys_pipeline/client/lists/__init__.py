"""What else the API lists: items, customers, employees, accounts, gift cards, sales outcomes.

Belongs here: a resource for each, the models of their rows, and how spans are cut into what an endpoint accepts. Does
not belong here: transactions and sites.
"""
