"""The report of a whole week or month of one chain: a frozen record with every number on its page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

import pyarrow as pa

from sonnys_pipeline.report import formatting
from sonnys_pipeline.report.build import site_names, sorted_by_name
from sonnys_pipeline.report.caveats import Caveat, ranked
from sonnys_pipeline.report.measures import CARS, DayBook
from sonnys_pipeline.report.periods.figures import MEASURES, Period, SpanBook, unknown_in
from sonnys_pipeline.report.periods.history import History
from sonnys_pipeline.report.periods.lists import Section
from sonnys_pipeline.report.periods.spans import Kind, Span
from sonnys_pipeline.report.sections.items import Items
from sonnys_pipeline.report.sections.washes import Washes
from sonnys_pipeline.runtime.text import first_few

#: Months in the history, including the newest.
MONTHS = 13
#: Sites named in one sentence.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class DayLine:
    """One day of a site or of the chain; `values` (by key of a measure) are None where they are not known.

    `gap` is the reason if nothing is known; `missing_sites` counts sites that the chain's values do not include.
    """

    day: date
    values: Mapping[str, Decimal | None]
    gap: str | None
    missing_sites: int = 0


@dataclass(frozen=True, slots=True)
class MonthLine:
    """The chain in one month, up to `span.through`; else as `DayLine`."""

    span: Span
    values: Mapping[str, Decimal | None]
    gap: str | None
    missing_sites: int = 0


@dataclass(frozen=True, slots=True)
class PeriodReport:
    """A week or month of a chain, with the days in it and up to 13 months.

    `days` has the chain's days, `site_days` those of each site by code, `months` those from the first landed day on.
    `account` names the chain if there are several. Earlier days are compared as of `made_at`. `members` and `labor` are
    those of the lists, `giftcards` those of a month; None if nobody asked for them. `items` is None if no site has all
    days; `washes` are those of the 30 days up to the end of a month, None if they are not landed.
    """

    period: Period
    days: tuple[DayLine, ...]
    site_days: Mapping[str, tuple[DayLine, ...]]
    months: tuple[MonthLine, ...]
    caveats: tuple[Caveat, ...]
    made_at: datetime
    account: str | None = None
    members: Section | None = None
    labor: Section | None = None
    giftcards: Section | None = None
    items: Items | None = None
    washes: Washes | None = None

    @property
    def sections(self) -> Mapping[str, Section]:
        """Sections that are made of lists, by their heading."""
        found = {"Members": self.members, "Labor": self.labor, "Gift cards": self.giftcards}
        return {name: one for name, one in found.items() if one is not None}

    @property
    def span(self) -> Span:
        """The week or month."""
        return self.period.span

    @property
    def has_figures(self) -> bool:
        """Whether at least one day of a site could be counted."""
        return any(line.gap is None for line in self.days)


def months_shown(through: date) -> Sequence[Span]:
    """The months of the history, oldest first; the newest is counted up to a day."""
    newest = Span.of(Kind.MONTH, through, through)
    return [*(newest.back(months) for months in range(MONTHS - 1, 0, -1)), newest]


def build_period_report(
    span: Span,
    history: History,
    sites: pa.Table,
    *,
    made_at: datetime,
    findings: Sequence[Caveat] = (),
    account: str | None = None,
) -> PeriodReport:
    """The report of a span.

    Args:
        span: the week or month.
        history: of `span.days_shown` and of the days of `months_shown`.
        sites: `code` and `name`; a site that is not listed is shown by its code.
        made_at: aware instant.
        findings: caveats found elsewhere.
        account: the chain's name, if there are several.
    """
    book = DayBook(history.site_days, history.gaps)
    spans = SpanBook(book)
    names = site_names(sites)
    codes = sorted_by_name(names, book.active_sites(span.days_shown))
    period = spans.period(span, names, codes)
    months = [_month_line(spans, month) for month in months_shown(span.through)]
    landed = [at for at, line in enumerate(months) if line.gap is None or book.first_day <= line.span.through]
    return PeriodReport(
        period=period,
        days=tuple(_chain_line(book, codes, day) for day in span.days),
        site_days={code: tuple(_site_line(book, code, day) for day in span.days) for code in codes},
        months=tuple(months[landed[0] :] if landed else ()),
        caveats=ranked([*findings, *_caveats(spans, period)]),
        made_at=made_at,
        account=account,
    )


def _site_line(book: DayBook, code: str, day: date) -> DayLine:
    gap = book.gap(code, day)
    sums = book.sums([code], day)
    return DayLine(day, {one.key: None if gap else one.of(sums) for one in MEASURES}, gap)


def _chain_line(book: DayBook, codes: Sequence[str], day: date) -> DayLine:
    known = book.known(codes, day)
    sums = book.sums(known, day)
    gap = None if known else _chain_gap(book, codes, day)
    return DayLine(day, {one.key: one.of(sums) if known else None for one in MEASURES}, gap, len(codes) - len(known))


def _chain_gap(book: DayBook, codes: Sequence[str], day: date) -> str:
    return first_few(list(dict.fromkeys(filter(None, (book.gap(code, day) for code in codes)))), 1) or "no site"


def _month_line(spans: SpanBook, month: Span) -> MonthLine:
    codes = sorted(spans.book.active_sites(month.days))
    known = spans.known(codes, month.days)
    sums = spans.sums(known, month.days)
    gap = None
    if not known:
        gaps = [gap for code in codes if (gap := spans.gap(code, month.days))]
        gap = gaps[0] if gaps else "no transactions are landed"
    values = {one.key: one.of(sums) if known else None for one in MEASURES}
    return MonthLine(month, values, gap, len(codes) - len(known))


def _caveats(spans: SpanBook, period: Period) -> Iterable[Caveat]:
    span = period.span
    if not period.sites:
        yield Caveat("error", f"There is no data for this {span.kind.value}. Load its days, then make the page again.")
        return
    if not span.is_whole:
        through = formatting.day(span.through)
        yield Caveat(
            "info", f"This {span.kind.value} is counted up to {through}; later days are not over or not landed."
        )
    reasons: dict[str, list[str]] = {}
    for site in period.missing_sites:
        reasons.setdefault(site.gap or "", []).append(site.name)
    for reason, names in reasons.items():
        who = "All sites" if len(names) == len(period.sites) else first_few(names, _NAMED)
        rest = "" if len(names) == len(period.sites) else " The totals do not include " + (
            "it." if len(names) == 1 else "them."
        )  # fmt: skip
        yield Caveat("error", f"{who}: {reason}.{rest} Land the days, then make the page again.")
    known = [site.code for site in period.sites if site.gap is None]
    if period.not_compared:
        yield Caveat("info", f"{period.not_compared}.")
    unsettled = spans.sums(known, span.days)["unsettled_transactions"]
    if unsettled:
        what = "1 transaction is" if unsettled == 1 else f"{int(unsettled):,} transactions are"
        yield Caveat("warning", f"{what} not settled; the totals may still change.")
    yield from unknown_in(period.figures, "Not known")


def headline(report: PeriodReport) -> str:
    """The period in a sentence: cars, sales, and the change since the period before."""
    cars, sales = report.period.figures[CARS.key], report.period.figures["sales"]
    kind = report.span.kind.value
    if cars.value is None:
        return f"No site has all days of this {kind}; the days that are landed are below."
    text = f"{formatting.count(cars.value)} cars and {formatting.dollars(sales.value)} in sales"
    if missing := len(report.period.missing_sites):
        text += f" at {len(report.period.sites) - missing} of {len(report.period.sites)} sites"
    if sales.before.fraction is not None:
        of = f"the {kind} before" if report.span.is_whole else f"the same days of the {kind} before"
        way = formatting.direction(sales.before)
        amount = formatting.change(sales.before).lstrip("+±−")  # noqa: RUF001 - the signs that `formatting` writes
        text += f"; sales are level with {of}" if way == "same" else f"; sales are {way} {amount} from {of}"
        if sales.before.is_partial:
            sites = sales.before.sites
            text += " at the one site that can be compared" if sites == 1 else f" at the {sites} sites to compare"
    return f"{text}."
