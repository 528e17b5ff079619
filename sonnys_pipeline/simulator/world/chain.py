"""A deterministic chain of car washes: the transactions of any period."""

from __future__ import annotations

import re
import threading
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from sonnys_pipeline.simulator.edits import Edit, Edits
from sonnys_pipeline.simulator.profile import Api
from sonnys_pipeline.simulator.world.accounts.days import EPOCH, utc
from sonnys_pipeline.simulator.world.catalog import SiteSpec, chain_sites
from sonnys_pipeline.simulator.world.history import Entry, History, day_of_sequence
from sonnys_pipeline.simulator.world.row_parts import Row

_LAST_MS = 32_500_000_000_000  # in the year 2999
_CACHED_ROWS = 60_000
"""Bound of each cache, in rows; a row takes about 3 kB."""
_ID = re.compile(r"[0-9]{1,11}:[0-9]{1,4}")


class World:
    """The transactions of a simulated chain; equal arguments give equal rows, in any order of queries.

    Args:
        seed: determines the history.
        sites: number of physical sites; the first is MAIN in America/Chicago.
        rows_per_day: exact number of rows over all sites in each UTC day, instead of simulated demand; maintenance days
            and December 25 do not apply then.
        midnight_row: exactly one row of each UTC day is at 00:00:00.000; needs `rows_per_day`.
        api: `live` has mixed-case site codes (L7), online terminals (L8), overpayments (L9) and `discountAmount` (L5).
        opened: first day of each site by code, or one date for all. Default: 2015-01-01.
        closed: days without rows, by site code or for the whole chain (local days; with `rows_per_day` UTC days, whose
            rows the other sites get).
        virtual_site: add the e-commerce site without time zone; its code is ECOMM in the live profile (the default
            there), else "".
        virtual_rows: whether the virtual site sells. Default: only in the documented profile.
        codeless_site: add a site without a code in `/site/list`, "Head Office". Default: only in the live profile.
        codeless_rows: whether that site sells, with the `locationCode` "".
        unlisted_site_rows: number of additional rows each UTC day at the site "Annex", which `/site/list` omits.
        accounts_per_site: members of each physical site with a code. Each has one account in 400 days, active for about
            half of them.

    Raises:
        ValueError: arguments are inconsistent or out of range.

    Attributes:
        sites: the listed sites, with codes as in rows.
        all_sites: also the unlisted one.
        books, prepaid_books: recurring accounts, washbooks and gift cards of each site that has some.

    Rows have all fields; live job rows omit flags and status (L4; see `lists.detail`).

    Thread-safe. Do not change returned rows: they are cached.
    """

    def __init__(  # one argument per field of `SimulatorConfig`
        self,
        seed: int = 7,
        sites: int = 3,
        rows_per_day: int | None = None,
        *,
        api: Api = "live",
        midnight_row: bool = False,
        opened: Mapping[str, date] | date | None = None,
        closed: Mapping[str, Collection[date]] | Collection[date] = (),
        virtual_site: bool | None = None,
        virtual_rows: bool | None = None,
        codeless_site: bool | None = None,
        codeless_rows: bool = False,
        unlisted_site_rows: int = 0,
        accounts_per_site: int = 1500,
    ) -> None:
        live = api == "live"
        if unlisted_site_rows < 0:
            raise ValueError(f"unlisted_site_rows must be 0 or more, got {unlisted_site_rows!r}")
        self.seed = seed
        self.all_sites = chain_sites(
            sites,
            api=api,
            virtual_site=live if virtual_site is None else virtual_site,
            virtual_rows=not live if virtual_rows is None else virtual_rows,
            codeless_site=(live if codeless_site is None else codeless_site) or codeless_rows,
            codeless_rows=codeless_rows,
            unlisted_site=unlisted_site_rows > 0,
        )
        self.sites = tuple(site for site in self.all_sites if site.is_listed)
        self._first_list = self.sites
        self._by_code = {site.code.casefold(): site for site in self.all_sites}
        self._new_codes: dict[str, str] = {}
        self.prices: dict[tuple[str, str], int | None] = {}
        self._history = History(
            seed,
            self.all_sites,
            rows_per_day=rows_per_day,
            midnight_row=midnight_row,
            opened=opened,
            closed=closed,
            live=live,
            unlisted_site_rows=unlisted_site_rows,
            accounts_per_site=accounts_per_site,
        )
        self.books = tuple(self._history.books.values())
        self.prepaid_books = tuple(self._history.prepaid_books.values())
        self._lock = threading.RLock()
        self._days: OrderedDict[tuple[str, date], list[Entry]] = OrderedDict()
        self._day_weight = 0
        self._window_weight = 0
        self._windows: OrderedDict[tuple[int, int, frozenset[str]], Sequence[Entry]] = OrderedDict()
        self._edits = Edits()

    def site(self, code: str) -> SiteSpec:
        """The site of that code, in any case; `KeyError` if unknown."""
        return self._by_code[code.casefold()]

    def rows(self, start: datetime, end: datetime, site: str | None = None) -> Sequence[Row]:
        """Rows with `start <= completeDate <= end`, of one site or all, sorted by completeDate and id.

        `ValueError` for naive datetimes, `KeyError` for an unknown site.
        """
        chosen = self.all_sites if site is None else (self.site(site),)
        codes = frozenset(self._new_codes.get(spec.code, spec.code) for spec in chosen)
        return [entry[2] for entry in self.window(epoch_ms(start), epoch_ms(end), codes)]

    def day(self, site: str, local_date: date) -> Sequence[Row]:
        """Rows of one site's local business day; `KeyError` for an unknown site."""
        zone = ZoneInfo(self.site(site).timezone or "UTC")
        start = datetime(local_date.year, local_date.month, local_date.day, tzinfo=zone)
        tomorrow = local_date + timedelta(days=1)
        end = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone)
        code = self.site(site).code
        entries = self.window(epoch_ms(start), epoch_ms(end) - 1, frozenset({self._new_codes.get(code, code)}))
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
            self._window_weight += _weight(entries)
            while self._window_weight > _CACHED_ROWS and len(self._windows) > 1:
                self._window_weight -= _weight(self._windows.popitem(last=False)[1])
            return entries

    def find(self, transaction_id: str) -> Entry | None:
        """The row of that id, or None."""
        sequence, _, site_id = transaction_id.partition(":")
        if not _ID.fullmatch(transaction_id) or not 1 <= int(site_id) <= len(self.all_sites):
            return None
        with self._lock:
            found = self._found(transaction_id, int(sequence), int(site_id))
            return None if found is None else self._with_new_code(found)

    def _found(self, transaction_id: str, sequence: int, site_id: int) -> Entry | None:
        if transaction_id in self._edits:
            return self._edits.get(transaction_id)
        entries = self._site_day(self.all_sites[site_id - 1], day_of_sequence(sequence))
        return next((entry for entry in entries if entry[1] == transaction_id), None)

    def add_late_rows(self, at: datetime, count: int = 1, site: str | None = None) -> Sequence[str]:
        """Add `count` new rows, one millisecond apart from `at`, at a site (default: the first); returns their ids.

        `ValueError` for a naive datetime, `KeyError` for an unknown site.
        """
        spec = self.sites[0] if site is None else self.site(site)
        first_ms = epoch_ms(at)
        ids = []
        with self._lock:
            for moment in range(first_ms, first_ms + count):
                late = self._history.write_late_row(spec, moment, self._edits.late_count)
                self._edits.add(late)
                ids.append(late[1])
            self._forget_windows()
        return ids

    def edit_rows(  # what, which rows, and how far
        self,
        start: datetime,
        end: datetime,
        count: int = 1,
        *,
        edit: Edit = Edit.TOTAL,
        by: timedelta = timedelta(days=1),
        site: str | None = None,
    ) -> Sequence[str]:
        """Edit the first `count` paid, completed sales of a period that were not edited before; returns their ids.

        `by`: how far a `MOVE` moves them. `ValueError` for naive datetimes, `KeyError` for an unknown site.
        """
        edited: list[str] = []
        with self._lock:
            for row in self.rows(start, end, site):
                if len(edited) == count:
                    break
                is_usual = row["type"] == "Sale" and row.get("transactionStatus", "Completed") == "Completed"
                if not is_usual or row["total"] <= 0 or row["id"] in self._edits:
                    continue
                self._edits.apply((_instant_ms(row), row["id"], row), edit, by)
                edited.append(row["id"])
            self._forget_windows()
        return edited

    def list_sites(self, sites: Iterable[SiteSpec]) -> None:
        """Replace what `/site/list` lists; rows stay as they are. Sites may have other names, zones and numbers."""
        with self._lock:
            self.sites = tuple(sites)

    def set_price(self, item: str, cents: int | None, site: str | None = None) -> None:
        """Give an item another price in `/item`, at one site or at all; None: it is no longer listed.

        Sales stay as they are.
        """
        with self._lock:
            codes = [one.code for one in self.all_sites if site is None or one.code == site]
            self.prices |= {(code, item): cents for code in codes}

    def rename_site(self, code: str, new_code: str) -> None:
        """Give a site another code, in the list and in all rows. `KeyError` for an unknown site.

        Edit rows before, since an edited row keeps the code that it had.
        """
        with self._lock:
            old = self.site(code)
            self._new_codes[old.code] = new_code
            self._by_code[new_code.casefold()] = old
            self.sites = tuple(replace(one, code=new_code) if one.code == code else one for one in self.sites)
            self._forget_windows()

    def edit_row(self, transaction_id: str, edit: Edit, by: timedelta = timedelta(days=1)) -> None:
        """Edit one row, also one that was edited before; `KeyError` if there is none of that id."""
        with self._lock:
            if (entry := self.find(transaction_id)) is None:
                raise KeyError(transaction_id)
            self._edits.apply(entry, edit, by)
            self._forget_windows()

    def forget_edits(self) -> None:
        """Undo all late rows and edits, and changes of sites and prices."""
        with self._lock:
            self._edits.clear()
            self._new_codes.clear()
            self.prices.clear()
            self.sites = self._first_list
            self._forget_windows()

    def _forget_windows(self) -> None:
        self._windows.clear()
        self._window_weight = 0

    def _collect(self, start_ms: int, end_ms: int, codes: frozenset[str]) -> Sequence[Entry]:
        start, end = utc(max(start_ms, 0)), utc(min(end_ms, _LAST_MS))
        entries: list[Entry] = []
        for site in self.all_sites:
            if self._new_codes.get(site.code, site.code) not in codes or not site.has_rows:
                continue
            for day in self._history.days(site, start, end):
                known = self._site_day(site, day)
                low = bisect_left(known, start_ms, key=_entry_ms)
                entries += known[low : bisect_right(known, end_ms, key=_entry_ms)]
        own = frozenset(site.code for site in self.all_sites if self._new_codes.get(site.code, site.code) in codes)
        entries = list(self._edits.merged(entries, start_ms, end_ms, own))
        if self._new_codes:
            entries = [self._with_new_code(entry) for entry in entries]
        return sorted(entries, key=_sort_key)

    def _with_new_code(self, entry: Entry) -> Entry:
        epoch, row_id, row = entry
        code = self._new_codes.get(row["locationCode"])
        return entry if code is None else (epoch, row_id, {**row, "locationCode": code})

    def _site_day(self, site: SiteSpec, day: date) -> Sequence[Entry]:
        """Rows of one site and day: a local day, or a UTC day with `rows_per_day`."""
        key = (site.code, day)
        if (known := self._days.get(key)) is not None:
            self._days.move_to_end(key)
            return known
        entries = self._history.write_day(site, day)
        self._days[key] = entries
        self._day_weight += _weight(entries)
        while self._day_weight > _CACHED_ROWS and len(self._days) > 1:
            self._day_weight -= _weight(self._days.popitem(last=False)[1])
        return entries


def epoch_ms(moment: datetime) -> int:
    """Whole milliseconds since the Unix epoch; `ValueError` for a naive datetime."""
    if moment.tzinfo is None:
        raise ValueError(f"a datetime with a time zone is needed, got {moment!r}")
    return (moment - EPOCH) // timedelta(milliseconds=1)


def _weight(entries: Sequence[Entry]) -> int:
    """Size in a cache; empty days and windows count too."""
    return len(entries) + 1


def _entry_ms(entry: Entry) -> int:
    return entry[0]


def _sort_key(entry: Entry) -> tuple[int, str]:
    return entry[0], entry[1]


def _instant_ms(row: Row) -> int:
    return epoch_ms(datetime.fromisoformat(row["completeDate"]))
