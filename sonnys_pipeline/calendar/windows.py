"""A local day as UTC windows for the API, and the days that the API keeps (contract, "Time", "Batch jobs")."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

#: The longest span of one load job (contract, "Batch jobs").
LONGEST_WINDOW = timedelta(hours=24)
#: The longest span of a list request. The API takes 31 days (contract, L10), its document says a month: 28 are both.
LONGEST_LIST = timedelta(days=28)
#: How far back the API reaches (contract, "Batch jobs").
MONTHS_KEPT = 6


@dataclass(frozen=True, order=True)
class Window:
    """A half-open span `[start, end)` of at most 24 hours, aware UTC, on whole seconds."""

    longest: ClassVar[timedelta] = LONGEST_WINDOW

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for instant in (self.start, self.end):
            if instant.utcoffset() != timedelta(0) or instant.microsecond:
                raise ValueError(f"a window needs aware UTC instants on whole seconds, not {instant!r}")
        if not timedelta(0) < self.end - self.start <= self.longest:
            hours = self.longest // timedelta(hours=1)
            raise ValueError(f"a {type(self).__name__.lower()} lasts up to {hours} hours, not {self.end - self.start}")

    def __contains__(self, instant: datetime) -> bool:
        return self.start <= instant < self.end

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%dT%H:%M:%SZ}/{self.end:%Y-%m-%dT%H:%M:%SZ}"

    @property
    def params(self) -> dict[str, int]:
        """`startDate` and `endDate` in Unix seconds.

        The API may include the end; such rows are cut off later. An end one second earlier would miss rows at
        23:59:59.6.
        """
        return {"startDate": int(self.start.timestamp()), "endDate": int(self.end.timestamp())}


@dataclass(frozen=True, order=True)
class Span(Window):
    """A span of a list request, which may hold several days."""

    longest: ClassVar[timedelta] = LONGEST_LIST


@dataclass(frozen=True)
class Day:
    """One local day: `key` is `YYYY-MM-DD`, `windows` are one, or two on a day of 25 hours, without a gap."""

    key: str
    timezone: str
    windows: tuple[Window, ...]

    @classmethod
    def of(cls, key: str, timezone: str = "UTC") -> Day:
        """The day of a partition key in a zone, 23 to 25 hours long; `ValueError` if the key is not a date."""
        day = date.fromisoformat(key)
        if day.isoformat() != key:
            raise ValueError(f"{key!r} is not a day; write YYYY-MM-DD")
        zone = ZoneInfo(timezone)
        start, end = _midnight(day, zone), _midnight(day + timedelta(days=1), zone)
        return cls(key, timezone, windows_between(start, end))

    @property
    def start(self) -> datetime:
        """First instant, aware UTC."""
        return self.windows[0].start

    @property
    def end(self) -> datetime:
        """First instant of the next day, aware UTC."""
        return self.windows[-1].end


def first_kept_day(now: datetime, timezone: str) -> date:
    """The first local day of `timezone` that the API still has completely at `now`, an aware instant.

    The API keeps six months (contract, "Batch jobs"); it is unknown whether by day or by instant, so the later of both
    is used.
    """
    now = now.astimezone(UTC)  # as the API does
    months = now.year * 12 + now.month - 1 - MONTHS_KEPT
    year, month = months // 12, months % 12 + 1
    oldest = now.replace(year=year, month=month, day=min(now.day, calendar.monthrange(year, month)[1]))
    zone = ZoneInfo(timezone)
    day = oldest.astimezone(zone).date()
    return day if _midnight(day, zone) >= oldest else day + timedelta(days=1)


def last_complete_day(now: datetime, timezone: str) -> date:
    """The last local day that is over: the API refuses windows that end in the future (contract, "Batch jobs")."""
    return now.astimezone(ZoneInfo(timezone)).date() - timedelta(days=1)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """First instant of a day, in UTC, also where clocks skip midnight."""
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


def windows_between(start: datetime, end: datetime) -> tuple[Window, ...]:
    """Windows of at most 24 hours from `start` to `end` (aware UTC, whole seconds), without a gap; none if empty."""
    return tuple(_split(start, end))


def _split(start: datetime, end: datetime) -> Iterator[Window]:
    while start < end:
        cut = min(start + LONGEST_WINDOW, end)
        yield Window(start, cut)
        start = cut
