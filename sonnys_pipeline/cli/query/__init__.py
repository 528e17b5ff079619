"""`sonnys sql`: options, formats and the shell."""
