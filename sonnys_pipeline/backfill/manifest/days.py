"""Days as people and spreadsheets write them: `2026-11-01`, and `11/1/2026` where it is unambiguous.

Excel saves dates as its machine's language shows them: month first or day first. The order is the same in all cells of
a file; a cell such as `11/13/2026` shows which it is. Otherwise nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import date

#: Day, month and year as spreadsheets write them.
_NUMBERS = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")
#: Longest cell shown in full in a message.
_SHOWN = 40


def day_reader(cells: Iterable[str]) -> Callable[[str], str]:
    """A reader for the cells of this column: `YYYY-MM-DD`, or a `ValueError` that says what to write.

    `cells` is the whole column, stripped; it shows the order of day and month.
    """
    orders = [(_day(cell, month_first=True), _day(cell, month_first=False)) for cell in cells]
    orders = [pair for pair in orders if any(pair)]
    fits_month_first, fits_day_first = (all(pair[place] for pair in orders) for place in (0, 1))

    def read(cell: str) -> str:
        if not _NUMBERS.fullmatch(cell):
            return cell  # ISO, or refused by the caller
        month_first, day_first = _day(cell, month_first=True), _day(cell, month_first=False)
        if not month_first and not day_first:
            raise ValueError(f"{_shown(cell)} is not a day; write YYYY-MM-DD, such as 2026-11-02")
        if month_first == day_first or (fits_month_first and not fits_day_first):
            return str(month_first)
        if fits_day_first and not fits_month_first:
            return str(day_first)
        if fits_month_first:
            raise ValueError(
                f"{_shown(cell)} could be {month_first} or {day_first}, and no other line tells whether the month "
                "comes first; write YYYY-MM-DD"
            )
        raise ValueError(f"{_shown(cell)}: some lines have the month first, and others the day; write YYYY-MM-DD")

    return read


def _day(cell: str, *, month_first: bool) -> str | None:
    match = _NUMBERS.fullmatch(cell)
    if match is None:
        return None
    month, day = (match[1], match[2]) if month_first else (match[2], match[1])
    try:
        return date(int(match[3]), int(month), int(day)).isoformat()
    except ValueError:
        return None


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= _SHOWN else f"{cell[: _SHOWN - 3]}...")
