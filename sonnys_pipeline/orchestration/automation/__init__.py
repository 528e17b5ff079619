"""Schedules, sensors and conditions: what runs automatically, and who is notified.

Belongs here: when, and in which words. Does not belong here: what a run does.
"""
