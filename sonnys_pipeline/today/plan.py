"""Which rows a look reads, and what looking costs (KT-04).

A load job names one site on keys of several sites, and costs two requests for a page of 100 rows, full or not. So:
- a site's span reaches back as far as one page has room for, which finds late rows for nothing;
- while most sites are quiet (the last look found nothing new there), at night, one list over all of them tells which
  have news, by the sales device in the ids; the others are not read;
- where that is not possible, a quiet site is counted first, at one request instead of two;
- a look never plans more than its share of what the budget has held since the look before. If not every site fits, the
  sites that were read longest ago come first.
Lists cannot replace load jobs: they have neither items, so no cars, nor the site.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from sonnys_pipeline.calendar.business_days import SiteDay
from sonnys_pipeline.calendar.windows import Day, windows_between
from sonnys_pipeline.client import RequestRate
from sonnys_pipeline.client.resource import PAGE_SIZE
from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.today.state import ALL_SITES, TodayState

#: Seconds between looks, unless `SONNYS_TODAY_EVERY` says otherwise.
EVERY = 600.0
#: What each span reads again at least, for rows that come late.
OVERLAP = timedelta(minutes=15)
#: Known rows that a span reads again at most beyond that; the rest of the page is for new ones.
PAGE_ROOM = 70
#: The API refuses a span that ends in its future, and its clock need not be ours.
CLOCK_MARGIN = timedelta(seconds=30)
#: Rows of a site in an hour, for estimates: 800 in 14 hours.
ROWS_AN_HOUR = 57
OPEN_HOURS = 14.0


@dataclass(frozen=True)
class SiteSpan:
    """The span `[start, end)` (aware UTC) that a look reads of a site.

    Attributes:
        site: its code for load jobs; `None` for all sites at once.
        day: its business day.
        held: rows of the span that are in the file.
        as_of: how far it was read before; `None` if this day was not read yet.
        quiet: whether the look before found nothing new.
    """

    site: str | None
    day: SiteDay
    start: datetime
    end: datetime
    held: int
    as_of: datetime | None
    quiet: bool

    @property
    def key(self) -> str:
        """Of the site in `TodayState.sites`."""
        return ALL_SITES if self.site is None else fold(self.site)

    @property
    def request(self) -> DayRequest:
        """What the loader is to load."""
        windows = windows_between(self.start, self.end)
        day = Day(self.day.business_date.isoformat(), self.day.timezone, windows)
        return DayRequest(day, sites=() if self.site is None else (self.site,))

    @property
    def cost(self) -> int:
        """Requests that reading it takes, by estimate."""
        gap = self.end - (self.as_of or self.start)
        return 2 * max(1, ceil((self.held + gap / timedelta(hours=1) * ROWS_AN_HOUR) / PAGE_SIZE))

    @property
    def params(self) -> dict[str, int]:
        """`startDate` and `endDate` of the span, for lists."""
        return {"startDate": int(self.start.timestamp()), "endDate": int(self.end.timestamp())}


def spans(
    codes: Sequence[str | None],
    days: Mapping[str, SiteDay],
    usual: SiteDay,
    state: TodayState,
    held: Mapping[str, Sequence[datetime]],
    now: datetime,
) -> list[SiteSpan]:
    """The span of each site, those that were read longest ago first.

    Args:
        codes: the sites that load jobs name; `[None]` if they name none.
        days: each site's present business day, by folded code.
        usual: that of a site without a zone.
        state: of the file.
        held: by site key, the instants of its rows in the file, in order.
        now: aware.
    """
    end = (now - CLOCK_MARGIN).replace(microsecond=0)
    found = []
    for code in codes:
        day = usual if code is None else days.get(fold(code), usual)
        key = ALL_SITES if code is None else fold(code)
        known = state.sites.get(key)
        as_of = known.as_of if known is not None and known.covers(day) else None
        instants = held.get(key, ())
        start = day.start if as_of is None else max(day.start, _begin(as_of, instants))
        if start < end:
            count = len(instants) - bisect_left(instants, start)
            quiet = known is not None and as_of is not None and known.quiet
            found.append(SiteSpan(code, day, start, end, count, as_of, quiet))
    return sorted(found, key=lambda span: (span.as_of or span.day.start, span.key))


def _begin(as_of: datetime, instants: Sequence[datetime]) -> datetime:
    """Where a span begins: at the overlap, or earlier as far as a page has room for rows that are held."""
    room = instants[-PAGE_ROOM] if len(instants) >= PAGE_ROOM else as_of - timedelta(days=1)
    return min(as_of - OVERLAP, room).replace(microsecond=0)


def within(spans: Sequence[SiteSpan], allowance: float) -> Iterator[SiteSpan]:
    """The first spans that an allowance of requests pays for; one at least."""
    spent = 0
    for span in spans:
        cost = 1 if span.quiet else span.cost
        if spent and spent + cost > allowance:
            return
        spent += cost
        yield span


def allowance(rate: RequestRate, share: float, seconds: float) -> float:
    """Requests that are the share of what the budget holds in so many seconds."""
    return share * rate.requests / rate.seconds * seconds


@dataclass(frozen=True)
class Price:
    """What looking costs.

    Attributes:
        sites: how many there are.
        a_look: requests of a look in opening hours.
        a_day: requests of a whole day.
        of_budget: `a_day` as a fraction of what the budget holds in a day.
        minutes: from one read of a site to the next; `None` if the share is too small to keep up.
    """

    sites: int
    a_look: int
    a_day: int
    of_budget: float
    minutes: float | None


def price(sites: int, every: float = EVERY, rate: RequestRate | None = None, share: float = 0.05) -> Price:
    """The price of looks every `every` seconds, for sites of 800 rows in 14 open hours.

    In open hours each read is a load job of its own for each site, of as few pages as the time between two reads of a
    site allows; in closed hours a look is one count.
    """
    rate = rate or RequestRate()
    most = allowance(rate, share, every)
    whole_day = 86_400 / every
    for looks in range(1, ceil(whole_day) + 1):
        hours = looks * every / 3600
        pages = ceil(ROWS_AN_HOUR * (hours + OVERLAP / timedelta(hours=1)) / PAGE_SIZE)
        a_look = ceil(sites / looks) * 2 * pages
        if a_look <= most or (sites == 1 and looks == 1):
            minutes: float | None = looks * every / 60
            break
    else:
        a_look, minutes = int(most), None
    open_looks = OPEN_HOURS * 3600 / every
    a_day = round(a_look * open_looks + whole_day - open_looks)
    return Price(sites, a_look, a_day, a_day / (86_400 * rate.requests / rate.seconds), minutes)
