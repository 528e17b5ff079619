"""The figures of the day so far, by site and hour, beside those of the same weekday a week before (KT-04)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.incremental.inputs import MartInputs
from sonnys_pipeline.marts.so_far import site_hours_so_far
from sonnys_pipeline.report.build import natural
from sonnys_pipeline.report.measures import (
    CARS,
    CONVERSION,
    MEMBER_WASHES,
    NEW_MEMBERSHIPS,
    SALES,
    Change,
    Measure,
    Sums,
)
from sonnys_pipeline.today.accuracy import hours_so_far
from sonnys_pipeline.today.chain import Chain
from sonnys_pipeline.today.file import TodayFile
from sonnys_pipeline.today.state import TodayState

MEASURES = (CARS, SALES, MEMBER_WASHES, NEW_MEMBERSHIPS, CONVERSION)
_COLUMNS = tuple(dict.fromkeys(column for measure in MEASURES for column in measure.columns))
_WEEK = timedelta(weeks=1)


@dataclass(frozen=True)
class Line:
    """Figures of one site, of one of its hours, or of the chain.

    Attributes:
        sums: by column of `SITE_HOURS_SO_FAR`; `None` if nothing is known.
        same: of them, those of the sites that can be compared.
        before: the same weekday a week before, up to the same local time; `None` if it is not landed.
        compared, sites: how many sites `same` and `before` cover, and how many `sums` covers.
    """

    sums: Sums | None
    same: Sums | None
    before: Sums | None
    compared: int = 1
    sites: int = 1

    def value(self, measure: Measure) -> Decimal | None:
        """A figure; `None` if it is not known, or there is nothing to divide by."""
        return None if self.sums is None else measure.of(self.sums)

    def change(self, measure: Measure) -> Change:
        """It beside that of the week before."""
        value, base = (None if one is None else measure.of(one) for one in (self.same, self.before))
        return Change(measure.unit, value, base, self.compared, self.sites)


@dataclass(frozen=True)
class SiteToday:
    """One site.

    Attributes:
        business_date: its own.
        as_of: up to when it is read, in its own zone; `None` if this day was not read yet.
        reason: why it has no figures, or why they are not compared; empty if neither.
        hours: by local hour, from the first transaction of either day.
    """

    code: str
    name: str
    business_date: date
    as_of: datetime | None
    line: Line
    reason: str
    hours: Mapping[int, Line]


@dataclass(frozen=True)
class Today:
    """The day so far.

    Attributes:
        business_date: that of most sites.
        as_of: of the site that was read longest ago, in the pipeline's zone; `None` if none was read.
        problems: what the last look could not read, in sentences.
    """

    account: str | None
    business_date: date
    as_of: datetime | None
    sites: tuple[SiteToday, ...]
    total: Line
    hours: Mapping[int, Line]
    state: TodayState
    problems: tuple[str, ...] = ()

    @property
    def is_one_day(self) -> bool:
        """Whether all sites have the same business day; some are a day ahead after midnight."""
        return {site.business_date for site in self.sites} <= {self.business_date}

    @property
    def without_figures(self) -> tuple[SiteToday, ...]:
        """The sites that are not read yet."""
        return tuple(site for site in self.sites if site.as_of is None)


def figures_of(
    file: TodayFile,
    lake: Lake,
    *,
    timezone: str,
    now: datetime,
    account: str | None = None,
    problems: tuple[str, ...] = (),
) -> Today:
    """The figures of the file, counted as the marts count.

    Args:
        file: what looks have read.
        lake: landed days to compare with, and the list of sites.
        timezone: of the daily partitions.
        now: aware; decides which business day is the present one.
        account: the account's name, if there are several.
        problems: what the last look could not read.

    Raises:
        LakeError: landed files cannot be read.
    """
    chain = Chain.at(now, lake, timezone)
    today = _by_site(hours_so_far(file, chain))
    names = {row["code"] or "": row["name"] for row in chain.sites.to_pylist()}
    present = {code for code in names if code and fold(code) in chain.days}
    codes = sorted({*present, *today}, key=lambda code: natural(names.get(code) or code))
    read = {code: _read_until(file.state, chain, code) for code in codes}
    before = _Before(lake, chain, {code: at for code, at in read.items() if at is not None})
    sites = tuple(_site(code, names.get(code) or code or "No site code", chain, read, today, before) for code in codes)
    instants = [site.as_of for site in sites if site.as_of is not None]
    dates = [chain.day(code).business_date for code in codes]
    return Today(
        account=account,
        business_date=max(dates, key=dates.count, default=chain.usual.business_date),
        as_of=min(instants).astimezone(ZoneInfo(timezone)) if instants else None,
        sites=sites,
        total=_total([site.line for site in sites]),
        hours={
            hour: _total([site.hours.get(hour, _nothing(site)) for site in sites if site.as_of is not None])
            for hour in _span(hour for site in sites for hour in site.hours)
        },
        state=file.state,
        problems=problems,
    )


class _Before:
    """The same weekday of the week before, up to the same local time."""

    def __init__(self, lake: Lake, chain: Chain, read: Mapping[str, datetime]) -> None:
        until = {code: _week_before(at, chain.zone(code)) for code, at in read.items()}
        self._dates = {code: chain.day(code).business_date - _WEEK for code in read}
        inputs = MartInputs(lake, chain.timezone)
        days = sorted({day.isoformat() for day in self._dates.values()})
        mart = inputs.count(partial(site_hours_so_far, until=until), days)
        rows = (row for row in mart.table.to_pylist() if row["business_date"] == self._dates.get(row["site"]))
        self.hours = _by_site(rows)
        self._missing = {(one.site, one.business_date): one.missing for one in mart.missing}
        self._landed = inputs.partitions

    def reason(self, code: str) -> str:
        """Why a site cannot be compared; empty if it can."""
        day = self._dates[code]
        lacking = self._missing.get((code, day), () if day.isoformat() in self._landed else (day,))
        return f"transactions of {', '.join(map(str, lacking))} are not landed" if lacking else ""


def _site(
    code: str,
    name: str,
    chain: Chain,
    read: Mapping[str, datetime | None],
    today: Mapping[str, Mapping[int, Sums]],
    before: _Before,
) -> SiteToday:
    day, as_of = chain.day(code).business_date, read[code]
    if as_of is None:
        return SiteToday(code, name, day, None, Line(None, None, None, 0, 0), "not read yet today", {})
    reason = before.reason(code)
    own, other = today.get(code, {}), before.hours.get(code, {})
    hours = {
        hour: _line(own.get(hour, _ZEROS), None if reason else other.get(hour, _ZEROS))
        for hour in _span([*own, *other])
    }
    line = _line(_sum(own.values()), None if reason else _sum(other.values()))
    return SiteToday(code, name, day, as_of.astimezone(chain.zone(code)), line, reason, hours)


def _read_until(state: TodayState, chain: Chain, code: str) -> datetime | None:
    known = state.of_site(fold(code))
    return known.as_of if known is not None and known.covers(chain.day(code)) else None


def _week_before(at: datetime, zone: ZoneInfo) -> datetime:
    """The same time on the clock, seven days earlier."""
    local = at.astimezone(zone)
    return datetime.combine(local.date() - _WEEK, local.time(), tzinfo=zone).astimezone(UTC)


_ZEROS: Sums = dict.fromkeys(_COLUMNS, Decimal(0))


def _line(sums: Sums, before: Sums | None) -> Line:
    return Line(sums, None, None, compared=0) if before is None else Line(sums, sums, before)


def _nothing(site: SiteToday) -> Line:
    """An hour before the first or after the last one of a site."""
    return _line(_ZEROS, None if site.reason else _ZEROS)


def _total(lines: Iterable[Line]) -> Line:
    known = [line for line in lines if line.sums is not None]
    same = [line for line in known if line.before is not None]
    return Line(
        _sum(line.sums for line in known) if known else None,
        _sum(line.same for line in same) if same else None,
        _sum(line.before for line in same) if same else None,
        len(same),
        len(known),
    )


def _sum(parts: Iterable[Sums | None]) -> Sums:
    found = [part for part in parts if part is not None]
    return {column: sum((part[column] or Decimal(0) for part in found), Decimal(0)) for column in _COLUMNS}


def _span(hours: Iterable[int]) -> range:
    found = list(hours)
    return range(min(found), max(found) + 1) if found else range(0)


def _by_site(rows: Iterable[Mapping[str, Any]]) -> dict[str, dict[int, Sums]]:
    found: dict[str, dict[int, Sums]] = {}
    for row in rows:
        found.setdefault(row["site"], {})[row["hour"]] = {name: Decimal(row[name]) for name in _COLUMNS}
    return found
