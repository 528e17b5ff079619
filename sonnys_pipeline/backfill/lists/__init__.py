"""Jobs that read lists of the API: previewed, approved, run and billed as jobs of transactions are.

Belongs here: what such a job costs, and running it. Does not belong here: reading and landing (`landing/dimensions/`,
`landing/facts/`).
"""
