"""Gift cards and prepaid washes at the end of a month, from the landed `giftcard_liability`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.marts.people.liability import GIFTCARDS
from sonnys_pipeline.marts.people.liability_inputs import LIABILITY_RECIPE
from sonnys_pipeline.marts.unknown import SEPARATOR
from sonnys_pipeline.report import formatting
from sonnys_pipeline.report.build import sorted_by_name
from sonnys_pipeline.report.caveats import Caveat
from sonnys_pipeline.report.measures import DayBook, Measure, Unit
from sonnys_pipeline.report.periods.figures import SpanBook
from sonnys_pipeline.report.periods.lists import (
    Chain,
    Row,
    Section,
    as_table,
    landed_by_site,
    partial_reasons,
    summed,
    unknown_figures,
)
from sonnys_pipeline.report.periods.spans import Span

_OF_CARDS = (
    Measure("liability", "Value outstanding", Unit.PRICE, "liability", more_is_better=None, at_end=True),
    Measure("cards", "Gift cards", Unit.COUNT, "cards", more_is_better=None, at_end=True),
)
_OF_WASHBOOKS = (
    Measure("washes_outstanding", "Prepaid washes", Unit.COUNT, "washes_outstanding", more_is_better=None, at_end=True),
    Measure("washbooks", "Washbooks", Unit.COUNT, "washbooks", more_is_better=None, at_end=True),
)
MEASURES = (*_OF_CARDS, *_OF_WASHBOOKS)
_COLUMNS = tuple(measure.column for measure in MEASURES)
#: Beginnings of the mart's reasons that are of gift cards; all others are of washbooks.
_CARD_REASONS = (GIFTCARDS, "value")
_NO_SITE_NAME = "No site"


def period_giftcards(lake: Lake, span: Span, chain: Chain) -> Section:
    """Unused gift cards and prepaid washes at the end of a span, compared with the end of the span before.

    Args:
        lake: the lake with `giftcard_liability`.
        span: the month.
        chain: its sites.

    Raises:
        LakeError: a file cannot be read.
    """
    last, before = span.through, span.compared_before[1][-1]
    asset, day = LIABILITY_RECIPE.asset, formatting.short_day(last)
    found = landed_by_site(lake, asset, span, ("site", "business_date", "unknown", *_COLUMNS), chain)
    own = [row for row in found if row["business_date"] == last and _is_shown(row)]
    if not own:
        return Section(f"No gift cards: {asset} of {day} is not landed, or has neither cards nor washbooks.")
    names = {row["site"]: chain.names.get(row["site"]) or row["site"] or _NO_SITE_NAME for row in own}
    shown = [_with_reasons(row) for row in found if row["site"] in names]
    landed = {row["business_date"] for row in found}
    first = min(span.first, *landed)
    # Days without a file are not known, and those before the first one are gaps: neither is 0.
    unread = [
        {"site": name, "business_date": one, "unknown": None, **dict.fromkeys(_COLUMNS)}
        for one in span.days_shown
        if one >= first and one not in landed
        for name in names
    ]
    book = DayBook(as_table([*summed(shown, "site", _COLUMNS), *unread], _COLUMNS), (), _COLUMNS)
    period = SpanBook(book, MEASURES).period(span, names, sorted_by_name(names, names))
    caveats = (*unknown_figures(period, "Gift cards, not known"), *_partly(shown, last))
    section = Section("", period, caveats)
    than = formatting.short_day(before)
    compared = f"Changes are relative to the end of {than}" if section.is_compared else f"Nothing of {than} is known"
    note = f"At the end of {day}, as the lists were read by then; cards that the API no longer lists are as read last."
    return replace(section, note=f"{note} {compared}.")


def _is_shown(row: Row) -> bool:
    """Sites with cards or washbooks, or where these are not known."""
    return any(row[column] is None or row[column] for column in _COLUMNS)


def _with_reasons(row: Row) -> Row:
    """The row with the columns that are null in brackets after each of their reasons, as in other marts."""
    named = []
    for reason in filter(None, (row["unknown"] or "").split(SEPARATOR)):
        measures = _OF_CARDS if reason.startswith(_CARD_REASONS) else _OF_WASHBOOKS
        null = [one.column for one in measures if row[one.column] is None]
        named.append(f"{reason} ({', '.join(null)})" if null else reason)
    return {**row, "unknown": SEPARATOR.join(named) or None}


def _partly(rows: Sequence[Row], day: date) -> Iterator[Caveat]:
    reasons = [reason for row in rows if row["business_date"] == day for reason in partial_reasons(row)]
    if reasons:
        more = f", and {len(reasons) - 1:,} more such notes" if len(reasons) > 1 else ""
        yield Caveat("info", f"Gift cards are known in part: {reasons[0]}{more}; see {LIABILITY_RECIPE.asset}.")
