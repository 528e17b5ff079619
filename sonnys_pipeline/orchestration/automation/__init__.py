"""Schedules, sensors and conditions: what runs by itself, and who hears of it.

Belongs here: when, and in which words. Does not belong here: what a run does.
"""
