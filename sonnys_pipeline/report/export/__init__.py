"""What a report shows, as a CSV or XLSX file for spreadsheets.

Belongs here: tables of a report's values, and writing them. Does not belong here: counting and HTML.
"""
