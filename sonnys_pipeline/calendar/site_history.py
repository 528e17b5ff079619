"""Codes and time zones of sites by validity: what a business day is counted with (KPIS, "Business days").

A table of sites has a row for each version of a site: `valid_from` (first business day; null: always) to `valid_to`
(first business day that no longer belongs to it; null: still valid). A table without these columns is one list that
is valid always. Outside the validity of its versions a site keeps the nearest one, so that no row is without a zone,
but its days without rows are not counted as 0.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from sonnys_pipeline.runtime.text import fold

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class SiteZone:
    """A site and the zone of its business days.

    Attributes:
        site: its code; empty for the e-commerce site, as in `location_code`.
        timezone: IANA name of its zone.
        is_physical: whether it has a code and a zone of its own. Days without rows count as 0 for physical sites and
            are omitted for others.
        key: what stays the same when the code changes.
    """

    site: str
    timezone: str
    is_physical: bool
    key: str = ""


@dataclass(frozen=True)
class SiteVersion:
    """A site from `valid_from` to before `valid_to`; `timezone` is empty if it has no valid one; `names` are folded."""

    key: str
    code: str
    timezone: str
    names: frozenset[str]
    valid_from: date
    valid_to: date

    def is_valid(self, day: date) -> bool:
        """Whether a business day is counted with it."""
        return self.valid_from <= day < self.valid_to


@dataclass(frozen=True)
class SiteSpan:
    """Rows whose folded code is `name`, in `[start, end)` UTC, are of `site` and fall on `last_date` at the latest."""

    name: str
    site: str
    timezone: str
    start: datetime | None
    end: datetime | None
    last_date: date


class SiteHistory:
    """The versions of all sites.

    Args:
        sites: rows of `sites`: `code` and `timezone`; `site`, `spellings`, `valid_from`, `valid_to` if it has them.
        timezone: the pipeline's zone, for sites without one.
    """

    def __init__(self, sites: pa.Table, timezone: str) -> None:
        self.timezone = timezone
        self._versions: dict[str, list[SiteVersion]] = {}
        for version in sorted(_versions_in(sites), key=lambda one: one.valid_from):
            self._versions.setdefault(version.key, []).append(version)
        for key in [key for key, versions in self._versions.items() if _lacks_zone(versions)]:
            del self._versions[key]
        edges = {edge for versions in self._versions.values() for one in versions for edge in _edges(one)}
        self._edges = sorted(edges - {date.min, date.max})
        self._on: dict[int, tuple[SiteZone, ...]] = {}

    @property
    def names(self) -> frozenset[str]:
        """Folded codes of all sites whose zone is known."""
        return frozenset(name for versions in self._versions.values() for one in versions for name in one.names)

    def names_of(self, key: str) -> frozenset[str]:
        """Folded codes that a site has had."""
        return frozenset(name for one in self._versions.get(key, ()) for name in one.names)

    def codes_on(self, day: date) -> dict[str, str]:
        """Folded code of any time → the code that its site has on a day; of sites that have had more than one."""
        found: dict[str, str] = {}
        for key, versions in self._versions.items():
            if len({one.code for one in versions}) > 1:
                code = self.nearest(key, day).code
                found |= {name: code for one in versions for name in one.names}
        return found

    def epoch(self, day: date) -> int:
        """A number that is the same for days with the same valid versions."""
        return bisect_right(self._edges, day)

    def on(self, day: date) -> tuple[SiteZone, ...]:
        """The sites of a business day, by code."""
        epoch = self.epoch(day)
        if epoch not in self._on:
            found = [self._zone(one) for versions in self._versions.values() if (one := _valid(versions, day))]
            self._on[epoch] = tuple(sorted(found, key=lambda site: site.site))
        return self._on[epoch]

    def others_on(self, day: date) -> list[SiteZone]:
        """Sites of other days: shown on this one if there are rows."""
        valid = {site.key for site in self.on(day)}
        found = [self._zone(self.nearest(key, day)) for key in self._versions if key not in valid]
        return [SiteZone(site.site, site.timezone, is_physical=False, key=site.key) for site in found]

    def nearest(self, key: str, day: date) -> SiteVersion:
        """The version that rows of a day are counted with: the last one that has begun, else the first."""
        return _nearest(self._versions[key], day)

    def end_zone(self, site: SiteZone, day: date) -> str:
        """Zone of the midnight at which a site's day ends: that of the next day."""
        if self.epoch(day) == self.epoch(day + _DAY):
            return site.timezone
        return self.nearest(site.key, day + _DAY).timezone or self.timezone

    def spans(self) -> list[SiteSpan]:
        """Which rows are of which site, for each spelling of a code; spans of a spelling do not overlap."""
        owners: dict[str, list[str]] = {}
        for key in self._versions:
            for name in self.names_of(key):
                owners.setdefault(name, []).append(key)
        spans = []
        for name, keys in owners.items():
            versions = [one for key in keys for one in self._versions[key] if len(keys) == 1 or name in one.names]
            spans += self._spans_of(name, sorted(versions, key=lambda one: one.valid_from))
        return spans

    def _spans_of(self, name: str, versions: Sequence[SiteVersion]) -> list[SiteSpan]:
        starts = sorted({one.valid_from for one in versions[1:]} - {versions[0].valid_from})
        bounds = [date.min, *starts, date.max]
        spans = []
        for first, after in pairwise(bounds):
            version = _nearest(versions, first)
            next_zone = next((one for one in versions if one.valid_from == after), version)
            spans.append(
                SiteSpan(
                    name,
                    version.code,
                    version.timezone or self.timezone,
                    None if first == date.min else midnight(first, version.timezone or self.timezone),
                    None if after == date.max else midnight(after, next_zone.timezone or self.timezone),
                    date.max if after == date.max else after - _DAY,
                )
            )
        return spans

    def _zone(self, version: SiteVersion) -> SiteZone:
        zone = version.timezone or self.timezone
        return SiteZone(version.code, zone, bool(version.code and version.timezone), version.key)


def is_zone(name: str) -> bool:
    """Whether a name is that of a time zone."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, invalid, or a directory of zones
        return False
    return bool(name)


def midnight(day: date, timezone: str) -> datetime:
    """First instant of a day, in UTC, also where clocks skip midnight."""
    return datetime.combine(day, time.min, tzinfo=ZoneInfo(timezone)).astimezone(UTC)


def names_listed(sites: pa.Table) -> tuple[frozenset[str], ...]:
    """The folded codes that each site of the present list has or had; without sites that have no code."""
    versions = _versions_in(sites)
    current = dict.fromkeys(one.key for one in versions if one.valid_to == date.max and one.code)
    return tuple(frozenset(name for one in versions if one.key == key for name in one.names) for key in current)


def columns_of_sites(names: Sequence[str]) -> list[str]:
    """The columns of `sites` that a history is made of, of those that a file has."""
    return [name for name in ("site", "code", "timezone", "spellings", "valid_from", "valid_to") if name in names]


def _versions_in(sites: pa.Table) -> list[SiteVersion]:
    return [_version(row) for row in sites.select(columns_of_sites(sites.column_names)).to_pylist()]


def _version(row: dict[str, Any]) -> SiteVersion:
    code, zone = row["code"] or "", row["timezone"] or ""
    # Sites without a code are one: their rows have nothing that tells them apart.
    key = (row.get("site") or fold(code)) if fold(code) else ""
    names = frozenset({fold(code), *map(fold, row.get("spellings") or ())})
    valid_from, valid_to = row.get("valid_from") or date.min, row.get("valid_to") or date.max
    return SiteVersion(key, code, zone if is_zone(zone) else "", names, valid_from, valid_to)


def _lacks_zone(versions: Sequence[SiteVersion]) -> bool:
    """Whether a site has been listed without a zone since it is new: it is not counted before its zone is known.

    A site of the first list that has no zone is a virtual one.
    """
    is_new = all(one.valid_from > date.min for one in versions)
    return is_new and bool(versions[0].code) and not any(one.timezone for one in versions)


def _valid(versions: Sequence[SiteVersion], day: date) -> SiteVersion | None:
    # A list may name one site in two spellings (contract, L7): the first one, unless only another has a zone.
    valid = [one for one in versions if one.is_valid(day)]
    return next((one for one in valid if one.timezone), valid[0] if valid else None)


def _nearest(versions: Sequence[SiteVersion], day: date) -> SiteVersion:
    begun = [one for one in versions if one.valid_from <= day]
    return _valid(versions, day) or (begun[-1] if begun else versions[0])


def _edges(version: SiteVersion) -> tuple[date, date]:
    return version.valid_from, version.valid_to
