"""Caveats: what a reader should know before trusting the numbers of a day."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sonnys_pipeline.marts.unknown import FROM_STATES, LEFT_OUT
from sonnys_pipeline.report import formatting
from sonnys_pipeline.report.measures import NOT_THERE, DayBook
from sonnys_pipeline.runtime.text import first_few

Severity = Literal["error", "warning", "info"]
_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")
#: A mart's reason that counts the rows that lack a field (`marts/unknown.py`).
_SOME_ROWS = re.compile(r"(?P<field>\w+): (?P<rows>\d+) rows? of this day lacks? it, (?P<counted>.*)")
#: Sites or days named in one sentence; the others are only counted.
_NAMED = 5


@dataclass(frozen=True, slots=True)
class Caveat:
    """One caveat: `error` if totals are wrong or incomplete, `warning` if they may be, else `info`."""

    severity: Severity
    text: str


@dataclass(frozen=True, slots=True)
class Chain:
    """The sites: names and IANA time zones by code (None: UTC), and the codes in the report."""

    names: Mapping[str, str]
    zones: Mapping[str, str | None]
    codes: Sequence[str]


def ranked(caveats: Iterable[Caveat]) -> tuple[Caveat, ...]:
    """Sort by severity, keeping the order otherwise."""
    return tuple(sorted(caveats, key=lambda caveat: _SEVERITIES.index(caveat.severity)))


def caveats_of(book: DayBook, chain: Chain, days: Sequence[date], made_at: datetime) -> Iterable[Caveat]:
    """Caveats that follow from the marts.

    Args:
        book: figures and gaps.
        chain: the sites.
        days: the days of the trend; the last is the report's.
        made_at: when the report was made, aware.
    """
    *earlier, day = days
    known = book.known(chain.codes, day)
    unsettled = book.sums(known, day)["unsettled_transactions"]
    yield from _absent(book, chain, day)
    yield from _left(book, chain, day)
    yield from _running(chain, known, day, made_at)
    if unsettled is not None:
        yield from _unsettled(int(unsettled))
    yield from _unknown(book, chain, known, day)
    yield from _silent(book, chain, known, day)
    yield from _gaps_in_trend(book, chain.codes, earlier)
    yield from _without_transactions(chain, len(days))


def _absent(book: DayBook, chain: Chain, day: date) -> Iterable[Caveat]:
    if not chain.codes:
        yield Caveat(
            "error", "There is no data for this day or the days before it. Load them, then make the report again."
        )
        return
    reasons: dict[str, list[str]] = {}
    for code in chain.codes:
        if (reason := book.gap(code, day)) and reason != NOT_THERE:
            reasons.setdefault(reason, []).append(chain.names[code])
    for reason, names in reasons.items():
        if len(names) == len(chain.codes):
            yield Caveat("error", f"This day is missing: {reason}. Load it, then make the report again.")
        else:
            who = f"{_some(names)} {'is' if len(names) == 1 else 'are'} missing on this day"
            yield Caveat("error", f"{who}: {reason}. The totals do not include {'it' if len(names) == 1 else 'them'}.")


def _left(book: DayBook, chain: Chain, day: date) -> Iterable[Caveat]:
    left = [chain.names[code] for code in chain.codes if book.gap(code, day) == NOT_THERE]
    if left:
        yield Caveat("info", f"No longer listed by the API, so not in this day: {_some(left)}.")


def _running(chain: Chain, known: Sequence[str], day: date, made_at: datetime) -> Iterable[Caveat]:
    midnight = datetime.combine(day + timedelta(days=1), time())
    running = [code for code in known if made_at < midnight.replace(tzinfo=_zone(chain.zones.get(code)))]
    if running:
        where = "" if len(running) == len(known) else f" at {_some([chain.names[code] for code in running])}"
        yield Caveat("warning", f"The day was not over yet{where} when this report was made.")


def _unsettled(transactions: int) -> Iterable[Caveat]:
    if transactions:
        what = "1 transaction is" if transactions == 1 else f"{transactions:,} transactions are"
        yield Caveat("warning", f"{what} not settled; the totals may still change.")


def _unknown(book: DayBook, chain: Chain, known: Sequence[str], day: date) -> Iterable[Caveat]:
    """Each of the marts' reasons once, with its sites and the sum of rows that lack a field."""
    reasons: dict[str, list[str]] = {}
    lacking: dict[str, int] = {}
    for code in known:
        for reason in book.reasons(code, day):
            some = _SOME_ROWS.fullmatch(reason)
            said = f"{some['field']}: {{}} lack it, {some['counted']}" if some else reason
            lacking[said] = lacking.get(said, 0) + (int(some["rows"]) if some else 0)
            reasons.setdefault(said, []).append(chain.names[code])
    for reason, names in reasons.items():
        where = "" if len(names) == len(chain.codes) else f"{_some(names)}: "
        if lacking[reason]:
            rows = "1 row" if lacking[reason] == 1 else f"{lacking[reason]:,} rows"
            yield Caveat("info", f"Known in part: {where}{reason.format(rows)}.")
        elif reason.startswith(LEFT_OUT):
            yield Caveat("error", f"{where}{reason}. Load the day again.")
        else:
            remedy = " Materialize transaction_states for this day to get it." if reason.startswith(FROM_STATES) else ""
            severity: Severity = "warning" if reason.endswith(")") else "info"  # the figures that are null, in brackets
            yield Caveat(severity, f"Not known: {where}{reason}.{remedy}")


def _silent(book: DayBook, chain: Chain, known: Sequence[str], day: date) -> Iterable[Caveat]:
    before = day - timedelta(weeks=1)
    silent = [
        chain.names[code]
        for code in known
        if not book.sums([code], day)["transactions"] and book.sums(book.known([code], before), before)["transactions"]
    ]
    if silent:
        yield Caveat(
            "warning",
            f"No transactions on this day, but some a week before: {_some(silent)}. Closed, or not reporting?",
        )


def _gaps_in_trend(book: DayBook, codes: Sequence[str], days: Sequence[date]) -> Iterable[Caveat]:
    gaps = [day for day in days if len(book.known(codes, day)) < len(book.there(codes, day))]
    if gaps:
        what = "1 earlier day is" if len(gaps) == 1 else f"{len(gaps)} earlier days are"
        yield Caveat("info", f"{what} missing or incomplete: {_some([formatting.short_day(day) for day in gaps])}.")


def _without_transactions(chain: Chain, days: int) -> Iterable[Caveat]:
    unused = sorted(name for code, name in chain.names.items() if code not in chain.codes)
    if chain.codes and unused:
        yield Caveat("info", f"Listed sites without transactions in {days} days: {_some(unused)}.")


def _some(names: Sequence[str]) -> str:
    return first_few(names, _NAMED)


def _zone(name: str | None) -> ZoneInfo:
    # An invalid zone in the list of sites must not prevent the report: UTC then.
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")
