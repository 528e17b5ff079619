"""Read a span of days of a list, and land each (RS-02)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sonnys_pipeline.client import IncompleteResultError, NotFoundError, SonnysClient
from sonnys_pipeline.client.lists.models import ClockEntry, StatusChange
from sonnys_pipeline.client.lists.spans import CLOCK_DAYS
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.schema import row_of
from sonnys_pipeline.landing.dimensions.asking import read_list
from sonnys_pipeline.landing.dimensions.read import SHARE, ListSource
from sonnys_pipeline.landing.facts.land import DaySource, LandedDay, SitePlaces, by_day, land_day, under_policy
from sonnys_pipeline.landing.facts.tables import CLOCK_ENTRIES, STATUS_CHANGES, Fact

#: Days beside a span: local days begin up to 14 hours before and end up to 12 hours after those of UTC.
_MARGIN = timedelta(days=1)
#: Days of clock entries that one request takes, without the margins.
CLOCK_SPAN = CLOCK_DAYS - 2
#: Requests that are under way together; the shared budget decides when each is sent.
_THREADS = 8
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class DaysRead:
    """What a reading landed.

    Attributes:
        days: by day, in order.
        requests: that it cost.
        undated: rows without an instant, which are in no day.
        cleaned: earlier days that were brought under a stricter policy.
    """

    days: dict[date, LandedDay] = field(default_factory=dict)
    requests: int = 0
    undated: int = 0
    cleaned: int = 0


def read_and_land_days(
    lake: Lake, fact: Fact, of: ListSource, days: Sequence[date], now: datetime, *, accept_empty: bool = False
) -> DaysRead:
    """Read the span of some days, and land each of them, also those without rows.

    A fortnight is landed before the next one is read, so that an interruption loses little. Two readings of one list
    wait for each other.

    Raises:
        SonnysError: the API refuses, or cannot be reached; landed days stay, and answers are kept for six hours.
        OtherSourceError, RowsWouldVanishError, LakeError: as `land_day`.
    """
    source = DaySource(of.source, of.timezone, of.policy)
    landed: dict[date, LandedDay] = {}
    undated = 0
    with lake.writing(f"{fact.asset}-reading"):
        kept = of.kept(lake, fact.asset, now)
        client = of.client.beside_others(SHARE).through(kept)
        with lake.writing(fact.asset):
            cleaned = under_policy(lake, fact, source)
        places = SitePlaces(lake, of.timezone)
        for part in parts_of(sorted(days)):
            try:
                rows = _rows(lake, fact, client, of, part, kept.begun_at)
            except IncompleteResultError:
                kept.clear()  # pages of before and after an interruption may not fit
                raise
            found = by_day(rows, fact, places)
            undated += len(found.get(None, ()))
            with lake.writing(fact.asset):
                for day in part:
                    there = found.get(day, [])
                    landed[day] = land_day(
                        lake, fact, day, there, source, read_at=kept.begun_at, accept_empty=accept_empty
                    )
        kept.clear()
    return DaysRead(landed, client.requests_sent, undated, cleaned)


def parts_of(days: Sequence[date]) -> Iterator[list[date]]:
    """Days in groups that one request for clock entries takes."""
    part: list[date] = []
    for day in days:
        if part and (day - part[0]).days >= CLOCK_SPAN:
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
    """Entries of all employees that are listed, and of those that landed days have; an unknown one's landed stay."""
    keys = [day.isoformat() for day in days if lake.has(CLOCK_ENTRIES.asset, day.isoformat())]
    landed = lake.read(CLOCK_ENTRIES.asset, keys).drop_columns("date").to_pylist() if keys else []
    numbers = list(dict.fromkeys([one.employee_id for one in client.employees.list()]))
    numbers += sorted({row["employee_id"] for row in landed} - set(numbers))

    read: Callable[..., Sequence[ClockEntry]] = client.employees.clock_entries

    def entries(number: str) -> list[dict[str, Any]]:
        try:
            return [row_of(one) for one in read(number, start=first, end=last)]
        except NotFoundError:
            return [row for row in landed if row["employee_id"] == number]

    with ThreadPoolExecutor(_THREADS) as pool:
        return [row for rows in pool.map(entries, numbers) for row in rows]
