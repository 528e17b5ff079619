"""Whether a day has as many rows as its weekday usually has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil, floor, sqrt
from statistics import median

#: Median absolute deviation → standard deviation, for a normal distribution.
_MAD_TO_SIGMA = 1.4826
#: Fewest earlier days to compare with.
FEWEST_DAYS = 4


@dataclass(frozen=True)
class Volume:
    """A day's row count, compared with earlier days of its weekday.

    Attributes:
        expected: lowest and highest usual number (inclusive); None if too few days are known.
        compared_with: the earlier days, oldest first.
    """

    rows: int
    expected: tuple[int, int] | None
    compared_with: tuple[date, ...]
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the day is usual, or too few days are known."""
        return not self.problems


def unusual_volume(day: date, rows: Mapping[date, int], *, weeks: int = 8, width: float = 4.0) -> Volume:
    """Compare a day with the same weekday of the weeks before it.

    The usual range is the median ± `width` standard deviations, estimated by the median absolute deviation and at least
    the square root of the median: both are robust against a holiday or a rainy day. 0 rows are unusual if all earlier
    days have rows. `rows` are landed rows by day, those of `day` included (else `KeyError`).
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
        usual_range = f"{lowest} to {highest} are usual on a {day:%A} (median {middle:g} of {len(known)})"
        problems = (f"{day}: {count} rows; {usual_range}. Read the day again, or find out what happened",)
    return Volume(count, (lowest, highest), known, problems)
