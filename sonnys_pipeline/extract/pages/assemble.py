"""Pages → windows → days: when is what came complete, and what lies inside a day (LJ-05, LJ-10)."""

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

#: The API reads whole seconds, and includes the end: up to here a row may lie on it.
_END_INCLUDED = timedelta(seconds=1)


class RowOfTwoSitesError(APIError):
    """One id came with different contents for two sites; which of the two rows is right nobody can say."""

    def __init__(self, row_id: str, day: str) -> None:
        """Build the error."""
        self.row_id = row_id
        self.day = day
        super().__init__(
            f"{day}: row {row_id} came for two sites with different contents; nothing was kept. Load the day again; "
            "if it stays so, report it: an id should name one transaction of the database"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all parts when the error crosses a process boundary."""
        return type(self), (self.row_id, self.day)


class RowsOutsideWindowError(APIError):
    """The API gave rows of other instants than it was asked for; cut off, they would be on no day at all.

    Attributes:
        window: what was asked for.
        strangers: how many rows lie neither inside nor on the end.
    """

    def __init__(self, window: Window, strangers: int, rows: int) -> None:
        """Build the error; `rows` is how many came in all."""
        self.window = window
        self.strangers = strangers
        self.rows = rows
        super().__init__(
            f"window {window}: {strangers} of {rows} rows are of other instants than it was asked for, going by their "
            "completeDate; nothing was kept. The API seems to read spans by another clock or zone: report it"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all parts when the error crosses a process boundary."""
        return type(self), (self.window, self.strangers, self.rows)


class ImplausibleTotalError(APIError):
    """The API promises more rows of a window than a site can have: they are not asked for, which would not end.

    Attributes:
        total: what was promised.
        most: what is believed.
    """

    def __init__(self, total: int, most: int, where: str) -> None:
        """Build the error; `where` names the window for a person."""
        self.total, self.most, self.where = total, most, where
        super().__init__(
            f"{where}: the API promises {total:,} rows, and no more than {most:,} are believed; nothing was kept. If "
            "that many are right, raise SONNYS_MOST_ROWS"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Keep all parts when the error crosses a process boundary."""
        return type(self), (self.total, self.most, self.where)


@dataclass(frozen=True)
class LoadedWindow:
    """A window as the API gave it.

    Attributes:
        window: what was asked for.
        total: rows of it as the API promised, rows on its end included, repeats not.
        job_hashes: one load job a page, in page order.
        table: its rows, each id once, cut to `[start, end)`.
        unknown_fields: fields that no model knows, counted.
        cut_off: rows that lay on the window's end, and belong to the next one.
        raw_pages: its pages as they came, in page order, where they are to be kept.
        replaced_text: places where U+FFFD stands for what was no character.
        repeats: rows that the API listed and counted more than once, with equal content; left out here.
        site: the site that its load jobs named; `None` where they named none.
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
    """The API's own count of a day beside the rows that came: a second proof that none is missing (LV-03).

    Attributes:
        counted: rows of the day by the list endpoint; `None` where that was not to be had.
        rows: rows of the day that came.
        missing: rows by which the count differs, after everything that can explain it was tried; 0 where it agrees.
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
        day: which.
        windows: its windows, in order; more than the day has of itself where one had to be read again in halves.
        table: its rows, each id once, schema `TRANSACTIONS`.
        loaded_at: aware UTC instant after the last answer.
        requests: requests spent on it.
        seconds: from its first request to its last answer.
        site: the one site that was asked for, `None` for all.
        has_raw_pages: whether its windows have their pages as they came; a window without rows may have had none.
        proof: the API's own count of the day; `None` where it was not to be asked for.
        states: what `version-2` says of the rows; `None` where it was not read.
        states_note: why it was not read, where it should have been.
        list_requests: of the requests those to list endpoints, for count and states.
        with_rows: whether the rows were asked for; else only the states were.
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

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites that its load jobs named, in order; none where they named none."""
        return tuple(dict.fromkeys(window.site for window in self.windows if window.site))

    @property
    def job_hashes(self) -> tuple[str, ...]:
        """All load jobs of the day."""
        return tuple(job_hash for window in self.windows for job_hash in window.job_hashes)

    @property
    def total(self) -> int:
        """Rows as the API promised, over all windows; a row on a window's end counts in both."""
        return sum(window.total for window in self.windows)

    @property
    def replaced_text(self) -> int:
        """Places where U+FFFD stands for what was no character, over the day."""
        return sum(window.replaced_text for window in self.windows)

    @property
    def repeats(self) -> int:
        """Rows that the API listed more than once, in a window or for two sites; they stand in the table once."""
        return sum(window.repeats for window in self.windows) + self.site_repeats

    @property
    def site_repeats(self) -> int:
        """Of them those that came for two sites."""
        came: int = sum(window.table.num_rows for window in self.windows)
        return came - int(self.table.num_rows)

    @property
    def unknown_fields(self) -> Counter[str]:
        """Fields that no model knows, counted over the day."""
        counted: Counter[str] = Counter()
        for window in self.windows:
            counted.update(window.unknown_fields)
        return counted


def complete_window(window: Window, pages: Sequence[PageRows], site: str | None = None) -> LoadedWindow:
    """Put pages together; of an id that came twice the last row wins, since a page read later is newer.

    Where the API lists a row twice with equal content, and counts it twice, it is one row (`count_copies`).

    Raises:
        IncompleteResultError: when the rows are not exactly as many as every page's `total` says.
        RowsOutsideWindowError: when a row lies neither inside the window nor on its end: no day would have it.
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
    strangers = table.num_rows - inside.num_rows - on_end
    if strangers:
        raise RowsOutsideWindowError(window, strangers, table.num_rows)
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
    # Filtering copies every nested list: not done where there is nothing to cut, which is nearly always.
    return table if pc.all(inside, min_count=0).as_py() else table.filter(inside)


def _between(table: pa.Table, start: datetime, end: datetime) -> pa.ChunkedArray:
    """For each row, whether it lies in `[start, end)`."""
    instants = table["complete_date"]
    kind = instants.type
    return pc.and_(pc.greater_equal(instants, pa.scalar(start, kind)), pc.less(instants, pa.scalar(end, kind)))


def join_windows(windows: Sequence[LoadedWindow]) -> pa.Table:
    """The rows of a day's windows, which do not overlap once they are cut; each id once.

    A row that came for two sites (an online site may show its terminals' rows, which stand at a physical site, too)
    is kept once where both copies are equal.

    Raises:
        RowOfTwoSitesError: when they are not.
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
