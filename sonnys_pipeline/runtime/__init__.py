"""What several rooms share: signals, processes, private files, text, outages, PostgreSQL connections.

Does not belong here: anything that knows what a transaction, a day or a site is.
"""
