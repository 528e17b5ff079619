"""Who may write an asset just now: one writer at a time.

Belongs here: the lock of a file, and of a server where writers run on several machines.
"""
