"""Site-local business days, and the daily partitions that contain them (KPIS, "Business days").

A partition is a day of the pipeline's zone; a business day is one of its site's zone. A business day that spans two
partitions is counted when both are landed, and reported as missing until then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa

from sonnys_pipeline.calendar.site_history import SiteHistory, SiteZone, is_zone, midnight

_DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)
_STRIDE = timedelta(hours=6)
#: Distances of a business day's partitions from its date: zones are up to 26 hours apart.
NEAR = tuple(timedelta(days=shift) for shift in range(-2, 3))
#: Why the rows of a site are in no figure.
ZONE_UNKNOWN = "its rows are not counted, since its time zone is not known"


@dataclass(frozen=True)
class SiteDay:
    """One site's business day, `[start, end)` in aware UTC, and the daily partitions with its rows."""

    site: str
    business_date: date
    timezone: str
    is_physical: bool
    start: datetime
    end: datetime
    partitions: tuple[date, ...]
    key: str = ""


@dataclass(frozen=True)
class MissingDay:
    """A business day that is not counted: some of its partitions are not `missing`, or the site's zone is not known."""

    site: str
    business_date: date
    missing: tuple[date, ...]

    def __str__(self) -> str:
        if not self.missing:
            return f"{self.site} {self.business_date}: {ZONE_UNKNOWN}; {zone_remedy(self.site)}"
        days = ", ".join(day.isoformat() for day in self.missing)
        return f"{self.site or '(no code)'} {self.business_date}: transactions not landed: {days}; materialize first"


@dataclass(frozen=True)
class OffsetSpan:
    """A span `[start, end)`, in aware UTC, in which clocks of a zone are `offset` ahead of UTC."""

    timezone: str
    start: datetime
    end: datetime
    offset: timedelta


def zone_remedy(site: str) -> str:
    """How a person makes the zone of a site known."""
    return f"land `sites` when the API lists it, or say so: sonnys sites zone {site} ZONE"


def site_zones(sites: pa.Table, timezone: str) -> list[SiteZone]:
    """Each current site (`SiteHistory`) with its zone, or the pipeline's `timezone` if it has no valid one."""
    return list(SiteHistory(sites, timezone).on(date.max - _DAY))


def sites_without_zone(sites: pa.Table) -> list[str]:
    """Codes of sites with an unknown zone; their days follow the pipeline's zone."""
    rows = sites.select(["code", "timezone"]).to_pylist()
    return sorted({row["code"] or "" for row in rows if row["timezone"] and not is_zone(row["timezone"])})


def partitions_needed(
    business_dates: Iterable[date], sites: pa.Table | SiteHistory, timezone: str = "UTC"
) -> list[SiteDay]:
    """The partitions needed to count each site's business days, by date and site; arguments as for `SiteHistory`."""
    history = sites if isinstance(sites, SiteHistory) else SiteHistory(sites, timezone)
    return [
        site_day(site, day, history.end_zone(site, day), timezone)
        for day in sorted(set(business_dates))
        for site in history.on(day)
    ]


def site_days_at(now: datetime, sites: pa.Table, timezone: str = "UTC") -> dict[str, SiteDay]:
    """The business day that each site has at an aware instant, by its code; arguments as for `site_zones`."""
    dates = [now.date() + shift * _DAY for shift in range(-2, 3)]  # zones are up to 26 hours apart
    return {day.site: day for day in partitions_needed(dates, sites, timezone) if day.start <= now < day.end}


def complete_days(needed: Iterable[SiteDay], landed: Collection[date]) -> tuple[list[SiteDay], list[MissingDay]]:
    """Split days into those whose partitions are all landed, and the others."""
    there = frozenset(landed)
    complete: list[SiteDay] = []
    missing: list[MissingDay] = []
    for day in needed:
        if lacking := tuple(partition for partition in day.partitions if partition not in there):
            missing.append(MissingDay(day.site, day.business_date, lacking))
        else:
            complete.append(day)
    return complete, missing


def offset_spans(timezones: Iterable[str], start: datetime, end: datetime) -> list[OffsetSpan]:
    """UTC offsets of each zone from `start` to `end`, without a gap.

    Uses Python's zone data like the partitions: with two data sets, a row could fall between two days.
    """
    return [span for name in sorted(set(timezones)) for span in _spans_of(name, start, end)]


def local_hours(day: SiteDay) -> dict[int, int]:
    """Minutes of each hour, 0 to 23, on a site's day: 60, or 0 and 120 where clocks change."""
    if day.end - day.start == _DAY:
        return dict.fromkeys(range(24), 60)
    zone = ZoneInfo(day.timezone)
    minutes = dict.fromkeys(range(24), 0)
    at, step = day.start, timedelta(minutes=15)  # clocks change by multiples of this
    while at < day.end:
        minutes[at.astimezone(zone).hour] += 15
        at += step
    return minutes


def site_day(site: SiteZone, day: date, end_zone: str, timezone: str) -> SiteDay:
    """A site's business day, which ends at midnight of `end_zone`, and its partitions in the pipeline's `timezone`."""
    pipeline = ZoneInfo(timezone)
    start, end = midnight(day, site.timezone), midnight(day + _DAY, end_zone)
    first, last = start.astimezone(pipeline).date(), (end - _TICK).astimezone(pipeline).date()
    partitions = tuple(first + timedelta(days=shift) for shift in range((last - first).days + 1))
    return SiteDay(site.site, day, site.timezone, site.is_physical, start, end, partitions, site.key)


def _spans_of(name: str, start: datetime, end: datetime) -> Iterator[OffsetSpan]:
    zone = ZoneInfo(name)
    begun, at = start, start
    while at < end:
        ahead = min(at + _STRIDE, end)
        if _offset(ahead, zone) != _offset(at, zone):
            change = _change_between(at, ahead, zone)
            yield OffsetSpan(name, begun, change, _offset(at, zone))
            begun = change
        at = ahead
    if begun < end:
        yield OffsetSpan(name, begun, end, _offset(begun, zone))


def _change_between(before: datetime, after: datetime, zone: ZoneInfo) -> datetime:
    old = _offset(before, zone)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        before, after = (middle, after) if _offset(middle, zone) == old else (before, middle)
    return after


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()
