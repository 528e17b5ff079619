"""Find out which files of a mart have to be computed again.

Belongs here: the inputs of a mart, and their comparison with those that a file was computed from.
"""
