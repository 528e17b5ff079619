"""The request budget that everybody on an API id shares, and the stores that can keep it (BM-07).

Belongs here: the decision whether a request may leave now, and the log of departures behind it. Does not belong
here: which request leaves, and what a 429 means for it (`extract/`).
"""
