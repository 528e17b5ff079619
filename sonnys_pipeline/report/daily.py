"""Make the morning report of one business day from landed `transactions`, states and `sites`, and write its page.

Figures come from `site_day_kpis` where it is fresh, else from the landed rows (`periods/history.py`): `sonnys report`
needs no mart, and no figure is older than the rows.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.calendar.business_days import partitions_needed
from sonnys_pipeline.calendar.site_history import SiteHistory
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, NotLandedError, UnreachableLakeError
from sonnys_pipeline.lake.landed_rows import landed_rows
from sonnys_pipeline.lake.storage.folder import LakePath
from sonnys_pipeline.lake.transactions import ASSET as TRANSACTIONS
from sonnys_pipeline.lake.transactions import is_whole
from sonnys_pipeline.landing.verified import verifications
from sonnys_pipeline.marts.kpis import hours_of
from sonnys_pipeline.marts.mixes import DISCOUNTS, TENDERS
from sonnys_pipeline.marts.site_days import DaysWanted, count_together
from sonnys_pipeline.report.build import Report, build_report, natural, site_names
from sonnys_pipeline.report.caveats import Caveat
from sonnys_pipeline.report.findings import findings_of
from sonnys_pipeline.report.html import report_as_html
from sonnys_pipeline.report.inputs import ShownMarts, days_shown
from sonnys_pipeline.report.measures import CARS, DayBook
from sonnys_pipeline.report.periods.history import History, read_history, readable, with_codes
from sonnys_pipeline.report.sections.items import Compared, Items, Sales, item_days, items_of
from sonnys_pipeline.report.sections.labor import labor_of
from sonnys_pipeline.report.sections.members import members_of
from sonnys_pipeline.report.sections.washes import washes_of
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


def make_report(  # what a page may differ by
    lake: Lake,
    business_date: date,
    *,
    timezone: str,
    made_at: datetime,
    account: str | None = None,
    history: History | None = None,
    instead_of: date | None = None,
) -> Report:
    """The report of a business day; it names what is not landed.

    Args:
        lake: the lake with `transactions` and `sites`.
        business_date: local to each site.
        timezone: IANA name of the zone of the daily partitions.
        made_at: now, aware.
        account: name of the account for the title, if there are several.
        history: of all `days_shown`, from `history_of`. Default: it is read here.
        instead_of: the later day that a reader expects and that is not complete; the report says what it lacks.

    Raises:
        NotLandedError: no row of the day is landed.
        LakeError: a file cannot be read.
    """
    lake = lake.snapshot()
    return lake.consistently(
        lambda: _report(
            lake,
            business_date,
            history,
            timezone=timezone,
            made_at=made_at,
            account=account,
            instead_of=instead_of,
        )
    )


def _report(  # what `make_report` got, to be read again when days are replaced meanwhile
    lake: Lake,
    business_date: date,
    history: History | None,
    *,
    timezone: str,
    made_at: datetime,
    account: str | None,
    instead_of: date | None,
) -> Report:
    landed = landed_days(lake)
    sites, unlisted = listed_sites(lake, account)
    of_the_day = landed & _partitions_of(business_date, sites, timezone)
    if not of_the_day:
        raise NotLandedError(f"{TRANSACTIONS}: not landed: {business_date}; materialize it first")
    if history is None:
        history = read_history(lake, days_shown(business_date), sites, timezone)
    day = landed_rows(lake, [key.isoformat() for key in sorted(of_the_day)])
    with readable(lake):
        wanted = DaysWanted([business_date], landed, sites, timezone)
        counted = count_together(day, wanted, [hours_of(wanted), TENDERS, DISCOUNTS])
        hours, tenders, discounts = (mart.table for mart in counted)
        findings = [*unlisted, *findings_of(lake, business_date, of_the_day, timezone=timezone, now=made_at)]
    shown = history.as_of(business_date)
    code_of = history.sites.codes_on(business_date)
    hours, tenders, discounts = (with_codes(table, code_of) for table in (hours, tenders, discounts))
    if instead_of is not None:
        until = max(_partitions_of(instead_of, sites, timezone))
        since = [business_date + number * _DAY for number in range((until - business_date).days + 1)]
        findings.insert(0, _instead(business_date, instead_of, [day for day in since if day not in landed]))
    as_of, differing = _verified(lake, of_the_day, timezone)
    named = named_on(sites, business_date)
    members = members_of(lake, business_date, site_names(named), natural)
    labor, of_labor = labor_of(lake, business_date, shown.site_days, sites, timezone, site_names(named))
    items = _items(lake, business_date, DayBook(shown.site_days, shown.gaps), code_of, timezone)
    report = build_report(
        business_date,
        site_days=shown.site_days,
        site_hours=hours,
        tenders=tenders,
        discounts=discounts,
        sites=named,
        findings=[*findings, *differing, *(members.caveats if members else ()), *of_labor],
        missing=shown.gaps,
        made_at=made_at,
        account=account,
    )
    washes = washes_of(lake, business_date, report.last_week)
    return replace(report, complete_as_of=as_of, members=members, labor=labor, items=items, washes=washes)


def _items(
    lake: Lake, day: date, book: DayBook, code_of: Mapping[str, str], timezone: str
) -> Items | None:  # fmt: skip
    """What was sold at the sites that are known, against a week before at those that are known on both days."""
    before = day - 7 * _DAY
    known = book.known(sorted(book.active_sites([day])), day)
    both = book.known(book.there(known, before), before)
    rows = with_codes(item_days(lake, [before, day], timezone), code_of)
    return items_of(rows, Sales(known, [day]), Compared(Sales(both, [day]), Sales(both, [before])))


def history_of(lake: Lake, business_dates: Iterable[date], timezone: str) -> History:
    """What the reports of several days show of all days, read once. Raises LakeError."""
    lake = lake.snapshot()
    days = {day for business_date in business_dates for day in days_shown(business_date)}
    return lake.consistently(lambda: read_history(lake, days, listed_sites(lake, None)[0], timezone))


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


def shown_digest(lake: Lake, business_date: date) -> str:
    """Digest of what a day's page shows; take it before rows are read. Empty if the day's mart is damaged or absent.

    A page needs no mart; without a digest it counts as outdated once there is one.
    """
    try:
        return ShownMarts(lake.snapshot()).digest(business_date)
    except UnreachableLakeError:
        raise
    except LakeError:
        return ""


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
    sites, _ = listed_sites(lake, None)
    return sorted(_partitions_of(business_date, sites, timezone) - landed_days(lake))


def last_complete_day(lake: Lake, timezone: str) -> date | None:
    """The latest business day whose partitions are all landed with all sites, if any.

    Raises:
        LakeError: a file cannot be read.
    """
    lake = lake.snapshot()
    landed = landed_days(lake)
    sites, _ = listed_sites(lake, None)
    history = SiteHistory(sites, timezone)
    for day in sorted(landed, reverse=True):  # files are opened from the newest on: it is nearly always one of these
        needed = _partitions_of(day, history, timezone)
        if needed <= landed and all(is_whole(lake, key.isoformat()) for key in needed):
            return day
    return None


def last_due_day(lake: Lake, timezone: str, through: date) -> date:
    """The latest business day that is complete once partitions are landed through a day.

    Raises:
        LakeError: the list of sites cannot be read.
    """
    sites = SiteHistory(listed_sites(lake, None)[0], timezone)
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


def _partitions_of(business_date: date, sites: pa.Table | SiteHistory, timezone: str) -> frozenset[date]:
    needed = partitions_needed([business_date], sites, timezone)
    return frozenset({business_date, *(key for one in needed for key in one.partitions)})


def landed_days(lake: Lake) -> frozenset[date]:
    """Landed partitions of `transactions`. Raises UnreachableLakeError."""
    return frozenset(date.fromisoformat(key) for key in lake.partitions(TRANSACTIONS))


def listed_sites(lake: Lake, account: str | None) -> tuple[pa.Table, Sequence[Caveat]]:
    """The list of sites; empty, with a caveat, if it is not landed."""
    if lake.has(_SITES):
        return lake.read(_SITES), ()
    asset = f"{account}/{_SITES}" if account else _SITES
    text = (
        "The list of sites is not landed, so sites have no names and their days follow the pipeline's time zone. Land "
        f"it: dagster asset materialize -m sonnys_pipeline.definitions --select {asset}"
    )
    return _NO_SITES, (Caveat("warning", text),)


def named_on(sites: pa.Table, day: date) -> pa.Table:
    """Code, name and zone of each site on a day."""
    if "valid_from" in sites.column_names:
        first, end = sites["valid_from"], sites["valid_to"]
        begun = pc.fill_null(pc.less_equal(first, pa.scalar(day)), True)
        sites = sites.filter(pc.and_(begun, pc.fill_null(pc.greater(end, pa.scalar(day)), True)))
    return sites.select(["code", "name", "timezone"])


def _verified(lake: Lake, landed: Collection[date], timezone: str) -> tuple[datetime | None, list[Caveat]]:
    """Since when all of these days are complete, if that is known, and those that differ from the API unrepaired."""
    days = [day.isoformat() for day in sorted(landed)]
    looks = verifications(lake, timezone, days)
    differing = [day for day in days if looks.open_difference(day)]
    text = f"Rows of {', '.join(differing)} differ from the API's: read them again with sonnys verify --repair."
    last = [verified.verified_at for day in days if (verified := looks.complete_as_of(day)) is not None]
    return (min(last) if len(last) == len(days) else None), [Caveat("warning", text)] if differing else []
