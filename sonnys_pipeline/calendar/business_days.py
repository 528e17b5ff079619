"""Site-local business days, and which daily partitions each of them lies in (KPIS: "per site and business day").

A partition is a day of the pipeline's zone; a business day is one of its site's zone. A night that spans two partitions
is counted when both are landed, and reported as missing until then.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa

_DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)
_STRIDE = timedelta(hours=6)
#: Two local days overlap only within this many days of each other: zones lie 26 hours apart at most.
_REACH = 2


@dataclass(frozen=True)
class SiteZone:
    """A site that the site list knows, and whose days it counts.

    Attributes:
        site: its code; empty for the e-commerce site, as in `location_code`.
        timezone: IANA name that its business days follow.
        is_physical: whether it has a code and a zone of its own. Its closed days show as 0; the others show when they
            have rows.
    """

    site: str
    timezone: str
    is_physical: bool


@dataclass(frozen=True)
class SiteDay:
    """One site's business day, `[start, end)` in aware UTC, and the daily partitions that hold its rows."""

    site: str
    business_date: date
    timezone: str
    is_physical: bool
    start: datetime
    end: datetime
    partitions: tuple[date, ...]


@dataclass(frozen=True)
class MissingDay:
    """A business day that is not counted, since not all of its partitions are landed."""

    site: str
    business_date: date
    missing: tuple[date, ...]

    def __str__(self) -> str:
        """A sentence with the remedy."""
        days = ", ".join(day.isoformat() for day in self.missing)
        return f"{self.site or '(no code)'} {self.business_date}: transactions not landed: {days}; materialize first"


@dataclass(frozen=True)
class OffsetSpan:
    """While `[start, end)`, in aware UTC, clocks of a zone are `offset` ahead of UTC."""

    timezone: str
    start: datetime
    end: datetime
    offset: timedelta


def site_zones(sites: pa.Table, timezone: str) -> list[SiteZone]:
    """Each site with the zone of its business days: its own, or the pipeline's where it has none or an unknown one.

    Args:
        sites: rows of `sites`; the columns `code` and `timezone`.
        timezone: IANA name of the pipeline's zone.
    """
    found: dict[str, SiteZone] = {}
    for row in sites.select(["code", "timezone"]).to_pylist():
        code, own = row["code"] or "", row["timezone"] or ""
        usable = own if _is_zone(own) else None
        if code not in found or (usable and not found[code].is_physical and code):
            found[code] = SiteZone(code, usable or timezone, bool(code and usable))
    return [found[code] for code in sorted(found)]


def sites_without_zone(sites: pa.Table) -> list[str]:
    """Codes of sites whose zone is given and is none that is known here: their days follow the pipeline's zone."""
    rows = sites.select(["code", "timezone"]).to_pylist()
    return sorted(row["code"] or "" for row in rows if row["timezone"] and not _is_zone(row["timezone"]))


def partitions_needed(business_dates: Iterable[date], sites: pa.Table, timezone: str = "UTC") -> list[SiteDay]:
    """What has to be landed before a site's business day can be counted.

    Args:
        business_dates: the days wanted, in any order.
        sites: rows of `sites`; the columns `code` and `timezone`.
        timezone: IANA name of the zone of the daily partitions, the pipeline's.

    Returns:
        A `SiteDay` for each site and date, by date and site.
    """
    zones = site_zones(sites, timezone)
    return [_site_day(zone, day, timezone) for day in sorted(set(business_dates)) for zone in zones]


def complete_days(needed: Iterable[SiteDay], landed: Collection[date]) -> tuple[list[SiteDay], list[MissingDay]]:
    """Split days into those whose partitions are all landed, and those that lack some."""
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
    """How far clocks are ahead of UTC from `start` to `end`, zone by zone, without a gap.

    From Python's zone data, which also decides where partitions begin: two sets of zone data could put a row at the
    edge of a day into neither of two days.
    """
    return [span for name in sorted(set(timezones)) for span in _spans_of(name, start, end)]


def local_hours(day: SiteDay) -> dict[int, int]:
    """How many minutes each hour, 0 to 23, lasts on a site's day: 60, or 0 and 120 where clocks are changed."""
    if day.end - day.start == _DAY:
        return dict.fromkeys(range(24), 60)
    zone = ZoneInfo(day.timezone)
    minutes = dict.fromkeys(range(24), 0)
    at, step = day.start, timedelta(minutes=15)  # no zone in use changes its clocks by less
    while at < day.end:
        minutes[at.astimezone(zone).hour] += 15
        at += step
    return minutes


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, not a name at all, or a folder of zones
        return False
    return bool(name)


def _site_day(site: SiteZone, day: date, timezone: str) -> SiteDay:
    zone, pipeline = ZoneInfo(site.timezone), ZoneInfo(timezone)
    start, end = _midnight(day, zone), _midnight(day + _DAY, zone)
    first, last = start.astimezone(pipeline).date(), (end - _TICK).astimezone(pipeline).date()
    partitions = tuple(first + timedelta(days=shift) for shift in range((last - first).days + 1))
    return SiteDay(site.site, day, site.timezone, site.is_physical, start, end, partitions)


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins, in UTC; where clocks jump over midnight, that is the jump."""
    return datetime.combine(day, time.min, tzinfo=zone).astimezone(UTC)


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
    """The first second of the new offset; `before` has the old one, `after` the new one."""
    old = _offset(before, zone)
    while after - before > timedelta(seconds=1):
        middle = before + timedelta(seconds=(after - before) // timedelta(seconds=2))
        before, after = (middle, after) if _offset(middle, zone) == old else (before, middle)
    return after


def _offset(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).utcoffset() or timedelta()
