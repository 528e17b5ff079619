"""A deterministic chain of car washes: ask it for the transactions of any period.

Belongs here: finding rows by time, site and id, the cache behind it, and edits made after the fact.
Does not belong here: the API around it (`server.py`), and what rows contain (`transactions.py`).
"""

from __future__ import annotations

import copy
import re
import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TypeAlias
from zoneinfo import ZoneInfo

from sonnys_pipeline.simulator.catalog import SiteSpec, chain_sites
from sonnys_pipeline.simulator.demand import DAY_MS, day_random, is_closed, local_day_times, utc_day_times
from sonnys_pipeline.simulator.row_parts import Row
from sonnys_pipeline.simulator.transactions import TransactionWriter

Entry: TypeAlias = tuple[int, str, Row]
"""A row with its sort key: (milliseconds since the epoch, id, row)."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY = date(2015, 1, 1)
"""The chain's oldest possible day; ids count from it."""
_IDS_PER_DAY = 1_000_000
_FIRST_LATE_ID = 900_000
_LAST_MS = 32_500_000_000_000  # in the year 2999
_CACHED_ROWS = 60_000
"""Bound of each cache, in rows; a row takes about 3 kB."""
_ID = re.compile(r"[0-9]{1,11}:[0-9]{1,4}")


class World:
    """The transactions of a simulated chain; equal arguments give equal rows, in whatever order they are asked for.

    Args:
        seed: chooses the chain's history.
        sites: how many physical sites; the first is MAIN in America/Chicago.
        rows_per_day: exactly so many rows over all sites in each UTC day, instead of what demand makes of the day.
            Maintenance days and December 25 do not apply then.
        midnight_row: exactly one row of each UTC day is at 00:00:00.000; needs `rows_per_day`.
        opened: first day of each site by code, or one date for all of them. Default: 2015-01-01.
        closed: days on which the whole chain has no rows (local days; UTC days with `rows_per_day`).
        virtual_site: also have the e-commerce site, whose code is "" and whose time zone is null.

    Raises:
        ValueError: arguments that contradict each other or are out of range.

    Thread-safe. Returned rows are shared with the cache: read them, do not change them.
    """

    def __init__(
        self,
        seed: int = 7,
        sites: int = 3,
        rows_per_day: int | None = None,
        *,
        midnight_row: bool = False,
        opened: Mapping[str, date] | date | None = None,
        closed: Collection[date] = (),
        virtual_site: bool = False,
    ) -> None:
        if rows_per_day is not None and not 0 <= rows_per_day < _FIRST_LATE_ID:
            raise ValueError(f"rows_per_day must be between 0 and {_FIRST_LATE_ID - 1}, got {rows_per_day!r}")
        if midnight_row and not rows_per_day:
            raise ValueError("midnight_row needs rows_per_day of at least 1")
        self.seed = seed
        self.sites = chain_sites(sites, virtual_site=virtual_site)
        self._by_code = {site.code: site for site in self.sites}
        self._rows_per_day = rows_per_day
        self._midnight_row = midnight_row
        openings = opened if isinstance(opened, Mapping) else dict.fromkeys(self._by_code, opened or _FIRST_DAY)
        if unknown := set(openings) - set(self._by_code):
            raise ValueError(f"opened names sites that do not exist: {sorted(unknown)}")
        self._opened = {code: max(openings.get(code, _FIRST_DAY), _FIRST_DAY) for code in self._by_code}
        self._closed = frozenset(closed)
        self._lock = threading.RLock()
        self._days: OrderedDict[tuple[str, date], list[Entry]] = OrderedDict()
        self._cached_rows = 0
        self._window_rows = 0
        self._windows: OrderedDict[tuple[int, int, frozenset[str]], Sequence[Entry]] = OrderedDict()
        self._late: dict[str, Entry] = {}
        self._edited: dict[str, Row] = {}

    def site(self, code: str) -> SiteSpec:
        """The site of that code.

        Raises:
            KeyError: the chain has no such site.
        """
        return self._by_code[code]

    def rows(self, start: datetime, end: datetime, site: str | None = None) -> Sequence[Row]:
        """The rows with `start <= completeDate <= end` (both ends included), sorted by completeDate and id.

        Args:
            start: aware.
            end: aware.
            site: a site's code; None takes all sites.

        Raises:
            ValueError: a naive datetime. KeyError: an unknown site.
        """
        codes = frozenset(self._by_code) if site is None else frozenset({self.site(site).code})
        return [entry[2] for entry in self.window(epoch_ms(start), epoch_ms(end), codes)]

    def day(self, site: str, local_date: date) -> Sequence[Row]:
        """The rows of one site's local business day, first instant included, next midnight excluded.

        Raises:
            KeyError: an unknown site.
        """
        zone = ZoneInfo(self.site(site).timezone or "UTC")
        start = datetime(local_date.year, local_date.month, local_date.day, tzinfo=zone)
        tomorrow = local_date + timedelta(days=1)
        end = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone)
        entries = self.window(epoch_ms(start), epoch_ms(end) - 1, frozenset({site}))
        return [entry[2] for entry in entries]

    def window(self, start_ms: int, end_ms: int, codes: frozenset[str]) -> Sequence[Entry]:
        """As `rows`, in epoch milliseconds and for a set of sites, with the sort keys."""
        key = (start_ms, end_ms, codes)
        with self._lock:
            if (known := self._windows.get(key)) is not None:
                self._windows.move_to_end(key)
                return known
            entries = self._collect(start_ms, end_ms, codes)
            self._windows[key] = entries
            self._window_rows += len(entries)
            while self._window_rows > _CACHED_ROWS and len(self._windows) > 1:
                self._window_rows -= len(self._windows.popitem(last=False)[1])
            return entries

    def find(self, transaction_id: str) -> Entry | None:
        """The row of that id, or None."""
        sequence, _, site_id = transaction_id.partition(":")
        if not _ID.fullmatch(transaction_id) or not 1 <= int(site_id) <= len(self.sites):
            return None
        with self._lock:
            if late := self._late.get(transaction_id):
                return (late[0], late[1], self._edited.get(late[1], late[2]))
            day = _FIRST_DAY + timedelta(days=int(sequence) // _IDS_PER_DAY)
            for epoch, known_id, row in self._site_day(self.sites[int(site_id) - 1], day):
                if known_id == transaction_id:
                    return (epoch, known_id, self._edited.get(known_id, row))
        return None

    def add_late_rows(self, at: datetime, count: int = 1, site: str | None = None) -> Sequence[str]:
        """Let `count` rows appear that were not there before, one millisecond apart from `at`; returns their ids.

        Args:
            at: the completeDate of the first, aware.
            count: how many.
            site: a site's code; None takes the first site.

        Raises:
            ValueError: a naive datetime. KeyError: an unknown site.
        """
        spec = self.sites[0] if site is None else self.site(site)
        first_ms = epoch_ms(at)
        ids = []
        with self._lock:
            for moment in range(first_ms, first_ms + count):
                day = _utc(moment).date()
                position = _FIRST_LATE_ID + len(self._late)
                writer = TransactionWriter(spec, day_random(self.seed, spec, day, f"late {position}"))
                row = writer.car(_stamp(moment), _sequence(day, position), position)
                self._late[row["id"]] = (moment, row["id"], row)
                ids.append(row["id"])
            self._forget_windows()
        return ids

    def edit_rows(self, start: datetime, end: datetime, count: int = 1) -> Sequence[str]:
        """Make the first `count` paid sales of a period, not edited before, one dollar dearer; returns their ids.

        The first item, the first tender and the total move together. Fewer are edited where there are fewer.

        Raises:
            ValueError: a naive datetime.
        """
        edited: list[str] = []
        with self._lock:
            for row in self.rows(start, end):
                if len(edited) == count:
                    break
                if row["type"] != "Sale" or row["total"] <= 0 or row["id"] in self._edited:
                    continue
                self._edited[row["id"]] = _one_dollar_dearer(row)
                edited.append(row["id"])
            self._forget_windows()
        return edited

    def forget_edits(self) -> None:
        """Take back all late and edited rows."""
        with self._lock:
            self._late.clear()
            self._edited.clear()
            self._forget_windows()

    def _forget_windows(self) -> None:
        self._windows.clear()
        self._window_rows = 0

    def _collect(self, start_ms: int, end_ms: int, codes: frozenset[str]) -> Sequence[Entry]:
        start, end = _utc(max(start_ms, 0)), _utc(min(end_ms, _LAST_MS))
        entries: list[Entry] = []
        for site in self.sites:
            if site.code not in codes:
                continue
            zone = UTC if self._rows_per_day is not None else ZoneInfo(site.timezone or "UTC")
            day = max(start.astimezone(zone).date(), self._opened[site.code])
            while day <= end.astimezone(zone).date():
                known = self._site_day(site, day)
                low = bisect_left(known, start_ms, key=_entry_ms)
                entries += known[low : bisect_right(known, end_ms, key=_entry_ms)]
                day += timedelta(days=1)
        for late in self._late.values():
            if start_ms <= late[0] <= end_ms and late[2]["locationCode"] in codes:
                entries.append(late)
        if self._edited:
            entries = [(ms, row_id, self._edited.get(row_id, row)) for ms, row_id, row in entries]
        entries.sort()
        return entries

    def _site_day(self, site: SiteSpec, day: date) -> Sequence[Entry]:
        """The rows of one site that belong to a day: the local day, or the UTC day with `rows_per_day`."""
        key = (site.code, day)
        if (known := self._days.get(key)) is not None:
            self._days.move_to_end(key)
            return known
        entries = self._generate(site, day)
        self._days[key] = entries
        self._cached_rows += len(entries)
        while self._cached_rows > _CACHED_ROWS and len(self._days) > 1:
            self._cached_rows -= len(self._days.popitem(last=False)[1])
        return entries

    def _generate(self, site: SiteSpec, day: date) -> list[Entry]:
        if day < self._opened[site.code] or day in self._closed:
            return []
        if self._rows_per_day is not None:
            cars, payments = self._fixed_times(site, day)
        elif is_closed(self.seed, site, day):
            return []
        else:
            cars, payments = local_day_times(self.seed, site, day)
        moments = sorted([(ms, False) for ms in cars] + [(ms, True) for ms in payments])
        writer = TransactionWriter(site, day_random(self.seed, site, day, "rows"))
        entries: list[Entry] = []
        for position, (moment, is_payment) in enumerate(moments, start=1):
            write = writer.payment if is_payment else writer.car
            row = write(_stamp(moment), _sequence(day, position), _ticket_number(day, position))
            entries.append((moment, row["id"], row))
        entries.sort()
        return entries

    def _fixed_times(self, site: SiteSpec, day: date) -> tuple[list[int], list[int]]:
        open_sites = [spec for spec in self.sites if day >= self._opened[spec.code]]
        shares = _apportion(self._rows_per_day or 0, [spec.cars_per_day for spec in open_sites])
        midnight_site = next(index for index, share in enumerate(shares) if share) if self._midnight_row else -1
        index = open_sites.index(site)
        if index != midnight_site:
            return utc_day_times(self.seed, site, day, shares[index])
        cars, payments = utc_day_times(self.seed, site, day, shares[index] - 1)
        return [*cars, (day - _EPOCH.date()).days * DAY_MS], payments


def epoch_ms(moment: datetime) -> int:
    """Whole milliseconds since the Unix epoch.

    Raises:
        ValueError: the datetime is naive.
    """
    if moment.tzinfo is None:
        raise ValueError(f"a datetime with a time zone is needed, got {moment!r}")
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _entry_ms(entry: Entry) -> int:
    return entry[0]


def _utc(moment_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=moment_ms)


def _stamp(moment_ms: int) -> str:
    """The wire form of a time. Arithmetic for the clock part: strftime would cost more than the rest of the row."""
    days, ms = divmod(moment_ms, DAY_MS)
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{_wire_date(days)}T{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.{ms:03d}Z"


@lru_cache(maxsize=512)
def _wire_date(days: int) -> str:
    return (_EPOCH + timedelta(days=days)).date().isoformat()


def _sequence(day: date, position: int) -> int:
    return (day - _FIRST_DAY).days * _IDS_PER_DAY + position


def _ticket_number(day: date, position: int) -> int:
    """The number on the receipt: starts over in a range of its own each day; the id, not this, is the key."""
    return (day - _FIRST_DAY).days * 1_000 + position


def _apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Split `total` by weights into whole numbers that add up to it (largest remainder)."""
    whole = sum(weights)
    shares = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: (-(total * weights[index] % whole), index))
    for index in by_remainder[: total - sum(shares)]:
        shares[index] += 1
    return shares


def _one_dollar_dearer(row: Row) -> Row:
    dearer = copy.deepcopy(row)
    item = next(item for item in dearer["items"] if not item["isVoided"])
    parts: Iterable[tuple[Row, str]] = (
        (dearer, "total"),
        (item, "gross"),
        (item, "net"),
        (dearer["tenders"][0], "amount"),
        (dearer["tenders"][0], "total"),
    )
    for part, name in parts:
        part[name] = round(part[name] + 1, 2)
    return dearer
