"""Generates the rows of each site and day, deterministically."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache, partial
from typing import TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from sonnys_pipeline.simulator.world.accounts.book import AccountBook, account_book
from sonnys_pipeline.simulator.world.accounts.days import EPOCH, SiteDays, utc
from sonnys_pipeline.simulator.world.accounts.prepaid import PrepaidBook, prepaid_book
from sonnys_pipeline.simulator.world.catalog import SiteSpec
from sonnys_pipeline.simulator.world.demand import DAY_MS, FIRST_DAY, day_random, local_day_times, utc_day_times
from sonnys_pipeline.simulator.world.row_parts import Row
from sonnys_pipeline.simulator.world.transactions import TransactionWriter

_Chosen = TypeVar("_Chosen")
Entry: TypeAlias = tuple[int, str, Row]
"""A row with its sort key: (milliseconds since the epoch, id, row)."""

Occasion: TypeAlias = tuple[int, Callable[[str, int, int], Row]]
"""Milliseconds since the epoch, and what writes the row of wire time, id's first half and ticket number."""

MAX_ROWS_PER_DAY = 899_999
_IDS_PER_DAY = 1_000_000
_FIRST_LATE_ID = MAX_ROWS_PER_DAY + 1


class History:
    """Writes days: UTC days with `rows_per_day` and for the unlisted site, else local days; arguments as in `World`.

    Physical sites with a code have accounts, whose sign-ups and charges are plan sales and recurring payments, and
    washbooks and gift cards, which are sold and used. With `rows_per_day`, which may be fewer than that needs, some of
    it has no row.
    """

    def __init__(  # the keywords are arguments of `World`
        self,
        seed: int,
        sites: Sequence[SiteSpec],
        *,
        rows_per_day: int | None,
        midnight_row: bool,
        opened: Mapping[str, date] | date | None,
        closed: Mapping[str, Collection[date]] | Collection[date],
        live: bool = True,
        unlisted_site_rows: int = 0,
        accounts_per_site: int = 1500,
    ) -> None:
        if rows_per_day is not None and not 0 <= rows_per_day <= MAX_ROWS_PER_DAY:
            raise ValueError(f"rows_per_day must be between 0 and {MAX_ROWS_PER_DAY}, got {rows_per_day!r}")
        if midnight_row and not rows_per_day:
            raise ValueError("midnight_row needs rows_per_day of at least 1")
        openings: Mapping[str, date | None] = _by_site("opened", opened, sites)
        closings: Mapping[str, Collection[date] | None] = _by_site("closed", closed, sites)
        self._seed = seed
        self._sites = sites
        self._rows_per_day = rows_per_day
        self._midnight_row = midnight_row
        self._live = live
        self._members = accounts_per_site
        self._unlisted_site_rows = unlisted_site_rows
        self._days = {
            site.code: SiteDays(
                seed,
                site,
                opened=max(openings[site.code] or FIRST_DAY, FIRST_DAY),
                closed=frozenset(closings[site.code] or ()),
                in_utc=rows_per_day is not None or not site.is_listed,
            )
            for site in sites
        }
        self.books: dict[str, AccountBook] = {
            site.code: account_book(seed, self._days[site.code], accounts_per_site)
            for site in sites
            if site.timezone and site.code and site.is_listed
        }
        self.prepaid_books: dict[str, PrepaidBook] = {code: prepaid_book(seed, self._days[code]) for code in self.books}

    def days(self, site: SiteSpec, start: datetime, end: datetime) -> Sequence[date]:
        """The site's days with rows between two instants, both included."""
        zone: tzinfo = UTC if self._rows_per_day is not None else ZoneInfo(site.timezone or "UTC")
        first = max(start.astimezone(zone).date(), self._days[site.code].opened)
        last = end.astimezone(zone).date()
        return [first + timedelta(days=offset) for offset in range((last - first).days + 1)]

    def write_day(self, site: SiteSpec, day: date) -> list[Entry]:
        """The rows of a day, sorted."""
        if not self._days[site.code].is_open(day):
            return []
        writer = self._writer(site, day, "rows")
        entries: list[Entry] = []
        for position, (moment, write) in enumerate(sorted(self._occasions(site, day, writer), key=_first), start=1):
            row = write(stamp(moment), _sequence(day, position), _ticket_number(day, position))
            entries.append((moment, row["id"], row))
        entries.sort(key=_key)
        return entries

    def _occasions(self, site: SiteSpec, day: date, writer: TransactionWriter) -> Sequence[Occasion]:
        """When rows are made on a day, and what writes each."""
        if not site.is_listed:
            cars, payments = utc_day_times(self._seed, site, day, self._unlisted_site_rows)
        elif self._rows_per_day is not None:
            cars, payments = self._fixed_times(site, day, self._rows_per_day)
        else:
            cars, payments = local_day_times(self._seed, site, day)
        if writer.agenda is None:
            return [(ms, writer.car) for ms in cars] + [(ms, writer.payment) for ms in payments]
        sign_ups, charges, _ = writer.agenda
        sold, used = self.prepaid_books[site.code].day(day)
        if self._rows_per_day is not None:
            most = (len(cars) + len(payments)) // 20
            sign_ups, sold, used, charges = sign_ups[:most], sold[:most], used[:most], charges[: len(payments)]
            # The others are cars, also those that would be payments without accounts.
            cars += payments[len(charges) :]
        agreed: list[Occasion] = [(ms, partial(writer.plan_sale, account)) for ms, account in sign_ups]
        agreed += [(ms, partial(writer.prepaid_sale, item)) for ms, item in sold]
        agreed += [(ms, partial(writer.prepaid_use, item, wash)) for ms, item, wash in used]
        taken = len(agreed)
        agreed += [(ms, partial(writer.charge, account)) for ms, account in charges]
        return [(ms, writer.car) for ms in cars[taken:]] + agreed

    def write_late_row(self, site: SiteSpec, moment_ms: int, number: int) -> Entry:
        """The `number`-th late row (from 0)."""
        day = utc(moment_ms).date()
        position = _FIRST_LATE_ID + number
        writer = self._writer(site, day, f"late {number}")
        row = writer.car(stamp(moment_ms), _sequence(day, position), _ticket_number(day, position))
        return (moment_ms, row["id"], row)

    def _writer(self, site: SiteSpec, day: date, purpose: str) -> TransactionWriter:
        book = self.books.get(site.code)
        agenda = None if book is None else book.agenda(day)
        return TransactionWriter(
            site, day_random(self._seed, site, day, purpose), live=self._live, agenda=agenda, members=self._members
        )

    def _fixed_times(self, site: SiteSpec, day: date, count: int) -> tuple[list[int], list[int]]:
        open_sites = [spec for spec in self._sites if spec.is_listed and self._days[spec.code].is_open(day)]
        shares = _apportion(count, [spec.cars_per_day for spec in open_sites])
        midnight_site = next(index for index, share in enumerate(shares) if share) if self._midnight_row else -1
        index = open_sites.index(site)
        if index != midnight_site:
            return utc_day_times(self._seed, site, day, shares[index])
        cars, payments = utc_day_times(self._seed, site, day, shares[index] - 1)
        return [*cars, (day - EPOCH.date()).days * DAY_MS], payments


def _by_site(
    name: str, chosen: Mapping[str, _Chosen] | _Chosen | None, sites: Sequence[SiteSpec]
) -> dict[str, _Chosen | None]:
    """Values by site code, from one value for all or a mapping by code in any case."""
    codes = {site.code.casefold(): site.code for site in sites}
    if not isinstance(chosen, Mapping):
        return dict.fromkeys(codes.values(), chosen)
    given = {code.casefold(): value for code, value in chosen.items()}
    if unknown := set(given) - set(codes):
        raise ValueError(f"{name} names sites that do not exist: {sorted(unknown)}")
    return {code: given.get(key) for key, code in codes.items()}


def _first(occasion: Occasion) -> int:
    return occasion[0]


def _key(entry: Entry) -> tuple[int, str]:
    return entry[0], entry[1]


def day_of_sequence(sequence: int) -> date:
    """The day of an id's first half."""
    return FIRST_DAY + timedelta(days=sequence // _IDS_PER_DAY)


def _sequence(day: date, position: int) -> int:
    return (day - FIRST_DAY).days * _IDS_PER_DAY + position


def _ticket_number(day: date, position: int) -> int:
    """The number on the receipt; not unique, unlike the id."""
    return (day - FIRST_DAY).days * 1_000 + position


def stamp(moment_ms: int) -> str:
    """The wire form of a time; strftime would cost more than the rest of the row."""
    days, ms = divmod(moment_ms, DAY_MS)
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    return f"{_wire_date(days)}T{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}.{ms:03d}Z"


@lru_cache(maxsize=512)
def _wire_date(days: int) -> str:
    return (EPOCH + timedelta(days=days)).date().isoformat()


def _apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Split `total` by weights into integers (largest remainder)."""
    whole = sum(weights)
    shares = [total * weight // whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: (-(total * weights[index] % whole), index))
    for index in by_remainder[: total - sum(shares)]:
        shares[index] += 1
    return shares
