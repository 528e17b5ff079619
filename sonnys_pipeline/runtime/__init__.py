"""What several rooms need and none owns: signals, processes, private files, text, outages, PostgreSQL connections.

Belongs here: small things without a business of their own. Does not belong here: anything that knows what a
transaction, a day or a site is.
"""
