"""Read a span of days of a list, and land each (RS-02)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sonnys_pipeline.calendar.site_history import midnight
from sonnys_pipeline.calendar.windows import last_complete_day
from sonnys_pipeline.client import IncompleteResultError, NotFoundError, SonnysClient
from sonnys_pipeline.client.lists.models import ClockEntry, StatusChange
from sonnys_pipeline.client.resource import AT_ONCE
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, RowsWouldVanishError
from sonnys_pipeline.lake.schema import row_of
from sonnys_pipeline.landing.dimensions.asking import read_list
from sonnys_pipeline.landing.dimensions.read import ALONE, SHARE, ListSource
from sonnys_pipeline.landing.facts.land import (
    DaySource,
    DaysRefusedError,
    LandedDay,
    SitePlaces,
    by_day,
    lacking_rows,
    land_days,
    under_policy,
)
from sonnys_pipeline.landing.facts.tables import CLOCK_ENTRIES, STATUS_CHANGES, Fact
from sonnys_pipeline.runtime.in_flight import in_flight

#: Days beside a span: local days begin up to 14 hours before and end up to 12 hours after those of UTC.
_MARGIN = timedelta(days=1)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class DaysRead:
    """What a reading landed.

    Attributes:
        days: by day, in order.
        requests: that it cost.
        undated: rows without an instant, which are in no day.
        cleaned: earlier days that were brought under a stricter policy.
        outdated: landed days before a span → rows that the reading has of them, and that they lack.
    """

    days: dict[date, LandedDay] = field(default_factory=dict)
    requests: int = 0
    undated: int = 0
    cleaned: int = 0
    outdated: Mapping[date, int] = field(default_factory=dict)


def read_and_land_days(
    lake: Lake, fact: Fact, of: ListSource, days: Sequence[date], now: datetime, *, accept_empty: bool = False
) -> DaysRead:
    """Read the span of some days, and land each of them, also those without rows.

    The days of one span (`parts_of`) are landed before the next one is read, so that an interruption loses little. Two
    readings of one list wait for each other.

    Raises:
        SonnysError: the API refuses, or cannot be reached; landed days stay, and answers are kept for six hours.
        DaysRefusedError: days would lose all of their rows; the others are landed.
        OtherSourceError, LakeError: as `land_day`, or a day is not over yet in the account's zone.
    """
    if (last := max(days)) > last_complete_day(now, of.timezone):
        raise LakeError(f"{fact.asset} {last}: that day is not over yet in {of.timezone}; read it tomorrow")
    source = DaySource(of.source, of.timezone, of.policy)
    landed: dict[date, LandedDay] = {}
    refused: dict[date, RowsWouldVanishError] = {}
    undated, outdated = 0, dict[date, int]()
    with lake.writing(f"{fact.asset}-reading"):
        kept = of.kept(lake, fact.asset, now)
        if kept.begun_at < midnight(last + _DAY, of.timezone):
            kept.clear()  # the interrupted reading began before the last day had ended, so it lacks the rest of it
            kept = of.kept(lake, fact.asset, now)
        client = of.client.beside_others(SHARE, ALONE).through(kept)
        with lake.writing(fact.asset):
            cleaned = under_policy(lake, fact, source)
        places = SitePlaces(lake, of.timezone)
        for part in parts_of(sorted(days), fact.longest):
            try:
                rows = _rows(lake, fact, client, of, part, kept.begun_at)
            except IncompleteResultError:
                kept.clear()  # pages of before and after an interruption may not fit
                raise
            found = by_day(rows, fact, places)
            undated += len(found.get(None, ()))
            wanted = {day: found.get(day, []) for day in part}
            done, left = land_days(lake, fact, wanted, source, read_at=kept.begun_at, accept_empty=accept_empty)
            landed |= done
            refused |= left
            if (before := part[0] - _DAY) not in landed:
                outdated[before] = lacking_rows(lake, fact, before, found.get(before, []), source)
        kept.clear()
    if refused:
        raise DaysRefusedError(landed, refused, client.requests_sent)
    outdated = {day: number for day, number in outdated.items() if number}
    return DaysRead(landed, client.requests_sent, undated, cleaned, outdated)


def parts_of(days: Sequence[date], longest: int | None) -> Iterator[list[date]]:
    """Ordered days in groups that span at most `longest` days; None for one group."""
    part: list[date] = []
    for day in days:
        if part and longest is not None and (day - part[0]).days >= longest:
            yield part
            part = []
        part.append(day)
    if part:
        yield part


def _rows(
    lake: Lake, fact: Fact, client: SonnysClient, of: ListSource, days: Sequence[date], now: datetime
) -> list[dict[str, Any]]:
    first, last = days[0] - _MARGIN, days[-1] + _MARGIN
    if fact is CLOCK_ENTRIES:
        return _clock_entries(lake, client, days, first, min(last, now.date() + _MARGIN))
    if fact is STATUS_CHANGES:
        read: Callable[..., Sequence[StatusChange]] = client.recurring_accounts.status_changes
        start, end = datetime.combine(first, time.min, UTC), datetime.combine(last + _DAY, time.min, UTC)
        span = {"start": start, "end": min(end, now)}
        return [row_of(one) for one in read_list(lambda **more: read(**span, **more), of.sites)]
    outcomes = client.sales_outcomes.list
    until = min(last, now.astimezone(UTC).date())
    return [row_of(one) for one in read_list(lambda **more: outcomes(start=first, end=until, **more), of.sites)]


def _clock_entries(
    lake: Lake, client: SonnysClient, days: Sequence[date], first: date, last: date
) -> list[dict[str, Any]]:
    """Entries of all employees that are listed, and of those that landed days have.

    The answer 404 of a listed employee means no entries (contract, "Errors"); those of one who is not listed stay.
    """
    keys = [day.isoformat() for day in days if lake.has(CLOCK_ENTRIES.asset, day.isoformat())]
    landed = lake.read(CLOCK_ENTRIES.asset, keys).drop_columns("date").to_pylist() if keys else []
    listed = list(dict.fromkeys([one.employee_id for one in client.employees.list()]))
    others = sorted({row["employee_id"] for row in landed} - set(listed))

    read: Callable[..., Sequence[ClockEntry]] = client.employees.clock_entries

    def entries(number: str) -> list[dict[str, Any]]:
        try:
            return [row_of(one) for one in read(number, start=first, end=last)]
        except NotFoundError:
            return [row for row in landed if row["employee_id"] == number] if number in others else []

    return [row for rows in in_flight(entries, [*listed, *others], AT_ONCE) for row in rows]
