"""Lists of the API that land by day: what happened at a moment.

Belongs here: reading spans of them, cutting them into local days, replacing a day by what a later reading says. Does
not belong here: transactions (`landing/transactions.py`), lists of what there is (`landing/dimensions/`).
"""
