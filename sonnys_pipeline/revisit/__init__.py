"""Landed days, compared with the API again (KT-01, KT-02).

Belongs here: which days are due by the policy, what differs, and the sweep that has differing days read again. Does
not: how a day is read (`extract/`) and landed (`landing/`, `backfill/`), or the policy's text (`config/revisit.py`).
"""
