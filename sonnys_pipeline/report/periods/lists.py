"""Sections of a week or month that are made of lists: members and labor. A list that is not landed is a sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa

from sonnys_pipeline.client.site_codes import fold
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError
from sonnys_pipeline.marts.unknown import SEPARATOR
from sonnys_pipeline.report import formatting
from sonnys_pipeline.report.caveats import Caveat
from sonnys_pipeline.report.periods.figures import Period, unknown_in
from sonnys_pipeline.report.periods.spans import Span
from sonnys_pipeline.runtime.text import first_few

#: Days named in one sentence.
_NAMED = 3
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Section:
    """What a list says of a span.

    Attributes:
        note: what the figures are compared with; or why there are none.
        period: figures of all sites and of each; None if no day of the span is landed.
        caveats: what is not known, and why.
        parts: the same figures by plan; None if there is one plan only.
    """

    note: str
    period: Period | None = None
    caveats: tuple[Caveat, ...] = ()
    parts: Period | None = None

    @property
    def is_compared(self) -> bool:
        """Whether any figure has one of the period before."""
        return self.period is not None and any(one.before.base is not None for one in self.period.figures.values())


@dataclass(frozen=True, slots=True)
class Chain:
    """The sites of a report: names by code, and the code on the report's last day by folded code of any time."""

    names: Mapping[str, str]
    code_of: Mapping[str, str]

    def code(self, code: str | None) -> str:
        """The code that a site has on the report's last day; empty for no site."""
        return self.code_of.get(fold(code), code or "")


def readable_section(what: str, make: Callable[[], Section]) -> Section:
    """A section; if its files are damaged, a sentence and a caveat, so that the page is made without it.

    Raises:
        UnreachableLakeError: the store does not answer.
    """
    try:
        return make()
    except UnreachableLakeError:
        raise
    except LakeError as error:
        text = f"{what} cannot be shown: {error}."
        return Section(text, caveats=(Caveat("warning", text),))


def compared(period: Period) -> str:
    """What a section's changes are relative to, as a sentence."""
    before = period.span.compared_before[1]
    changes = [figure.before for figure in period.figures.values() if figure.before.base is not None]
    days = formatting.days(before[0], before[-1])
    if not changes:
        return f"Nothing is compared: {days} is not known."
    sites = min(change.sites for change in changes)
    partly = f", at {sites} of {changes[0].of_sites} sites" if any(change.is_partial for change in changes) else ""
    return f"Changes are relative to {days}{partly}."


def landed_by_site(lake: Lake, asset: str, span: Span, columns: Sequence[str], chain: Chain) -> list[Row]:
    """Rows of a mart of the days that a span shows, as far as landed; each site by its code in the report.

    Raises:
        LakeError: a file cannot be read.
    """
    wanted = {day.isoformat() for day in span.days_shown}
    keys = sorted(wanted & set(lake.partitions(asset)))
    rows = lake.read(asset, keys, columns).to_pylist() if keys else []
    return [{**row, "site": chain.code(row["site"])} for row in rows]


def summed(rows: Iterable[Row], by: str, columns: Sequence[str]) -> list[Row]:
    """Sums of rows by `site` (which is the value of `by`) and `business_date`; None if a part is None.

    Of the mart's reasons those are kept that say why a figure is null.
    """
    groups: dict[tuple[str, date], list[Row]] = {}
    for row in rows:
        groups.setdefault((row[by] or "", row["business_date"]), []).append(row)
    return [
        {
            "site": key,
            "business_date": day,
            "unknown": SEPARATOR.join(dict.fromkeys(reason for row in parts for reason in null_reasons(row))) or None,
            **{name: _sum(row[name] for row in parts) for name in columns},
        }
        for (key, day), parts in groups.items()
    ]


def null_reasons(row: Row) -> list[str]:
    """The mart's reasons for figures that are null; it names them in brackets at the end."""
    return [reason for reason in (row["unknown"] or "").split(SEPARATOR) if reason.endswith(")")]


def partial_reasons(row: Row) -> list[str]:
    """The mart's reasons for figures that cover a part only."""
    return [reason for reason in (row["unknown"] or "").split(SEPARATOR) if reason and not reason.endswith(")")]


def unknown_figures(period: Period, what: str) -> Iterator[Caveat]:
    """A caveat for each reason why figures of all sites are not known, without the columns, which the figures say.

    Args:
        period: its figures.
        what: the first words of each caveat.
    """
    plain = {
        key: replace(figure, unknown=figure.unknown and SEPARATOR.join(_plain(figure.unknown)))
        for key, figure in period.figures.items()
    }
    yield from unknown_in(plain, what)


def _plain(reasons: str) -> list[str]:
    parts = reasons.split(SEPARATOR)
    return list(dict.fromkeys(re.sub(r" \([\w, ]+\)$", "", part) for part in parts))


def not_landed(asset: str, days: Sequence[date], columns: Sequence[str]) -> str:
    """The reason why figures of days without a file are not known."""
    named = first_few([formatting.short_day(day) for day in days], _NAMED)
    return f"{asset}: not landed: {named} ({', '.join(columns)})"


def as_table(rows: Iterable[Row], columns: Sequence[str]) -> pa.Table:
    """Rows for a `DayBook`: exact decimals, whatever the mart's types are."""
    schema = pa.schema(
        [
            ("site", pa.string()),
            ("business_date", pa.date32()),
            ("unknown", pa.string()),
            *((name, pa.decimal128(38, 9)) for name in columns),
        ]
    )
    exact = [{**row, **{name: _exact(row[name]) for name in columns}} for row in rows]
    return pa.Table.from_pylist(exact, schema)


def _sum(values: Iterable[Any]) -> Decimal | None:
    found = [_exact(value) for value in values]
    known = [value for value in found if value is not None]
    return sum(known, Decimal(0)) if len(known) == len(found) else None


def _exact(value: Any) -> Decimal | None:  # noqa: ANN401 - a number of any kind
    return None if value is None else Decimal(str(value))
