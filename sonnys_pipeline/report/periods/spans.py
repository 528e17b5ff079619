"""Weeks and months as spans of business days, and the days that they are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

_DAY = timedelta(days=1)
#: Weeks in the mean that a span is compared with.
WEEKS = 4


class Kind(Enum):
    """A week from Monday to Sunday, or a calendar month."""

    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Span:
    """A week or a month, from `first` to `last`, counted up to `through`."""

    kind: Kind
    first: date
    last: date
    through: date

    @classmethod
    def of(cls, kind: Kind, day: date, through: date | None = None) -> Span:
        """The week or month of a day, whole or up to a day of it."""
        if kind is Kind.WEEK:
            first = day - day.weekday() * _DAY
            last = first + 6 * _DAY
        else:
            first = day.replace(day=1)
            last = (first + 31 * _DAY).replace(day=1) - _DAY
        return cls(kind, first, last, last if through is None else through)

    @property
    def days(self) -> Sequence[date]:
        """The days that are counted."""
        return _days(self.first, (self.through - self.first).days + 1)

    @property
    def is_whole(self) -> bool:
        """Whether all its days are counted."""
        return self.through == self.last

    def back(self, periods: int) -> Span:
        """The whole week or month that many before."""
        first = self.first
        for _ in range(periods):
            first = Span.of(self.kind, first - _DAY).first
        return Span.of(self.kind, first)

    @property
    def compared_before(self) -> tuple[Sequence[date], Sequence[date]]:
        """Own days and days of the period before to compare: all of both, or the same ones if this is not whole.

        The same days are those of the same weekdays or of the same numbers. Days of this month that the month before
        does not have are left out on both sides.
        """
        before = self.back(1).days
        if self.is_whole:
            return self.days, before
        same = before[: len(self.days)]
        return self.days[: len(same)], same

    @property
    def four_weeks(self) -> Sequence[Sequence[date]]:
        """The same weekdays of each of the four weeks before; for a month its four weeks before, as one span."""
        if self.kind is Kind.WEEK:
            return [self.back(weeks).days[: len(self.days)] for weeks in range(1, WEEKS + 1)]
        return [_days(self.first - 7 * WEEKS * _DAY, 7 * WEEKS)]

    @property
    def days_shown(self) -> Sequence[date]:
        """All the days that figures and comparisons need, in order."""
        first = min(self.back(1).first, self.four_weeks[-1][0])
        return _days(first, (self.through - first).days + 1)


def _days(first: date, count: int) -> Sequence[date]:
    return [first + shift * _DAY for shift in range(count)]
