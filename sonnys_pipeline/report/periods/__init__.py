"""Figures over weeks and months: spans of days, their comparison, and the pages of a whole week or month.

Belongs here: what sums days of `site_day_kpis`. Does not belong here: the daily page, and definitions of figures.
"""
