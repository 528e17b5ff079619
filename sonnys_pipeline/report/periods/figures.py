"""Figures over a span of days: sums, rates of sums, and comparisons.

A site's figure needs every day of the span: if one is missing, it is null with the reason, and the chain's figure does
not include the site. A rate is the quotient of the sums, not a mean of the days' rates.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sonnys_pipeline.marts.unknown import SEPARATOR
from sonnys_pipeline.report import formatting
from sonnys_pipeline.report.caveats import Caveat
from sonnys_pipeline.report.measures import HEADLINES, NOT_THERE, SECONDARY, Change, DayBook, Measure, Sums
from sonnys_pipeline.report.periods.spans import Kind, Span
from sonnys_pipeline.runtime.text import first_few

#: Figures of a span.
MEASURES: Sequence[Measure] = (*HEADLINES, *SECONDARY)
#: Days, and reasons, named in one sentence.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class PeriodFigure:
    """One measure over a span; `value` is None if no site has all days.

    `before` compares with the period before. `four_weeks` compares with the mean of four weeks; for a month, the mean
    per day with that of the four weeks before it. `unknown` is the reason if days lack a field that the figure needs.
    """

    measure: Measure
    value: Decimal | None
    before: Change
    four_weeks: Change
    unknown: str | None = None


@dataclass(frozen=True, slots=True)
class PeriodSite:
    """One site in a span; `gap` is the reason if days are missing."""

    code: str
    name: str
    gap: str | None
    figures: Mapping[str, PeriodFigure]


@dataclass(frozen=True, slots=True)
class Period:
    """Figures of a span: of the sites that have all days together, and of each site.

    `not_compared` names sites that have no comparison with the period before, and why; None if there are none.
    """

    span: Span
    figures: Mapping[str, PeriodFigure]
    sites: tuple[PeriodSite, ...]
    not_compared: str | None = None

    @property
    def missing_sites(self) -> tuple[PeriodSite, ...]:
        """Sites whose days are not all known."""
        return tuple(site for site in self.sites if site.gap is not None)


class SpanBook:
    """Figures and gaps of sites over spans of consecutive days.

    Args:
        book: those of each day.
        measures: the figures of a span, made of columns that the book has.
    """

    def __init__(self, book: DayBook, measures: Sequence[Measure] = MEASURES) -> None:
        self.book = book
        self.measures = measures
        self._totals: dict[tuple[str, date, date], Sums] = {}

    def gap(self, site: str, days: Sequence[date]) -> str | None:
        """Why a site's span is missing; None if all days on which it was a site of the chain are known."""
        found = [(day, reason) for day in days if (reason := self.book.gap(site, day))]
        gaps = [(day, reason) for day, reason in found if reason != NOT_THERE]
        if not gaps:
            return NOT_THERE if found and len(found) == len(days) else None
        named = first_few([formatting.short_day(day) for day, _ in gaps], _NAMED)
        reasons = first_few(list(dict.fromkeys(reason for _, reason in gaps)), 1, separator="; ")
        return f"{len(gaps)} of {len(days)} {'day' if len(days) == 1 else 'days'} missing: {named} ({reasons})"

    def known(self, sites: Sequence[str], days: Sequence[date]) -> list[str]:
        """Sites whose days are all known, but for days on which they were not there."""
        return [site for site in sites if self.gap(site, days) is None]

    def whole(self, sites: Sequence[str], days: Sequence[date]) -> list[str]:
        """Sites that were there on all days, all of them known: what a span can be compared with."""
        return [site for site in sites if all(self.book.gap(site, day) is None for day in days)]

    def sums(self, sites: Sequence[str], days: Sequence[date]) -> Sums:
        """Sums over sites and days; None if a part is null."""
        return _added([self._total(site, days) for site in sites], self.book.columns)

    def period(self, span: Span, names: Mapping[str, str], codes: Sequence[str]) -> Period:
        """The figures of a span. Args: names: of the sites, by code; codes: of the sites to show, in order."""
        sites = tuple(
            PeriodSite(
                code,
                names.get(code) or code or "No site code",
                self.gap(code, span.days),
                {measure.key: self.figure(measure, [code], span) for measure in self.measures},
            )
            for code in codes
        )
        figures = {measure.key: self.figure(measure, codes, span) for measure in self.measures}
        return Period(span, figures, sites, self._not_compared(span, sites))

    def _not_compared(self, span: Span, sites: Sequence[PeriodSite]) -> str | None:
        known = [site for site in sites if site.gap is None]
        before = span.compared_before[1]
        lacking = {site.name: gap for site in known if (gap := self.gap(site.code, before))}
        if not lacking:
            return None
        who = "all sites" if len(lacking) == len(known) else first_few(list(lacking), _NAMED)
        return f"Not compared with the {span.kind.value} before: {who}; {next(iter(lacking.values()))}"

    def figure(self, measure: Measure, sites: Sequence[str], span: Span) -> PeriodFigure:
        """A measure over sites and a span, with its comparisons."""
        known = self.known(sites, span.days)
        days = _counted(measure, span.days)
        sums = self.sums(known, days)
        return PeriodFigure(
            measure,
            measure.of(sums) if known else None,
            self._against(measure, known, *span.compared_before),
            self._against_weeks(measure, known, span),
            None if measure.is_known(sums) else self._why(measure, known, days),
        )

    def _against(self, measure: Measure, sites: Sequence[str], own: Sequence[date], base: Sequence[date]) -> Change:
        own, base = _counted(measure, own), _counted(measure, base)
        both = self.whole(sites, base)
        if not both:
            return Change(measure.unit, None, None, 0, len(sites))
        value, before = measure.of(self.sums(both, own)), measure.of(self.sums(both, base))
        return Change(measure.unit, value, before, len(both), len(sites))

    def _against_weeks(self, measure: Measure, sites: Sequence[str], span: Span) -> Change:
        if span.kind is Kind.MONTH:
            (weeks,) = span.four_weeks
            found = self._against(measure, sites, span.days, weeks)
            if measure.per is not None or measure.at_end or found.value is None or found.base is None:
                return found
            each, base_each = found.value / len(span.days), found.base / len(weeks)
            return Change(measure.unit, each, base_each, found.sites, found.of_sites)
        days, earlier = _counted(measure, span.days), [_counted(measure, week) for week in span.four_weeks]
        whole = [self.sums(sites, days) for days in earlier if sites and len(self.whole(sites, days)) == len(sites)]
        found_weeks = [sums for sums in whole if measure.is_known(sums)]
        value, base = None, None
        if found_weeks:
            total = _added(found_weeks, self.book.columns)
            mean = {name: None if one is None else one / len(found_weeks) for name, one in total.items()}
            value, base = measure.of(self.sums(sites, days)), measure.of(mean)
        return Change(measure.unit, value, base, len(sites), len(sites), len(found_weeks), len(earlier))

    def _total(self, site: str, days: Sequence[date]) -> Sums:
        key = site, days[0], days[-1]
        if key not in self._totals:
            self._totals[key] = _added([self.book.sums([site], day) for day in days], self.book.columns)
        return self._totals[key]

    def _why(self, measure: Measure, sites: Sequence[str], days: Sequence[date]) -> str:
        """The mart's reasons that name a column of the measure."""
        reasons = {reason: None for site in sites for day in days for reason in self.book.reasons(site, day)}
        naming = [
            reason for reason in reasons if any(re.search(rf"\b{column}\b", reason) for column in measure.columns)
        ]
        return first_few(naming, _NAMED, separator=SEPARATOR) or "the mart has no value and gives no reason"


def unknown_in(figures: Mapping[str, PeriodFigure], what: str) -> Iterator[Caveat]:
    """A caveat for each reason why figures are not known. Args: what: the first words, such as `Not known`."""
    unknown = [(figure.unknown, figure.measure.label) for figure in figures.values() if figure.unknown]
    for reason in dict.fromkeys(reason for reason, _ in unknown):
        labels = ", ".join(label for found, label in unknown if found == reason)
        yield Caveat("warning", f"{what}: {labels}: {reason}.")


def _counted(measure: Measure, days: Sequence[date]) -> Sequence[date]:
    """The days of a span that a measure sums: the last one only for a level."""
    return days[-1:] if measure.at_end else days


def _added(parts: Sequence[Sums], columns: Sequence[str]) -> Sums:
    """Sums of each column, 0 without parts; None if a part is None."""
    total: dict[str, Decimal | None] = {}
    for name in columns:
        values = [part[name] for part in parts]
        known = [value for value in values if value is not None]
        total[name] = sum(known, Decimal(0)) if len(known) == len(values) else None
    return total
