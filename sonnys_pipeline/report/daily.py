"""Make the morning report of one business day from landed `transactions`, states and `sites`, and write its page.

It counts the landed rows with the functions that make the marts, instead of reading the marts: so `sonnys report` needs
no mart, and no figure is older than the rows. 36 days of 20 sites (600,000 rows) take a few seconds.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.calendar.business_days import SiteDay, partitions_needed
from sonnys_pipeline.calendar.site_history import SiteHistory
from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, NotLandedError
from sonnys_pipeline.lake.landed_rows import landed_rows
from sonnys_pipeline.lake.sql import Rows
from sonnys_pipeline.lake.storage.folder import LakePath
from sonnys_pipeline.lake.transactions import ASSET as TRANSACTIONS
from sonnys_pipeline.lake.transactions import is_whole, landed_sites
from sonnys_pipeline.landing.verified import verifications
from sonnys_pipeline.marts.kpis import site_day_kpis, site_hour_kpis
from sonnys_pipeline.marts.mixes import discount_mix, tender_mix
from sonnys_pipeline.report.build import HISTORY_DAYS, Report, build_report
from sonnys_pipeline.report.caveats import Caveat
from sonnys_pipeline.report.findings import findings_of
from sonnys_pipeline.report.html import report_as_html
from sonnys_pipeline.report.measures import CARS, NOT_THERE, Gap, gaps_of
from sonnys_pipeline.runtime.text import first_few

ASSET = "daily_report"
PAGE = "report.html"
#: The digest that `inputs_digest_of` reads is in the last bytes of a page.
_NOTE_BYTES = 200
_SITES = "sites"
_DAY = timedelta(days=1)
#: Days that a business day may end after its date, by the pipeline's clock.
_FARTHEST = 4
#: Days named in one sentence.
_NAMED = 5
#: An empty list of sites.
_NO_SITES = pa.table({name: pa.array([], pa.string()) for name in ("code", "name", "timezone")})


@dataclass(frozen=True)
class Page:
    """A written page: `{root}/daily_report/date=YYYY-MM-DD/report.html`, and its size in bytes."""

    path: LakePath
    size: int


def make_report(
    lake: Lake,
    business_date: date,
    *,
    timezone: str,
    made_at: datetime,
    account: str | None = None,
    instead_of: date | None = None,
) -> Report:
    """The report of a business day; it names what is not landed.

    Args:
        lake: the lake with `transactions` and `sites`.
        business_date: local to each site.
        timezone: IANA name of the zone of the daily partitions.
        made_at: now, aware.
        account: name of the account for the title, if there are several.
        instead_of: the later day that a reader expects and that is not complete; the report says what it lacks.

    Raises:
        NotLandedError: no row of the day is landed.
        LakeError: a file cannot be read.
    """
    lake = lake.snapshot()
    return lake.consistently(
        lambda: _report(lake, business_date, timezone=timezone, made_at=made_at, account=account, instead_of=instead_of)
    )


def _report(
    lake: Lake, business_date: date, *, timezone: str, made_at: datetime, account: str | None, instead_of: date | None
) -> Report:
    landed = _landed_days(lake)
    sites, unlisted = _sites(lake, account)
    history = SiteHistory(sites, timezone)
    days = [business_date - back * _DAY for back in range(HISTORY_DAYS)]
    needed = partitions_needed(days, history, timezone)
    of_the_day = landed & _partitions_of(business_date, sites, timezone)
    if not of_the_day:
        raise NotLandedError(f"{TRANSACTIONS}: not landed: {business_date}; materialize it first")
    all_rows = _rows(lake, landed & {*days, *(key for one in needed for key in one.partitions)})
    day = _rows(lake, of_the_day)
    with _readable(lake):
        mart = site_day_kpis(all_rows, sites, days, landed=landed, timezone=timezone)
        hours, tenders, discounts = (
            count(day, sites, [business_date], landed=landed, timezone=timezone).table
            for count in (site_hour_kpis, tender_mix, discount_mix)
        )
        findings = [*unlisted, *findings_of(lake, business_date, of_the_day, timezone=timezone, now=made_at)]
    missing = [*gaps_of(mart.missing), *_sites_not_read(lake, history, needed, landed)]
    # A site is shown by the code that it had on the day of the report, so that it is compared with itself.
    code_of = history.codes_on(business_date)
    site_days, hours, tenders, discounts = (
        _with_codes(table, code_of) for table in (mart.table, hours, tenders, discounts)
    )
    if instead_of is not None:
        until = max(_partitions_of(instead_of, sites, timezone))
        since = [business_date + number * _DAY for number in range((until - business_date).days + 1)]
        findings.insert(0, _instead(business_date, instead_of, [day for day in since if day not in landed]))
    as_of, differing = _verified(lake, of_the_day, timezone)
    report = build_report(
        business_date,
        site_days=site_days,
        site_hours=hours,
        tenders=tenders,
        discounts=discounts,
        sites=_named(sites, business_date),
        findings=[*findings, *differing],
        missing=[
            *_whole_days(days, landed),
            *(replace(gap, site=code_of.get(fold(gap.site), gap.site)) for gap in missing),
            *_not_there(history, days, site_days),
        ],
        made_at=made_at,
        account=account,
    )
    return replace(report, complete_as_of=as_of)


def land_report(lake: Lake, report: Report, *, inputs_digest: str = "") -> Page:
    """Write a report's page atomically, readable by owner and group.

    Args:
        lake: the lake for the page.
        report: the report.
        inputs_digest: digest of the inputs before they were read (letters and digits), for `inputs_digest_of`.

    Raises:
        UnwritableLakeError: the page cannot be written.
    """
    html = report_as_html(report) + (f"<!-- made beside {inputs_digest} -->\n" if inputs_digest else "")
    path = lake.land_page(ASSET, PAGE, html, partition=report.business_date.isoformat())
    return Page(path, len(html.encode()))


def inputs_digest_of(lake: Lake, day: str) -> str:
    """The digest in the page of a day (YYYY-MM-DD); empty if there is none, or the page cannot be read."""
    page = lake.page(ASSET, PAGE, partition=day) or b""
    found = re.search(rb"<!-- made beside (\w+) -->\s*\Z", page[-_NOTE_BYTES:])
    return found[1].decode() if found else ""


def has_figures(report: Report) -> bool:
    """Whether the day of at least one site could be counted."""
    return report.figures[CARS.key].value is not None


def partitions_lacking(lake: Lake, business_date: date, timezone: str) -> list[date]:
    """Partitions of `transactions` that still have to be landed until every site's day is complete.

    Raises:
        LakeError: the list of sites cannot be read.
    """
    sites, _ = _sites(lake, None)
    return sorted(_partitions_of(business_date, sites, timezone) - _landed_days(lake))


def last_complete_day(lake: Lake, timezone: str) -> date | None:
    """The latest business day whose partitions are all landed with all sites, if any.

    Raises:
        LakeError: a file cannot be read.
    """
    lake = lake.snapshot()
    landed = {day for day in _landed_days(lake) if is_whole(lake, day.isoformat())}
    sites, _ = _sites(lake, None)
    complete = (day for day in sorted(landed, reverse=True) if _partitions_of(day, sites, timezone) <= landed)
    return next(complete, None)


def last_due_day(lake: Lake, timezone: str, through: date) -> date:
    """The latest business day that is complete once partitions are landed through a day.

    Raises:
        LakeError: the list of sites cannot be read.
    """
    sites, _ = _sites(lake, None)
    days = (through - back * _DAY for back in range(_FARTHEST))
    return next((day for day in days if max(_partitions_of(day, sites, timezone)) <= through), through)


def _instead(shown: date, expected: date, lacking: Sequence[date]) -> Caveat:
    """What a reader of the last complete day's report should know first (KT-03)."""
    days = first_few([day.isoformat() for day in lacking], _NAMED)
    why = f"the transactions of {days} are not landed" if lacking else "not all of its sites are landed"
    return Caveat(
        "error",
        f"{expected:%A, %Y-%m-%d} is missing: {why}. This is the report of {shown}, the last complete day. The "
        "morning's schedule, when it is on, lands missing days by itself; `sonnys doctor` says what is in the way.",
    )


def _partitions_of(business_date: date, sites: pa.Table, timezone: str) -> frozenset[date]:
    needed = partitions_needed([business_date], sites, timezone)
    return frozenset({business_date, *(key for one in needed for key in one.partitions)})


def _landed_days(lake: Lake) -> frozenset[date]:
    return frozenset(date.fromisoformat(key) for key in lake.partitions(TRANSACTIONS))


def _sites(lake: Lake, account: str | None) -> tuple[pa.Table, Sequence[Caveat]]:
    """The list of sites; empty, with a caveat, if it is not landed."""
    if lake.has(_SITES):
        return lake.read(_SITES), ()
    asset = f"{account}/{_SITES}" if account else _SITES
    text = (
        "The list of sites is not landed, so sites have no names and their days follow the pipeline's time zone. Land "
        f"it: dagster asset materialize -m sonnys_pipeline.definitions --select {asset}"
    )
    return _NO_SITES, (Caveat("warning", text),)


def _verified(lake: Lake, landed: Collection[date], timezone: str) -> tuple[datetime | None, list[Caveat]]:
    """Since when all of these days are complete, if that is known, and those that differ from the API unrepaired."""
    days = [day.isoformat() for day in sorted(landed)]
    looks = verifications(lake, timezone, days)
    differing = [day for day in days if looks.open_difference(day)]
    text = f"Rows of {', '.join(differing)} differ from the API's: read them again with sonnys verify --repair."
    last = [verified.verified_at for day in days if (verified := looks.complete_as_of(day)) is not None]
    return (min(last) if len(last) == len(days) else None), [Caveat("warning", text)] if differing else []


def _rows(lake: Lake, days: Collection[date]) -> Rows:
    return landed_rows(lake, [day.isoformat() for day in sorted(days)])


def _whole_days(days: Iterable[date], landed: Collection[date]) -> Iterator[Gap]:
    """Days whose own partition is not landed: no site's day is complete, including unlisted sites."""
    for day in days:
        if day not in landed:
            yield Gap(day, None, f"transactions of {day} are not landed")


def _sites_not_read(
    lake: Lake, history: SiteHistory, needed: Iterable[SiteDay], landed: Collection[date]
) -> Iterator[Gap]:
    """Site days missing from a landed partition: a file may hold the rows of some sites only."""
    partial = {
        day: frozenset(map(fold, sites)) for day in landed if (sites := landed_sites(lake, day.isoformat())) is not None
    }
    for one in needed:
        names = {fold(one.site), *history.names_of(one.key)}
        unread = [day for day in one.partitions if day in partial and partial[day].isdisjoint(names)]
        if unread:
            keys = ", ".join(day.isoformat() for day in unread)
            yield Gap(one.business_date, one.site, f"its transactions of {keys} are not landed")


def _not_there(history: SiteHistory, days: Sequence[date], site_days: pa.Table) -> Iterator[Gap]:
    """Days before a site was there, or after it had left, unless they have rows: nothing to compare with, and not 0."""
    counted = set(zip(site_days["site"].to_pylist(), site_days["business_date"].to_pylist(), strict=True))
    code_of = history.codes_on(days[0])
    for day in days:
        for site in history.others_on(day):
            code = code_of.get(fold(site.site), site.site)
            if code and (code, day) not in counted:
                yield Gap(day, code, NOT_THERE)


def _with_codes(table: pa.Table, code_of: Mapping[str, str]) -> pa.Table:
    """A mart's rows, with each site by its code in `code_of`."""
    codes = [code_of.get(fold(code), code) for code in table["site"].to_pylist()]
    return table.set_column(table.schema.get_field_index("site"), "site", pa.array(codes, pa.string()))


def _named(sites: pa.Table, day: date) -> pa.Table:
    """Code, name and zone of each site on a day."""
    if "valid_from" in sites.column_names:
        first, end = sites["valid_from"], sites["valid_to"]
        begun = pc.fill_null(pc.less_equal(first, pa.scalar(day)), True)
        sites = sites.filter(pc.and_(begun, pc.fill_null(pc.greater(end, pa.scalar(day)), True)))
    return sites.select(["code", "name", "timezone"])


@contextmanager
def _readable(lake: Lake) -> Iterator[None]:
    try:
        yield
    except (duckdb.Error, OSError) as error:
        raise LakeError(
            f"{lake.root / TRANSACTIONS} cannot be read ({error}); materialize the damaged days again"
        ) from error
