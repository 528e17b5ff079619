"""How far back a site's records go, asked within a budget of requests (BM-10, BM-11).

Belongs here: the search, and the questions that it asks of the API.
"""
