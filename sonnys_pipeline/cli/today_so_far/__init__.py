"""`sonnys today`. Belongs here: following the day in a terminal, printing it. What it shows is made in `today/`."""
