"""From a person's request for a list to a pending job with a plan (BX-02, RS-02)."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sonnys_pipeline.backfill.plan import Estimate, Plan, PlannedRow, Scope
from sonnys_pipeline.backfill.preview import RequestedDaysError, pending_job
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.calendar.windows import last_complete_day
from sonnys_pipeline.client import RequestRate, SonnysClient
from sonnys_pipeline.client.lists.spans import SIX_MONTHS
from sonnys_pipeline.client.resource import PAGE_SIZE
from sonnys_pipeline.landing.dimensions.asking import read_list
from sonnys_pipeline.landing.dimensions.tables import (
    ACCOUNTS,
    CUSTOMERS,
    DIMENSIONS,
    EMPLOYEES,
    GIFT_CARDS,
    ITEMS,
    WASHBOOKS,
    Dimension,
)
from sonnys_pipeline.landing.facts.read import parts_of
from sonnys_pipeline.landing.facts.tables import CLOCK_ENTRIES, READ_FACTS, STATUS_CHANGES, Fact
from sonnys_pipeline.ledger.models import Job, RowSpec

#: Spans that a preview sizes with one request each; the others are as large as their mean.
_SAMPLE = 20
_STATUS_PAGE, _OUTCOME_PAGE = 1000, 500
#: Details are listed by spans of four weeks: seven in the six months that lists go back.
_DETAIL_SPANS = 7
_BY_NAME: Mapping[str, Dimension | Fact] = {one.asset: one for one in (*DIMENSIONS, *READ_FACTS)}
#: What `--resource` takes beside transactions.
RESOURCES = tuple(sorted(_BY_NAME))


@dataclass(frozen=True)
class _Size:
    rows: int
    requests: int


def resource_of(name: str) -> Dimension | Fact:
    """The list that lands as an asset. Raises KeyError."""
    return _BY_NAME[name]


def preview_list(
    name: str, days: Sequence[RowSpec], workspace: Workspace, *, command: str, now: datetime | None = None
) -> tuple[Job | None, Plan]:
    """Estimate a list and make it a pending job that requires approval.

    A list that lands as a history has no days: the job reads it whole, today.

    Raises:
        RequestedDaysError: days are given for a history, or missing for a list by day, or not over yet.
        SonnysError: the API refuses, or cannot be reached.
        LedgerError: the ledger cannot be written.
    """
    now, resource = now or datetime.now(UTC), resource_of(name)
    scope = replace(workspace.scope(), resource=name)
    client, rate = workspace.client, workspace.client.budget.rate
    if isinstance(resource, Dimension):
        if days:
            raise RequestedDaysError(f"{name} is read whole; leave out --start and --end")
        size = _size_of_history(resource, client, now)
        today = RowSpec(now.astimezone(ZoneInfo(scope.timezone)).date().isoformat())
        return _job(workspace, scope, rate, [(today, size)], command)
    if not days:
        raise RequestedDaysError(f"{name} lands by day; add --start DAY and --end DAY")
    last = last_complete_day(now, scope.timezone)
    if future := [spec.day for spec in days if date.fromisoformat(spec.day) > last]:
        raise RequestedDaysError(f"{future[0]} is not over yet in {scope.timezone}: ask for days up to {last}")
    return _job(workspace, scope, rate, _sizes_of_days(resource, days, workspace), command)


def _job(
    workspace: Workspace, scope: Scope, rate: RequestRate, sizes: Sequence[tuple[RowSpec, _Size]], command: str
) -> tuple[Job, Plan]:
    rows = tuple(PlannedRow(spec.day, None, size.rows, 0, sized=True, landed_rows=None) for spec, size in sizes)
    requests = sum(size.requests for _, size in sizes)
    blocks = max(0, math.ceil(requests / rate.requests) - 1)
    estimate = Estimate(sum(row.rows for row in rows), 0, requests, math.ceil(blocks * rate.seconds), requests)
    plan = Plan(scope, rows, (), (), None, estimate)
    return pending_job(workspace.jobs, plan, [spec for spec, _ in sizes], command), plan


def _pages(rows: int, page: int = PAGE_SIZE) -> int:
    return max(1, math.ceil(rows / page))


def _size_of_history(dimension: Dimension, client: SonnysClient, now: datetime) -> _Size:
    """Rows of the last six months where a list goes back so far, and the requests of a first reading of them."""
    span = {"start": now - SIX_MONTHS, "end": now}
    if dimension is EMPLOYEES:
        employees = len(client.employees.list())
        return _Size(employees, 1 + employees)
    counts: Mapping[Dimension, Callable[[], int]] = {
        ITEMS: client.items.count,
        CUSTOMERS: client.customers.count,
        ACCOUNTS: lambda: client.recurring_accounts.count(**span),
        WASHBOOKS: lambda: client.washbooks.count(**span),
        GIFT_CARDS: lambda: client.giftcards.count(**span),
    }
    rows = counts[dimension]()
    if dimension is ACCOUNTS:  # in short and in full
        return _Size(rows, 2 * _pages(rows) + _DETAIL_SPANS)
    return _Size(rows, _pages(rows))


def _sizes_of_days(fact: Fact, days: Sequence[RowSpec], workspace: Workspace) -> list[tuple[RowSpec, _Size]]:
    """The size of each day: that of the span it is read in, the requests with the first day of it."""
    parts = parts_of(sorted(date.fromisoformat(spec.day) for spec in days), fact.longest)
    sized: list[tuple[RowSpec, _Size]] = []
    size = _sizer(fact, workspace)
    for part in parts:
        whole = size(part)
        for number, day in enumerate(part):
            rows = whole.rows // len(part) + (number < whole.rows % len(part))
            sized.append((RowSpec(day.isoformat()), _Size(rows, 0 if number else whole.requests)))
    return sized


def _sizer(fact: Fact, workspace: Workspace) -> Callable[[Sequence[date]], _Size]:
    """How large a span is; the API is asked for twenty of them at most, the others are as large as these."""
    client, known = workspace.client, list[int]()
    if fact is CLOCK_ENTRIES:
        employees = len(client.employees.list())
        # Nothing counts entries: five shifts a week are assumed.
        return lambda part: _Size(round(employees * len(part) * 5 / 7), 1 + employees)

    def size(part: Sequence[date]) -> _Size:
        if len(known) < _SAMPLE:
            known.append(_count(fact, part, workspace))
        rows = known[-1] if len(known) < _SAMPLE else round(sum(known) / len(known))
        # A reading takes a day more on both sides.
        read = round(rows * (len(part) + 2) / len(part))
        return _Size(rows, _pages(read, _STATUS_PAGE if fact is STATUS_CHANGES else _OUTCOME_PAGE))

    return size


def _count(fact: Fact, part: Sequence[date], workspace: Workspace) -> int:
    client = workspace.client
    if fact is STATUS_CHANGES:
        start, end = (datetime.combine(one, time.min, UTC) for one in (part[0], part[-1] + timedelta(days=1)))
        counted = read_list(
            lambda **more: [client.recurring_accounts.count_status_changes(start=start, end=end, **more)],
            lambda: workspace.sites().codes,
        )
    else:
        counted = read_list(
            lambda **more: [client.sales_outcomes.count(start=part[0], end=part[-1], **more)],
            lambda: workspace.sites().codes,
        )
    return sum(counted)
