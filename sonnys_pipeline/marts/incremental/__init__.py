"""Which files of a mart have to be made again, and what they are made of.

Belongs here: inputs, digests and the comparison with what a file was made of.
"""
