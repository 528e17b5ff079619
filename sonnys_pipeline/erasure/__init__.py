"""Removes one customer from everything that was written, and proves it (RS-04).

Belongs here: finding a customer's values, erasing them, searching for them. Does not belong here: keeping them from
coming back (`extract/pages/forgotten.py`, `landing/forgotten.py`), printing (`cli/`).
"""
