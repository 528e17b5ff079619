"""Per-asset write locks: one writer at a time.

Belongs here: locks by file, and by a server where writers run on several machines.
"""
