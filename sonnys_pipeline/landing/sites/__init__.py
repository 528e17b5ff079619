"""The history of the operator's sites: every list that was read, joined with what is known, landed as `sites`.

Belongs here: versions of sites, what ends or begins one, and what a person says of them. Does not belong here: which
sites a run reads (`landing/account_sites.py`), and how days are counted with a history (`calendar/site_history.py`).
"""
