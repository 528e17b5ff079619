"""Processes around Dagster: web server, daemon, runs on this machine.

Belongs here: starting, guarding and watching them. Does not belong here: what runs inside.
"""
