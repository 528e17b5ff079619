"""The days on which a site has rows, and the moments in them; a day is named by its ordinal (`date.toordinal`)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TypeAlias
from zoneinfo import ZoneInfo

from sonnys_pipeline.simulator.world.catalog import SiteSpec
from sonnys_pipeline.simulator.world.demand import DAY_MS, HOUR_MS, OPENING_HOUR, hour_offset, is_closed

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MILLISECOND = timedelta(milliseconds=1)

LONGEST_CLOSING = 30
"""Days by which an appointment moves at most."""
Moment: TypeAlias = tuple[int, int]
"""An instant in whole seconds: the site's day, and milliseconds since the epoch."""


def utc(moment_ms: int) -> datetime:
    """Epoch milliseconds as aware UTC."""
    return EPOCH + timedelta(milliseconds=moment_ms)


def whole_ms(moment: datetime) -> int:
    """Epoch milliseconds of an aware time, rounded down: what has happened by then has at most as many."""
    return (moment - EPOCH) // _MILLISECOND


@dataclass(frozen=True, slots=True)
class SiteDays:
    """Days of a site: local ones, or UTC days where `in_utc`; there only the days named in `closed` have no rows."""

    seed: int
    site: SiteSpec
    opened: date
    closed: frozenset[date]
    in_utc: bool
    _next: dict[int, int] = field(init=False, repr=False, compare=False, default_factory=dict)
    _starts: dict[int, tuple[int, int]] = field(init=False, repr=False, compare=False, default_factory=dict)

    def is_open(self, day: date) -> bool:
        """Whether the site has rows on a day."""
        if not self.site.has_rows or day < self.opened or day in self.closed:
            return False
        return self.in_utc or not is_closed(self.seed, self.site, day)

    def next_open(self, day: int) -> int:
        """The day itself or the next one with rows; itself too before the site opened, or if a month has no rows."""
        if (known := self._next.get(day)) is not None:
            return known
        found, on = day, date.fromordinal(day)
        if on >= self.opened:
            later = (day + more for more in range(LONGEST_CLOSING))
            found = next((one for one in later if self.is_open(date.fromordinal(one))), day)
        self._next[day] = found
        return found

    def by_day(self, day: int, chance: float) -> Moment:
        """A moment of the opening hours, more often in busy ones; `chance` is between 0 and 1."""
        midnight, opening = self._start(day)
        offset = opening + hour_offset(chance) // 1000 * 1000
        return day, midnight + (offset % DAY_MS or 1000 if self.in_utc else offset)

    def at_night(self, day: int, chance: float) -> Moment:
        """A moment between half past midnight and half past four at the site."""
        midnight, opening = self._start(day)
        offset = int(1800 + chance * 4 * 3600) * 1000
        if self.in_utc:
            offset = (opening - OPENING_HOUR * HOUR_MS + offset) % DAY_MS or 1000
        return day, midnight + offset

    def _start(self, day: int) -> tuple[int, int]:
        """Midnight in milliseconds since the epoch, and the milliseconds from there to opening."""
        if (known := self._starts.get(day)) is not None:
            return known
        on, zone = date.fromordinal(day), ZoneInfo(self.site.timezone or "UTC")
        if self.in_utc:
            offset = datetime(on.year, on.month, on.day, 12, tzinfo=UTC).astimezone(zone).utcoffset() or timedelta()
            found = ((day - _EPOCH_DAY) * DAY_MS, OPENING_HOUR * HOUR_MS - int(offset.total_seconds() * 1000))
        else:
            midnight = int(datetime(on.year, on.month, on.day, tzinfo=zone).timestamp()) * 1000
            opening = int(datetime(on.year, on.month, on.day, OPENING_HOUR, tzinfo=zone).timestamp()) * 1000
            found = (midnight, opening - midnight)
        self._starts[day] = found
        return found
