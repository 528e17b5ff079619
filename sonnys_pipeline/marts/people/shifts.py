"""Clock entries as shifts: the site and business day of each, its hours and its cost.

The business day is that of the clock-in: the partition of `clock_entries` that the entry is landed in. Hours that the
API gives win over the clock, since a person may have corrected them. An open shift has none, or 0; it counts up to the
reading.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

import pyarrow as pa

from sonnys_pipeline.calendar.site_history import SiteHistory, SiteZone, midnight
from sonnys_pipeline.lake.engines.sessions import Engine, Session

#: Asset with the clock entries, by the day of their clock-in.
CLOCK_ENTRIES = "clock_entries"
#: Columns of `clock_entries` that shifts are made of, besides the partition's day `date`.
SHIFT_INPUT = pa.schema(
    [
        ("employee_id", pa.string()),
        ("clock_in", pa.timestamp("us", tz="UTC")),
        ("clock_out", pa.timestamp("us", tz="UTC")),
        ("regular_rate", pa.float64()),
        ("regular_hours", pa.float64()),
        ("overtime_rate", pa.float64()),
        ("overtime_hours", pa.float64()),
        ("site_code", pa.string()),
        ("read_at", pa.timestamp("us", tz="UTC")),
    ]
)

#: Why labor of a site is not known.
NOT_OVER = f"{CLOCK_ENTRIES}: read before the day was over at this site"

_UNKNOWN_DAYS = pa.schema([("business_date", pa.date32()), ("site", pa.string()), ("reason", pa.string())])
_PLACES = pa.schema(
    [
        ("business_date", pa.date32()),
        ("name", pa.string()),
        ("site", pa.string()),
        ("timezone", pa.string()),
        ("is_physical", pa.bool_()),
    ]
)

# Amounts are decimals, so that sums are exact. `clock_hours` is rounded to 1/10,000 hour in integers.
_SHIFTS = """
    WITH placed AS (
        SELECT
            entries.date AS business_date,
            coalesce(places.site, trim(coalesce(site_code, ''))) AS site,
            places.timezone,
            employee_id,
            epoch_us(clock_in) AS in_us,
            greatest(epoch_us(coalesce(clock_out, read_at)), epoch_us(clock_in)) AS out_us,
            clock_out IS NULL AS open,
            TRY_CAST(regular_hours AS DECIMAL(10, 4)) AS regular_said,
            TRY_CAST(overtime_hours AS DECIMAL(10, 4)) AS overtime_said,
            TRY_CAST(regular_rate AS DECIMAL(10, 4)) AS regular_rate,
            TRY_CAST(overtime_rate AS DECIMAL(10, 4)) AS overtime_rate
        FROM entries
        LEFT JOIN places ON places.business_date = entries.date AND places.name = lower(trim(site_code))
    ),
    counted AS (
        SELECT
            *,
            CAST((2 * 10000 * CAST(out_us - in_us AS HUGEINT) + 3600000000) // 7200000000 AS DECIMAL(13, 0))
                * CAST(0.0001 AS DECIMAL(5, 4)) AS clock_hours,
            coalesce(regular_said, overtime_said) IS NULL
                OR (open AND coalesce(regular_said, 0) = 0 AND coalesce(overtime_said, 0) = 0) AS by_clock
        FROM placed
    ),
    worked AS (
        SELECT
            * EXCLUDE (regular_said, overtime_said, clock_hours, by_clock),
            CAST(CASE WHEN by_clock THEN clock_hours ELSE coalesce(regular_said, 0) END AS DECIMAL(18, 4)) AS regular,
            CAST(CASE WHEN by_clock THEN 0 ELSE coalesce(overtime_said, 0) END AS DECIMAL(18, 4)) AS overtime
        FROM counted
    )
    SELECT
        *,
        regular + overtime AS hours,
        CASE WHEN (regular = 0 OR regular_rate IS NOT NULL) AND (overtime = 0 OR overtime_rate IS NOT NULL)
            THEN CAST(regular * coalesce(regular_rate, 0) + overtime * coalesce(overtime_rate, 0) AS DECIMAL(28, 8))
        END AS cost
    FROM worked
"""


@dataclass(frozen=True)
class ClockedDays:
    """Clock entries of some landed days.

    Attributes:
        entries: rows of `clock_entries` with the partition's day `date`, at least the columns of `SHIFT_INPUT`.
        landed: days whose clock entries are landed, also those without a row; figures of others are not known.
        read_at: when they were read, where that is known; a day that was not over at a site is not known there.
    """

    entries: pa.Table
    landed: Collection[date]
    read_at: Mapping[date, datetime] = field(default_factory=dict)


NOTHING_CLOCKED = ClockedDays(pa.schema([pa.field("date", pa.date32()), *SHIFT_INPUT]).empty_table(), ())


@contextmanager
def open_shifts(
    engine: Engine, entries: pa.Table, history: SiteHistory, days: Collection[date], **tables: pa.Table
) -> Iterator[Session]:
    """A session with the view `shifts`, `places` (names of sites by day) and other tables.

    Columns of `shifts`: `site`, `business_date`, `timezone` (null for a site that is not listed), `employee_id`,
    `in_us` and `out_us` (clock-in, and clock-out or reading), `open`, `regular`, `overtime`, `hours`, `cost`
    (dollars; null if a rate that it needs is missing).
    """
    with engine.open_tables({"entries": entries, "places": places_of(history, days), **tables}) as session:
        session.define("shifts", _SHIFTS)
        yield session


def unknown_days(
    clocked: ClockedDays, history: SiteHistory, days: Collection[date], needed: Sequence[int] = (0,)
) -> pa.Table:
    """Why labor of days is not known: `business_date`, `site`, `reason` (null if it is known).

    Args:
        clocked: the clock entries.
        history: the sites.
        days: business days.
        needed: which days a day is made of: 0 is itself, -1 the day before.

    Returns:
        A row without a site for each day, which holds for all sites that have no row of their own.
    """
    rows = []
    for day in sorted(set(days)):
        missing = [near for shift in needed if (near := day + timedelta(days=shift)) not in clocked.landed]
        if missing:
            reason = f"{CLOCK_ENTRIES}: not landed: {', '.join(one.isoformat() for one in missing)}"
            rows.append({"business_date": day, "site": None, "reason": reason})
            continue
        ends = {site.site: history.end_zone(site, day) for site in (*history.others_on(day), *history.on(day))}
        for site, zone in ({None: history.timezone} | ends).items():
            read_at = clocked.read_at.get(day)
            is_over = read_at is None or read_at >= midnight(day + timedelta(days=1), zone)
            rows.append({"business_date": day, "site": site, "reason": None if is_over else NOT_OVER})
    return pa.Table.from_pylist(rows, _UNKNOWN_DAYS)


def places_of(history: SiteHistory, days: Collection[date]) -> pa.Table:
    """Which site a code belongs to: `business_date`, `name` (folded code), `site`, `timezone`, `is_physical`."""
    return pa.Table.from_pylist([row for day in sorted(set(days)) for row in _places(history, day)], _PLACES)


def _places(history: SiteHistory, day: date) -> Iterator[dict[str, object]]:
    """Every spelling of every site's code on a day; a spelling that two sites have had is that of the valid one."""
    found: dict[str, SiteZone] = {}
    for site in (*history.others_on(day), *history.on(day)):
        found |= dict.fromkeys(history.names_of(site.key), site)
    found |= {site.site.strip().lower(): site for site in history.on(day)}
    for name, site in found.items():
        yield {
            "business_date": day,
            "name": name,
            "site": site.site,
            "timezone": site.timezone,
            "is_physical": site.is_physical,
        }
