"""From which reading of the accounts, and which days of changes, the status at the end of a day is known.

A reading says what the status is then. The changes of the days between the reading and the end of another day say what
it was there: forward the last one's new status, backward the first one's old status. Without one it is as listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa

_DAY = timedelta(days=1)
_NOON = time(12)


@dataclass(frozen=True)
class Walk:
    """How the status at the end of a day is known in a zone.

    Attributes:
        day: the local day.
        timezone: the zone of the day.
        reading: day of the reading to start from, in the account's zone.
        forward: whether the reading was before the end of the day.
        first: first day of changes that are needed.
        last: the last such day; before `first` if none is needed.
        missing: those that are not landed; the status is known if there are none.
    """

    day: date
    timezone: str
    reading: date
    forward: bool
    first: date
    last: date
    missing: tuple[date, ...]


class Readings:
    """The readings of a history, and the landed days of changes.

    Days on which the history changed were days of a reading. Of these, only the last one's time is known; of the others
    it is known that they were on that day by the clocks of the account, so two local days come into question elsewhere.

    Args:
        history: `valid_from` and `valid_to` of all versions.
        read_at: when the accounts were read last, aware.
        landed: landed days of changes, and when each was read, aware.
        timezone: the account's zone.
    """

    def __init__(self, history: pa.Table, read_at: datetime, landed: Mapping[date, datetime], timezone: str) -> None:
        self.read_at = read_at
        self._last = read_at.astimezone(ZoneInfo(timezone)).date()
        found = {day for name in ("valid_from", "valid_to") for day in history[name].unique().to_pylist() if day}
        self._days = sorted({*found, self._last})
        self._landed = landed
        self._whole: dict[str, frozenset[date]] = {}
        self._timezone = timezone
        self._bounds: dict[str, Mapping[date, tuple[date, date]]] = {}

    def is_after(self, day: date, timezone: str) -> bool:
        """Whether the accounts were read after the end of a local day, so that those who joined are listed."""
        return self.read_at.astimezone(ZoneInfo(timezone)).date() > day

    def lacking(self, first: date, last: date, timezone: str) -> tuple[date, ...]:
        """Days from `first` to `last` whose changes are not landed, or were read before the day's end in a zone."""
        whole = self._whole_in(timezone)
        return tuple(day for day in days_from(first, last) if day not in whole)

    def _whole_in(self, timezone: str) -> frozenset[date]:
        if timezone not in self._whole:
            self._whole[timezone] = days_over(self._landed, [timezone])
        return self._whole[timezone]

    def walk(self, day: date, timezone: str) -> Walk | None:
        """The walk to the end of a local day that lacks the fewest days; None if there is no reading to start from.

        Only the nearest readings before and after are candidates: farther ones need all that these need. Of two, the
        earlier one counts, which later readings leave as it is.
        """
        bounds = self._bounds_in(timezone)
        before = [(one, first) for one, (first, last) in bounds.items() if last <= day][-1:]
        after = [(one, last) for one, (first, last) in bounds.items() if first > day][:1]
        walks = [
            Walk(day, timezone, one, True, first, day, self.lacking(first, day, timezone)) for one, first in before
        ]
        walks += [
            Walk(day, timezone, one, False, day + _DAY, last, self.lacking(day + _DAY, last, timezone))
            for one, last in after
        ]
        return min(walks, key=lambda walk: (len(walk.missing), not walk.forward), default=None)

    def _bounds_in(self, timezone: str) -> Mapping[date, tuple[date, date]]:
        """First and last local day that each reading can have been on, in order."""
        if timezone not in self._bounds:
            self._bounds[timezone] = {reading: self._local(reading, timezone) for reading in self._days}
        return self._bounds[timezone]

    def _local(self, reading: date, timezone: str) -> tuple[date, date]:
        if reading == self._last:
            exact = self.read_at.astimezone(ZoneInfo(timezone)).date()
            return exact, exact
        noon = datetime.combine(reading, _NOON, tzinfo=ZoneInfo(self._timezone))
        ahead = (noon.astimezone(ZoneInfo(timezone)).utcoffset() or timedelta()) - (noon.utcoffset() or timedelta())
        return reading - _DAY * (ahead < timedelta()), reading + _DAY * (ahead > timedelta())


def days_over(read: Mapping[date, datetime], timezones: Iterable[str]) -> frozenset[date]:
    """Those of some days that were read after their end in all of the zones; `read` says when each was."""
    zones = [ZoneInfo(name) for name in timezones]
    return frozenset(day for day, at in read.items() if all(at.astimezone(zone).date() > day for zone in zones))


def days_from(first: date, last: date) -> list[date]:
    """All days from `first` to `last`; none if `last` is before."""
    return [first + shift * _DAY for shift in range((last - first).days + 1)]
