"""Reads the states of a day's rows from `/transaction/version-2`: plan flags, status, customer (contract, L4; LV-04).

Live load jobs lack them; the list has them at one request per 100 rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.calendar.windows import Window
from sonnys_pipeline.client import NotFoundError, TransactionV2ListItem
from sonnys_pipeline.client.models import parse_rows
from sonnys_pipeline.client.resource import NO_RESULTS, PAGE_SIZE, count_copies, read_rows, read_total, unwrap_data
from sonnys_pipeline.client.transport import Response
from sonnys_pipeline.extract.pages.page import RawPage
from sonnys_pipeline.extract.pages.pii import Privacy
from sonnys_pipeline.extract.protocols import LoadJobApi
from sonnys_pipeline.lake.states import TRANSACTION_STATES

_WHERE = "GET /transaction/version-2"
#: Columns of `transactions` that states fill in.
STATE_FIELDS = ("is_recurring_plan_sale", "is_recurring_plan_redemption", "transaction_status")
_PAGE = TRANSACTION_STATES.append(pa.field("date", pa.timestamp("us", tz="UTC"), nullable=False))


@dataclass(frozen=True)
class StatesPage:
    """One page of the list; `total` is of the whole window, `table` has `TRANSACTION_STATES` and each row's `date`."""

    total: int
    table: pa.Table
    raw: RawPage | None = None


@dataclass(frozen=True)
class StatesWindow:
    """The states of one window, of one site or of all.

    Attributes:
        total: rows that the list promised, including those on the window's end.
        table: `TRANSACTION_STATES`, each id once, cut to `[start, end)`.
        dates: the `completeDate` of each of its rows.
        raw_pages: its raw pages in page order, if they are kept.
    """

    window: Window
    site: str | None
    total: int
    table: pa.Table
    dates: pa.ChunkedArray
    raw_pages: tuple[RawPage, ...] = ()


@dataclass(frozen=True)
class LoadedStates:
    """The states of a day, each id once; `without_row`: states without a row, `rows_without`: rows without a state."""

    windows: tuple[StatesWindow, ...]
    table: pa.Table
    without_row: int = 0
    rows_without: int = 0


@dataclass(frozen=True)
class StatesReader:
    """Reads pages of the list; `keeps_pages`: whether they carry their raw body, after `privacy`."""

    privacy: Privacy
    keeps_pages: bool = False

    def read(self, api: LoadJobApi, params: Mapping[str, Any], page: int, now: datetime) -> StatesPage:
        """Read a page by one request; `ResponseFormatError` if it violates the contract."""
        try:
            answer = api.list_v2_body(**params, limit=PAGE_SIZE, offset=page)
        except NotFoundError as nothing:
            if nothing.type == NO_RESULTS and page == 1:
                return StatesPage(0, _PAGE.empty_table())
            raise
        body = self.privacy.apply_to_list(answer, _WHERE)
        read = parse_states(body, now)
        return StatesPage(read.total, read.table, RawPage.of("", now, body)) if self.keeps_pages else read


def parse_states(body: bytes, read_at: datetime) -> StatesPage:
    """A page's body as columns. Raises UnparsableRowError for the first row that does not fit, ResponseFormatError."""
    data = unwrap_data(Response(200, body, where=_WHERE).json(), _WHERE)
    raw = read_rows(data, "transactions", _WHERE)
    items = parse_rows(TransactionV2ListItem, raw)
    rows = [
        {
            "transaction_id": item.trans_id,
            "customer_id": item.customer_id,
            "is_recurring_plan_sale": item.is_recurring_plan_sale,
            "is_recurring_plan_redemption": item.is_recurring_plan_redemption,
            "transaction_status": item.transaction_status,
            "total": item.total,
            "read_at": read_at,
            "date": item.date,
        }
        for item in items
    ]
    return StatesPage(read_total(data, raw, _WHERE), pa.Table.from_pylist(rows, _PAGE))


def complete_states(window: Window, site: str | None, pages: Sequence[StatesPage]) -> StatesWindow:
    """Combine pages; of an id on two pages the later row wins. Raises IncompleteResultError as `count_copies`."""
    table = pa.concat_tables([page.table for page in pages]) if pages else _PAGE.empty_table()
    ids = [page.table["transaction_id"].to_pylist() for page in pages]
    states = table.drop_columns("read_at")  # differs between copies on two pages
    for total in {page.total for page in pages}:
        count_copies(ids, total, lambda place: states.slice(place, 1).to_pylist(), f"{_WHERE}, window {window}")
    table = _last_of_each(table)
    kind = _PAGE.field("date").type
    inside = pc.and_(
        pc.greater_equal(table["date"], pa.scalar(window.start, kind)),
        pc.less(table["date"], pa.scalar(window.end, kind)),
    )
    kept = table.filter(inside)
    cut = kept.select(TRANSACTION_STATES.names).cast(TRANSACTION_STATES)
    raw = tuple(page.raw for page in pages if page.raw is not None)
    return StatesWindow(window, site, table.num_rows, cut, kept["date"], raw)


def join_states(windows: Sequence[StatesWindow], rows: pa.Table | None = None) -> LoadedStates:
    """The states of a day's windows, compared with `rows` if given."""
    table = _last_of_each(pa.concat_tables([window.table for window in windows])).sort_by("transaction_id")
    if rows is None:
        return LoadedStates(tuple(windows), table)
    ids, states = set(rows["id"].to_pylist()), set(table["transaction_id"].to_pylist())
    return LoadedStates(tuple(windows), table, len(states - ids), len(ids - states))


def lacks_states(rows: pa.Table) -> bool:
    """Whether rows lack values that states have."""
    return bool(rows.num_rows) and any(rows[name].null_count for name in STATE_FIELDS)


def _last_of_each(table: pa.Table) -> pa.Table:
    last = {row_id: position for position, row_id in enumerate(table["transaction_id"].to_pylist())}
    return table if len(last) == table.num_rows else table.take(pa.array(last.values(), pa.int64()))
