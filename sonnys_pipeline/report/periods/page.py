"""Make the report of a week or month from landed days, and write its page."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import NotLandedError
from sonnys_pipeline.lake.transactions import ASSET as TRANSACTIONS
from sonnys_pipeline.report.build import site_names
from sonnys_pipeline.report.caveats import ranked
from sonnys_pipeline.report.daily import PAGE, Page, last_complete_day, listed_sites, named_on
from sonnys_pipeline.report.measures import DayBook
from sonnys_pipeline.report.periods.build import PeriodReport, build_period_report, months_shown
from sonnys_pipeline.report.periods.figures import SpanBook
from sonnys_pipeline.report.periods.giftcards import period_giftcards
from sonnys_pipeline.report.periods.history import History, read_history, with_codes
from sonnys_pipeline.report.periods.html import period_as_html
from sonnys_pipeline.report.periods.labor import period_labor
from sonnys_pipeline.report.periods.lists import Chain, readable_section
from sonnys_pipeline.report.periods.members import period_members
from sonnys_pipeline.report.periods.spans import Kind, Span
from sonnys_pipeline.report.sections.items import Compared, Items, Sales, item_days, items_of
from sonnys_pipeline.report.sections.washes import washes_of


def make_period_report(
    lake: Lake, kind: Kind, day: date, *, timezone: str, made_at: datetime, account: str | None = None
) -> PeriodReport:
    """The report of the week or month of a day; it names what is not landed.

    The week or month with the last complete day is counted up to that day, any other one as a whole.

    Args:
        lake: the lake with `transactions` and `sites`.
        kind: week or month.
        day: any business day of it.
        timezone: IANA name of the zone of the daily partitions.
        made_at: now, aware.
        account: name of the account for the title, if there are several.

    Raises:
        NotLandedError: no day of it is landed.
        LakeError: a file cannot be read.
    """
    lake = lake.snapshot()
    span = Span.of(kind, day)
    complete = last_complete_day(lake, timezone)
    if complete is not None and span.first <= complete < span.last:
        span = Span.of(kind, day, complete)
    report = lake.consistently(lambda: _report(lake, span, timezone=timezone, made_at=made_at, account=account))
    if not report.has_figures:
        raise NotLandedError(
            f"{TRANSACTIONS}: no day from {span.first} to {span.through} is landed completely; materialize them first"
        )
    return report


def _report(lake: Lake, span: Span, *, timezone: str, made_at: datetime, account: str | None) -> PeriodReport:
    sites, findings = listed_sites(lake, account)
    days = {*span.days_shown, *(day for month in months_shown(span.through) for day in month.days)}
    history = read_history(lake, days, sites, timezone)
    named = named_on(sites, span.through)
    report = build_period_report(
        span, history.as_of(span.through), named, made_at=made_at, findings=findings, account=account
    )
    chain = Chain(site_names(named), history.sites.codes_on(span.through))
    members = readable_section("Members", lambda: period_members(lake, span, chain))
    labor = readable_section("Labor", lambda: period_labor(lake, span, history, sites, chain))
    before = span.compared_before[1][-1]
    giftcards = (
        readable_section("Gift cards", lambda: period_giftcards(lake, span, chain)) if span.kind is Kind.MONTH else None
    )
    sections = [one for one in (members, labor, giftcards) if one is not None]
    return replace(
        report,
        members=members,
        labor=labor,
        giftcards=giftcards,
        items=_items(lake, report, history, timezone),
        washes=washes_of(lake, span.through, before) if span.kind is Kind.MONTH else None,
        caveats=ranked([*report.caveats, *(caveat for one in sections for caveat in one.caveats)]),
    )


def _items(lake: Lake, report: PeriodReport, history: History, timezone: str) -> Items | None:
    """What was sold at sites with all days, against the period before at those with all days of that, too."""
    span, shown = report.span, history.as_of(report.span.through)
    own, before = span.compared_before
    spans = SpanBook(DayBook(shown.site_days, shown.gaps))
    known = [site.code for site in report.period.sites if site.gap is None]
    both = spans.whole(known, before)
    found = item_days(lake, {*span.days, *before}, timezone)
    rows = with_codes(found, history.sites.codes_on(span.through))
    return items_of(rows, Sales(known, span.days), Compared(Sales(both, own), Sales(both, before)))


def land_period_report(lake: Lake, report: PeriodReport) -> Page:
    """Write the page atomically, by its first day: `{root}/weekly_report/date=YYYY-MM-DD/report.html`, or `monthly_`.

    Raises:
        UnwritableLakeError: the page cannot be written.
    """
    html = period_as_html(report)
    asset = f"{report.span.kind.value}ly_report"
    path = lake.land_page(asset, PAGE, html, partition=report.span.first.isoformat())
    return Page(path, len(html.encode()))
