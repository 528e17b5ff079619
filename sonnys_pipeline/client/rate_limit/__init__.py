"""The request budget shared by everybody who uses an API id, and its stores (BM-07).

Belongs here: whether a request may leave now, and the log of departures. Does not belong here: which request leaves,
and what a 429 means for it (`extract/`).
"""
