"""Whether a day has as many rows as its weekday usually has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, floor, sqrt
from statistics import median

#: Median absolute deviation → standard deviation, for a normal distribution.
_MAD_TO_SIGMA = 1.4826
#: Fewer days than these tell nothing about what is usual.
FEWEST_DAYS = 4


@dataclass(frozen=True)
class Volume:
    """A day's rows beside those of the same weekdays before it.

    Attributes:
        rows: of the day.
        expected: lowest and highest number that are usual, both included; `None` where too few days are known.
        compared_with: the days that say so, oldest first.
        problems: one sentence where the day is unusual, else none.
    """

    rows: int
    expected: tuple[int, int] | None
    compared_with: tuple[date, ...]
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the day is usual, or nothing is known against it."""
        return not self.problems


def unusual_volume(day: date, rows: Mapping[date, int], *, weeks: int = 8, width: float = 4.0) -> Volume:
    """Compare a day with the same weekday of the weeks before it.

    The range is the median, plus and minus `width` standard deviations as the median absolute deviation estimates them,
    and at least `width` times what chance alone does to a count (its square root). Both resist a holiday or a day of
    rain among the days compared. Where each of those has rows, none at all is never usual.

    Args:
        day: the day in question; it must be in `rows`.
        rows: landed rows by day; days that are not landed are left out.
        weeks: how many weeks back to look.
        width: in standard deviations.

    Raises:
        KeyError: the day is not in `rows`.
    """
    count = rows[day]
    before = [day - timedelta(weeks=back) for back in range(weeks, 0, -1)]
    known = tuple(earlier for earlier in before if earlier in rows)
    if len(known) < FEWEST_DAYS:
        return Volume(count, None, known, ())
    usual = [rows[earlier] for earlier in known]
    middle = median(usual)
    deviation = max(_MAD_TO_SIGMA * median(abs(one - middle) for one in usual), sqrt(middle))
    lowest = max(0 if min(usual) == 0 else 1, ceil(middle - width * deviation))
    highest = floor(middle + width * deviation)
    problems: tuple[str, ...] = ()
    if not lowest <= count <= highest:
        usually = f"{lowest} to {highest} are usual on a {day:%A} (median {middle:g} of {len(known)})"
        problems = (f"{day}: {count} rows, where {usually}; read the day again, or look at what happened",)
    return Volume(count, (lowest, highest), known, problems)
