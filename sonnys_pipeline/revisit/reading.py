"""Sends the requests of looks through the loader: many in flight, retried, on the shared budget."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.client import AuthError
from sonnys_pipeline.client.rate_limit.share import BudgetShare
from sonnys_pipeline.extract.events import FailedDay, LoadObserver
from sonnys_pipeline.extract.loader import Loader
from sonnys_pipeline.extract.pages.assemble import LoadedDay
from sonnys_pipeline.extract.protocols import DayRequest, Reads
from sonnys_pipeline.revisit.sweep import PlannedLook, day_of_span, spans

#: Share of the request budget while others use it, such as what lands days (decision 2); alone, looks use all of it.
SHARE = 0.25
#: What is read side by side: lists of up to 250 pages, counts of one request, whole days.
_OPEN = {"states": 4, "count": 60, "rows": 10}


class LookReader:
    """Reads what looks compare with. `clock` gives monotonic seconds.

    Attributes:
        requests: sent so far.
        failed: days and spans that could not be read, each with the reason.
    """

    def __init__(self, workspace: Workspace, clock: Callable[[], float] = time.monotonic) -> None:
        self._workspace = workspace
        self._clock = clock
        self._loader: Loader | None = None
        self._is_stopped = False
        self.requests = 0
        self.failed: dict[str, str] = {}

    def stop(self) -> None:
        """End soon; safe to call from a signal handler."""
        self._is_stopped = True
        if self._loader is not None:
            self._loader.stop()

    def read(self, days: Iterable[Day], reads: Reads) -> Iterator[LoadedDay]:
        """Read counts or rows of days. Raises LoadingStoppedError, AuthError."""
        yield from self._load([self._request(day, reads) for day in days], reads)

    def lists(self, looks: Sequence[PlannedLook]) -> Iterator[tuple[PlannedLook, pa.Table]]:
        """Read `version-2` of days, those that follow each other together; yields the rows of each day.

        A list that changes while it is read is read again in two halves: the API keeps its pages for ten minutes.
        Raises LoadingStoppedError, AuthError.
        """
        parts = {day_of_span(part): part for part in spans(looks)}
        requests = deque(self._request(day, "states") for day in parts)

        def halve(failed: FailedDay) -> bool:
            part = parts[failed.request.day]
            if len(part) == 1:
                return False
            middle = len(part) // 2
            for half in (part[:middle], part[middle:]):
                parts[day_of_span(half)] = half
                requests.append(replace(failed.request, day=day_of_span(half)))
            return True

        for loaded in self._load(requests, "states", halve):
            rows = _dated_rows(loaded)
            for one in parts[loaded.day]:
                yield one, _rows_of(rows, one.day)

    def _request(self, day: Day, reads: Reads) -> DayRequest:
        return DayRequest(day, sites=self._workspace.sites(as_kept=True).codes, reads=reads)

    def _load(
        self,
        requests: Sequence[DayRequest] | deque[DayRequest],
        reads: Reads,
        on_failed: Callable[[FailedDay], bool] = lambda _: False,
    ) -> Iterator[LoadedDay]:
        """Load requests, also those that `on_failed` adds; failures that it does not handle are kept."""
        if not requests or self._is_stopped:
            return
        options = self._workspace.options
        loader_options = replace(options.loader, in_order=False, max_open_days=_OPEN[reads])
        loader = self._workspace.loader(
            replace(options, keeps_pages=False, loader=loader_options),
            _Observer(self._workspace),
            self._workspace.jobs.knowledge.recall_all(options.source.api_id_digest),
            budget=BudgetShare(self._workspace.client.budget, SHARE, alone=1.0, clock=self._clock),
            clock=self._clock,
        )
        self._loader = loader
        try:
            for outcome in loader.load(_Coming(requests)):
                if isinstance(outcome, LoadedDay):
                    yield outcome
                elif isinstance(outcome.error, AuthError):
                    raise outcome.error
                elif not on_failed(outcome):
                    self.failed[outcome.request.day.key] = f"{type(outcome.error).__name__}: {outcome.error}"
        finally:
            self.requests += loader.requests


class _Coming(Iterator[DayRequest]):
    """Requests, to which others may be added while they are loaded."""

    def __init__(self, requests: Sequence[DayRequest] | deque[DayRequest]) -> None:
        self._requests = requests if isinstance(requests, deque) else deque(requests)

    def __next__(self) -> DayRequest:
        if not self._requests:
            raise StopIteration
        return self._requests.popleft()


class _Observer(LoadObserver):
    """Keeps what looks learn about the API."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def learned(self, name: str, value: object) -> None:
        """Keep it for later runs."""
        self._workspace.jobs.knowledge.remember(self._workspace.options.source.api_id_digest, name, value)


def _dated_rows(loaded: LoadedDay) -> pa.Table:
    """The rows of a list of several sites and days, each id once, with their `completeDate` as a column `date`."""
    windows = loaded.states.windows if loaded.states is not None else ()
    tables = [window.table.append_column("date", window.dates) for window in windows]
    rows = pa.concat_tables(tables)
    last = {row_id: place for place, row_id in enumerate(rows["transaction_id"].to_pylist())}
    return rows if len(last) == rows.num_rows else rows.take(pa.array(last.values(), pa.int64()))


def _rows_of(rows: pa.Table, day: Day) -> pa.Table:
    """The rows of one day; without `date`."""
    kind = rows["date"].type
    inside = pc.and_(
        pc.greater_equal(rows["date"], pa.scalar(day.start, kind)),
        pc.less(rows["date"], pa.scalar(day.end, kind)),
    )
    return rows.filter(inside).drop_columns("date")
