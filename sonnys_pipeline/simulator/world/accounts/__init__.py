"""What is agreed before a day begins: whose account is opened or charged then, and who may wash as a member.

Rows and lists both come from here, so they agree. Belongs here: days of a site and the lives of accounts. Does not
belong here: the wire format of rows and lists.
"""
