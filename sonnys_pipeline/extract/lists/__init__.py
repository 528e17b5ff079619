"""What lies between the client's lists and their tables.

Belongs here: the policies on personal data and pay of the lists, and answers kept while a list is read. Does not belong
here: asking (`client/lists/`), landing (`landing/dimensions/`).
"""
