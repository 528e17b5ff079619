"""Pages → windows → days: checks that they are complete, and cuts them to the day (LJ-05, LJ-10)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.calendar.windows import Day, Window
from sonnys_pipeline.client import APIError
from sonnys_pipeline.client.resource import count_copies
from sonnys_pipeline.extract.pages.decode import without_empty_text
from sonnys_pipeline.extract.pages.page import PageRows, RawPage
from sonnys_pipeline.extract.pages.states import LoadedStates
from sonnys_pipeline.lake.schema import TRANSACTIONS

#: The API includes the end and compares whole seconds, so rows may be up to a second later.
_END_INCLUDED = timedelta(seconds=1)
#: Why a day was read where nobody says more.
REREAD = "re-read"


class RowOfTwoSitesError(APIError):
    """One id has different contents for two sites; it is unknown which row is right."""

    def __init__(self, row_id: str, day: str) -> None:
        self.row_id = row_id
        self.day = day
        super().__init__(
            f"{day}: row {row_id} differs between two sites; nothing was kept. Load the day again, and report it if "
            "it persists: an id should identify one transaction of the database"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.row_id, self.day)


class RowsOutsideWindowError(APIError):
    """The API returned rows outside the requested window; cutting them off would lose them."""

    def __init__(self, window: Window, rows_outside: int, rows: int) -> None:
        self.window = window
        self.rows_outside = rows_outside
        self.rows = rows
        super().__init__(
            f"window {window}: {rows_outside} of {rows} rows have a completeDate outside it; nothing was kept. "
            "The API may read spans in another time zone: report it"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.window, self.rows_outside, self.rows)


class ImplausibleTotalError(APIError):
    """The API promises more rows of a window than a site can have; they are not requested."""

    def __init__(self, total: int, most: int, where: str) -> None:
        self.total, self.most, self.where = total, most, where
        super().__init__(
            f"{where}: the API promises {total:,} rows, more than the limit of {most:,}; nothing was kept. If the "
            "number is right, raise SONNYS_MOST_ROWS"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.total, self.most, self.where)


@dataclass(frozen=True)
class LoadedWindow:
    """A complete window.

    Attributes:
        total: rows that the API promised, including those on its end, without copies.
        job_hashes: one load job per page, in page order.
        table: its rows, each id once, cut to `[start, end)`.
        unknown_fields: fields that no model knows, counted.
        cut_off: rows on the window's end, which belong to the next one.
        raw_pages: its raw pages in page order, if they are kept.
        replaced_text: places where U+FFFD replaces an invalid character.
        repeats: copies that the API listed and counted, with equal content; not in `table`.
        site: the site that its load jobs named, if any.
    """

    window: Window
    total: int
    job_hashes: tuple[str, ...]
    table: pa.Table
    unknown_fields: Mapping[str, int] = field(default_factory=dict)
    cut_off: int = 0
    raw_pages: tuple[RawPage, ...] = ()
    replaced_text: int = 0
    repeats: int = 0
    site: str | None = None


@dataclass(frozen=True)
class CountProof:
    """The API's own count of a day compared with the loaded rows: a second proof that none is missing (LV-03).

    Attributes:
        counted: rows according to the list endpoint; `None` if not counted.
        missing: unexplained difference; 0 if the count agrees.
        note: why nothing was counted, or where missing rows may be.
    """

    counted: int | None
    rows: int
    missing: int = 0
    note: str = ""


@dataclass(frozen=True)
class LoadedDay:
    """A complete day.

    Attributes:
        windows: its windows, in order; more than the day's own if some were split.
        table: its rows, each id once, schema `TRANSACTIONS`.
        loaded_at: aware UTC, after the last response.
        seconds: from first request to last response.
        site: the only requested site, `None` for all.
        has_raw_pages: whether raw pages are kept; an empty window may have none.
        states: states of the rows from `version-2`; `None` if not read, and then `states_note` may say why.
        list_requests: of `requests`, those to list endpoints for count and states.
        with_rows: whether rows were requested; else only the states or counts.
        counts: rows of each site (`None`: of all sites) according to the list endpoint, if only these were requested.
        found_by: by which look a landed day was found to need this read: `full`, `states`, `count`, `morning` and so
            on; for `transaction_changes`.
        moved: ids that left or came: id → the other day (partition key) that has or had it.
        deleted: landed ids that the API no longer has.
    """

    day: Day
    windows: tuple[LoadedWindow, ...]
    table: pa.Table
    loaded_at: datetime
    requests: int
    seconds: float
    site: str | None = None
    has_raw_pages: bool = False
    proof: CountProof | None = None
    states: LoadedStates | None = None
    states_note: str = ""
    list_requests: int = 0
    with_rows: bool = True
    counts: Mapping[str | None, int] | None = None
    found_by: str = REREAD
    moved: Mapping[str, str] = field(default_factory=dict)
    deleted: frozenset[str] = frozenset()

    @property
    def differs_from_count(self) -> bool:
        """Whether the API's own count says that rows are missing, or that too many came."""
        return self.proof is not None and self.proof.missing != 0

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites that its load jobs named, in order."""
        return tuple(dict.fromkeys(window.site for window in self.windows if window.site))

    @property
    def job_hashes(self) -> tuple[str, ...]:
        """All load jobs of the day."""
        return tuple(job_hash for window in self.windows for job_hash in window.job_hashes)

    @property
    def total(self) -> int:
        """Rows that the API promised, over all windows; a row on a window's end counts in both."""
        return sum(window.total for window in self.windows)

    @property
    def replaced_text(self) -> int:
        """Places where U+FFFD replaces an invalid character."""
        return sum(window.replaced_text for window in self.windows)

    @property
    def repeats(self) -> int:
        """Copies that the API listed, in a window or for two sites."""
        return sum(window.repeats for window in self.windows) + self.site_repeats

    @property
    def site_repeats(self) -> int:
        """Of these, rows loaded for two sites."""
        came: int = sum(window.table.num_rows for window in self.windows)
        return came - int(self.table.num_rows)

    @property
    def unknown_fields(self) -> Counter[str]:
        """Fields that no model knows, counted."""
        counted: Counter[str] = Counter()
        for window in self.windows:
            counted.update(window.unknown_fields)
        return counted


def complete_window(window: Window, pages: Sequence[PageRows], site: str | None = None) -> LoadedWindow:
    """Combine pages; of an id on two pages the later row wins, copies are dropped (`count_copies`).

    Raises IncompleteResultError when `total` promises other rows, and RowsOutsideWindowError.
    """
    table = pa.concat_tables([page.table for page in pages]) if pages else TRANSACTIONS.empty_table()
    last = {row_id: position for position, row_id in enumerate(row_id for page in pages for row_id in page.ids)}
    ids = [page.ids for page in pages]
    repeats = 0
    for total in sorted({page.total for page in pages}):
        repeats = count_copies(ids, total, lambda place: table.slice(place, 1).to_pylist(), f"window {window}")
    if len(last) < table.num_rows:
        table = table.take(pa.array(last.values(), pa.int64()))
    counted: Counter[str] = Counter()
    for page in pages:
        counted.update(page.unknown_fields)
    inside = cut(table, window)
    on_end = pc.sum(_between(table, window.end, window.end + _END_INCLUDED), min_count=0).as_py()
    rows_outside = table.num_rows - inside.num_rows - on_end
    if rows_outside:
        raise RowsOutsideWindowError(window, rows_outside, table.num_rows)
    return LoadedWindow(
        window,
        len(last),
        tuple(page.job_hash for page in pages if page.job_hash),
        without_empty_text(inside),
        counted,
        on_end,
        tuple(page.raw for page in pages if page.raw is not None),
        site=site,
        replaced_text=sum(page.replaced_text for page in pages),
        repeats=repeats,
    )


def cut(table: pa.Table, window: Window) -> pa.Table:
    """The rows inside `[start, end)`; the API includes both ends (contract, "Time")."""
    inside = _between(table, window.start, window.end)
    # Filtering copies every nested list, and there is rarely anything to cut.
    return table if pc.all(inside, min_count=0).as_py() else table.filter(inside)


def _between(table: pa.Table, start: datetime, end: datetime) -> pa.ChunkedArray:
    instants = table["complete_date"]
    kind = instants.type
    return pc.and_(pc.greater_equal(instants, pa.scalar(start, kind)), pc.less(instants, pa.scalar(end, kind)))


def join_windows(windows: Sequence[LoadedWindow]) -> pa.Table:
    """The rows of a day's windows, each id once; `RowOfTwoSitesError` if copies differ.

    A row may be loaded for two sites (an online site may show its terminals' rows); equal copies are kept once.
    """
    if not windows:
        return TRANSACTIONS.empty_table()
    table = pa.concat_tables([window.table for window in windows])
    if len({window.site for window in windows}) < 2:
        return table
    first: dict[str, int] = {}
    again: list[tuple[int, int]] = []
    for position, row_id in enumerate(table["id"].to_pylist()):
        if (known := first.setdefault(row_id, position)) != position:
            again.append((known, position))
    for known, position in again:
        if not table.slice(known, 1).equals(table.slice(position, 1)):
            raise RowOfTwoSitesError(table["id"][position].as_py(), f"{windows[0].window.start:%Y-%m-%d}")
    return table.take(pa.array(first.values(), pa.int64())) if again else table
