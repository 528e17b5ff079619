"""The business day so far (KT-04): looks at the API every few minutes, one provisional file, figures and a page.

Belongs here: which rows are read when, and at which price; the file `transactions_today`; its figures beside those of
landed days. Does not belong here: landing days (`landing/`), what a figure is (`marts/`).
"""
