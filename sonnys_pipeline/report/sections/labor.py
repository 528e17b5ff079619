"""Labor of a report's day from landed clock entries; it needs no mart, so that no figure is older than the entries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal

import pyarrow as pa

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError
from sonnys_pipeline.marts.people.entries import read_entries
from sonnys_pipeline.marts.people.labor import NO_CARS, labor_daily
from sonnys_pipeline.marts.unknown import SEPARATOR
from sonnys_pipeline.report.build import sorted_by_name
from sonnys_pipeline.report.caveats import Caveat
from sonnys_pipeline.report.sections.labor_figures import Labor, Row, line_of
from sonnys_pipeline.runtime.text import first_few

#: Row of shifts that name no site.
NO_SITE_NAME = "Shifts without a site"
_WEEK = timedelta(weeks=1)
#: Sites named in one sentence.
_NAMED = 5


def labor_of(
    lake: Lake,
    business_date: date,
    site_days: pa.Table,
    sites: pa.Table,
    timezone: str,
    names: Mapping[str, str],
) -> tuple[Labor | None, Sequence[Caveat]]:  # fmt: skip
    """Labor of a business day, and what a reader should know of it; no labor if its clock entries are not landed.

    Args:
        lake: the lake with `clock_entries`.
        business_date: local to each site.
        site_days: `site_day_kpis` with the codes of this day: `site`, `business_date`, `total_cars`, `sales`.
        sites: rows of `sites`.
        timezone: IANA name of the pipeline's zone.
        names: names of the sites by code.

    Raises:
        UnreachableLakeError: the store does not answer. Damaged clock entries are a caveat, so that the report is made.
    """
    week_before = business_date - _WEEK
    try:
        clocked = read_entries(lake, [week_before.isoformat(), business_date.isoformat()])
    except UnreachableLakeError:
        raise
    except LakeError as error:
        return None, [Caveat("warning", f"Labor is not shown: {error}")]
    if business_date not in clocked.landed:
        return None, ()
    cars = site_days.select(["site", "business_date", "total_cars", "sales"])
    rows = labor_daily(clocked, cars, sites, clocked.landed, timezone).to_pylist()
    before = [row for row in rows if row["business_date"] == week_before]
    shown = [row for row in rows if row["business_date"] == business_date and is_shown(row)]
    own = [row for row in shown if row["shifts"] is not None]
    by_site = {row["site"]: row for row in own}
    # The empty code is that of the online store, too, where nobody clocks in.
    named = {code: (names.get(code) or code) if code else NO_SITE_NAME for code in by_site}
    lines = tuple(
        line_of(named[code], [by_site[code]], [row for row in before if row["site"] == code])
        for code in sorted_by_name(named, by_site)
    )
    unread = [names.get(row["site"]) or row["site"] for row in shown if row["shifts"] is None]
    caveats = [*_caveats(own, named), *([_not_over(unread)] if unread else ())]
    total = line_of("All sites with data" if unread else "All sites", own, before)
    return (Labor(lines, total) if lines or not unread else None), caveats


def is_shown(row: Row) -> bool:
    """Sites where somebody worked, or that were open: not those that are listed and were closed."""
    return bool(row["shifts"] or row["total_cars"])


def _not_over(names: Sequence[str]) -> Caveat:
    return Caveat(
        "warning",
        f"Labor is not known at {first_few(names, _NAMED)}: the clock entries were read before the day was over there. "
        "Read the day's clock entries again.",
    )


def still_open(rows: Sequence[Row], names: Mapping[str, str]) -> Iterator[Caveat]:
    """Shifts that nobody clocked out, with their sites and their hours up to the reading."""
    if where := _where(rows, names, lambda row: row["open_shifts"]):
        shifts = sum(row["open_shifts"] for row in rows)
        hours = sum((row["open_hours"] for row in rows), Decimal(0))
        what, them = ("1 shift is", "it") if shifts == 1 else (f"{shifts:,} shifts are", "them")
        yield Caveat(
            "warning",
            f"{what} not clocked out ({where}): labor has {hours:,.1f} hours of {them} up to the reading. Correct the "
            "entries, then read the clock entries of their days again.",
        )


def _caveats(rows: Sequence[Row], names: Mapping[str, str]) -> Iterator[Caveat]:
    yield from still_open(rows, names)
    if where := _where(rows, names, lambda row: row["total_cars"] and not row["shifts"]):
        yield Caveat("info", f"Cars, but nobody clocked in: {where}.")
    reasons = {reason for row in rows for reason in (row["unknown"] or "").split(SEPARATOR) if reason}
    # Cars that are not known are a caveat of their own, and a missing site is named there.
    for reason in sorted(reasons - {NO_CARS}):
        where = first_few([names[row["site"]] for row in rows if reason in (row["unknown"] or "")], _NAMED)
        yield Caveat("info", f"Labor is known in part: {where}: {reason}.")


def _where(rows: Sequence[Row], names: Mapping[str, str], applies: Callable[[Row], object]) -> str:
    return first_few(list(dict.fromkeys(names[row["site"]] for row in rows if applies(row))), _NAMED)
