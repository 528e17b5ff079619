"""The morning report of one business day: gathered from landed `transactions` and `sites`, written as one page.

It counts the landed rows itself, and what is landed of their states, with the functions that make the marts, instead of
reading the marts. So the figures are the same, `sonnys report` needs no mart to be made, and none of them can be older
than the rows: 36 days of 20 sites (600,000 rows) take a few seconds.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import duckdb
import pyarrow as pa

from sonnys_pipeline.calendar.business_days import SiteDay, partitions_needed
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, NotLandedError
from sonnys_pipeline.lake.landed_rows import landed_rows
from sonnys_pipeline.lake.sql import Rows
from sonnys_pipeline.lake.storage.folder import LakePath
from sonnys_pipeline.lake.transactions import ASSET as TRANSACTIONS
from sonnys_pipeline.lake.transactions import landed_sites
from sonnys_pipeline.marts.kpis import site_day_kpis, site_hour_kpis
from sonnys_pipeline.marts.mixes import discount_mix, tender_mix
from sonnys_pipeline.report.build import HISTORY_DAYS, Report, build_report
from sonnys_pipeline.report.caveats import Caveat
from sonnys_pipeline.report.findings import findings_of
from sonnys_pipeline.report.html import report_as_html
from sonnys_pipeline.report.measures import CARS, Gap, gaps_of

ASSET = "daily_report"
PAGE = "report.html"
#: At the end of a page, the note that `made_beside` reads is somewhere in these.
_NOTE_BYTES = 200
_SITES = "sites"
_DAY = timedelta(days=1)
#: Sites of a lake that has no list of them: names are codes, and days follow the pipeline's zone.
_NO_SITES = pa.table({name: pa.array([], pa.string()) for name in ("code", "name", "timezone")})


@dataclass(frozen=True)
class Page:
    """A report in its place.

    Attributes:
        path: of the page, `{root}/daily_report/date=YYYY-MM-DD/report.html`.
        size: in bytes.
    """

    path: LakePath
    size: int


def make_report(
    lake: Lake, business_date: date, *, timezone: str, made_at: datetime, account: str | None = None
) -> Report:
    """The report of a business day, as far as its sites' days are landed; what is not is named in it.

    Args:
        lake: where `transactions` and `sites` lie.
        business_date: local to each site.
        timezone: IANA name of the zone of the daily partitions, the pipeline's.
        made_at: now, aware.
        account: whose day it is, where there are several accounts; the title says so.

    Raises:
        NotLandedError: no row of the day is landed.
        LakeError: a file cannot be read.
    """
    lake = lake.snapshot()
    landed = _landed_days(lake)
    sites, unlisted = _sites(lake, account)
    days = [business_date - back * _DAY for back in range(HISTORY_DAYS)]
    needed = partitions_needed(days, sites, timezone)
    of_the_day = landed & _partitions_of(business_date, sites, timezone)
    if not of_the_day:
        raise NotLandedError(f"{TRANSACTIONS}: not landed: {business_date}; materialize it first")
    history = _rows(lake, landed & {*days, *(key for one in needed for key in one.partitions)})
    day = _rows(lake, of_the_day)
    with _readable(lake):
        mart = site_day_kpis(history, sites, days, landed=landed, timezone=timezone)
        hours, tenders, discounts = (
            count(day, sites, [business_date], landed=landed, timezone=timezone).table
            for count in (site_hour_kpis, tender_mix, discount_mix)
        )
        findings = [*unlisted, *findings_of(lake, business_date, of_the_day, timezone=timezone, now=made_at)]
    return build_report(
        business_date,
        site_days=mart.table,
        site_hours=hours,
        tenders=tenders,
        discounts=discounts,
        sites=sites,
        findings=findings,
        missing=[*_whole_days(days, landed), *gaps_of(mart.missing), *_sites_not_read(lake, needed, landed)],
        made_at=made_at,
        account=account,
    )


def land_report(lake: Lake, report: Report, *, beside: str = "") -> Page:
    """Write a report's page in its place, in one step; readable by owner and group.

    Args:
        lake: where the page goes.
        report: what it says.
        beside: digest of the mart's inputs before the rows were read, for `made_beside`; letters and digits.

    Raises:
        UnwritableLakeError: when the disk does not take it.
    """
    html = report_as_html(report) + (f"<!-- made beside {beside} -->\n" if beside else "")
    path = lake.land_page(ASSET, PAGE, html, partition=report.business_date.isoformat())
    return Page(path, len(html.encode()))


def made_beside(lake: Lake, day: str) -> str:
    """The digest that a day's page keeps; empty where it keeps none, or cannot be read: making it again is the remedy.

    `day` is the business date as YYYY-MM-DD.
    """
    page = lake.page(ASSET, PAGE, partition=day) or b""
    found = re.search(rb"<!-- made beside (\w+) -->\s*\Z", page[-_NOTE_BYTES:])
    return found[1].decode() if found else ""


def has_figures(report: Report) -> bool:
    """Whether any site's day could be counted."""
    return report.figures[CARS.key].value is not None


def partitions_lacking(lake: Lake, business_date: date, timezone: str) -> list[date]:
    """Partitions of `transactions` that have to be landed before every site's day is whole; its own is among them.

    Raises:
        LakeError: when the list of sites cannot be read.
    """
    sites, _ = _sites(lake, None)
    return sorted(_partitions_of(business_date, sites, timezone) - _landed_days(lake))


def last_complete_day(lake: Lake, timezone: str) -> date | None:
    """The latest business day whose partitions are all landed, with all sites; None where there is none.

    Raises:
        LakeError: when a file, or the list of sites, cannot be read.
    """
    lake = lake.snapshot()
    landed = {day for day in _landed_days(lake) if landed_sites(lake, day.isoformat()) is None}
    sites, _ = _sites(lake, None)
    complete = (day for day in sorted(landed, reverse=True) if _partitions_of(day, sites, timezone) <= landed)
    return next(complete, None)


def _partitions_of(business_date: date, sites: pa.Table, timezone: str) -> frozenset[date]:
    needed = partitions_needed([business_date], sites, timezone)
    return frozenset({business_date, *(key for one in needed for key in one.partitions)})


def _landed_days(lake: Lake) -> frozenset[date]:
    return frozenset(date.fromisoformat(key) for key in lake.partitions(TRANSACTIONS))


def _sites(lake: Lake, account: str | None) -> tuple[pa.Table, Sequence[Caveat]]:
    """The list of sites; and what to say, and to type, where it is not landed."""
    if lake.has(_SITES):
        return lake.read(_SITES, columns=["code", "name", "timezone"]), ()
    asset = f"{account}/{_SITES}" if account else _SITES
    said = (
        "The list of sites is not landed: sites go by their codes, and their days by the pipeline's zone. Land it: "
        f"dagster asset materialize -m sonnys_pipeline.definitions --select {asset}"
    )
    return _NO_SITES, (Caveat("warning", said),)


def _rows(lake: Lake, days: Collection[date]) -> Rows:
    return landed_rows(lake, [day.isoformat() for day in sorted(days)])


def _whole_days(days: Iterable[date], landed: Collection[date]) -> Iterator[Gap]:
    """Days whose own partition is not landed: nobody's day is whole then, those of unlisted sites included."""
    for day in days:
        if day not in landed:
            yield Gap(day, None, f"transactions of {day} are not landed")


def _sites_not_read(lake: Lake, needed: Iterable[SiteDay], landed: Collection[date]) -> Iterator[Gap]:
    """Days of sites that a partition was never read for: a file may hold the rows of some sites only."""
    partial = {day: sites for day in landed if (sites := landed_sites(lake, day.isoformat())) is not None}
    for one in needed:
        unread = [day for day in one.partitions if day in partial and one.site not in partial[day]]
        if unread:
            keys = ", ".join(day.isoformat() for day in unread)
            yield Gap(one.business_date, one.site, f"its transactions of {keys} are not landed")


@contextmanager
def _readable(lake: Lake) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise LakeError(
            f"{lake.root / TRANSACTIONS} cannot be read ({error}); materialize what is damaged again"
        ) from error
