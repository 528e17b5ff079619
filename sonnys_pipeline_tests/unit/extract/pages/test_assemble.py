"""LJ-02, LJ-05, LJ-10, DG-02: what a page is, when a window is complete, and which of its rows belong to the day."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.client import (
    IncompleteResultError,
    JobData,
    LoadJobStatus,
    OversizeError,
    ResponseFormatError,
    TransactionJobItem,
    UnknownJobStatusError,
    UnparsableRowError,
)
from sonnys_pipeline.extract.pages.assemble import (
    LoadedDay,
    LoadedWindow,
    RowsOutsideWindowError,
    complete_window,
    cut,
    join_windows,
)
from sonnys_pipeline.extract.pages.page import PageRows, parse_page
from sonnys_pipeline.lake.schema import TRANSACTIONS, to_table
from sonnys_pipeline_tests.support.virtual_clock import answer

MakePage = Callable[..., PageRows]
MakeRow = Callable[..., dict[str, Any]]
DAY = Day.of("2026-03-10")
(WINDOW,) = DAY.windows
NOON = "2026-03-10T12:00:00.000Z"
LOADED_AT = datetime(2026, 3, 12, tzinfo=UTC)


def ids(loaded: LoadedWindow) -> list[str]:
    found: list[str] = loaded.table["id"].to_pylist()
    return found


def passed(job_hash: str, rows: list[dict[str, Any]], total: int | None = None) -> PageRows:
    """A page of these rows."""
    page = parse_page(job_hash, answer(job_hash, "pass", data=rows, total=len(rows) if total is None else total))
    assert isinstance(page, PageRows)
    return page


def test_a_passed_job_is_a_page(make_row: MakeRow) -> None:
    """Hash, `total` and ids as the answer gave them; the columns are those that the models make of the rows."""
    rows = [make_row(1), make_row(2, customerName="", employeeGreeter="Zoë"), make_row(3, tenders=[], items=[])]
    page = passed("h7", rows, 103)
    assert (page.job_hash, page.total, list(page.ids)) == ("h7", 103, ["1:1", "2:1", "3:1"])
    assert dict(page.unknown_fields) == {}
    whole = complete_window(WINDOW, [passed("h7", rows)])
    models = to_table([TransactionJobItem.model_validate(row) for row in rows], TRANSACTIONS)
    assert whole.table.equals(models)


def test_a_page_without_rows_has_its_columns() -> None:
    """An empty window is an answer like any other."""
    page = passed("h1", [])
    assert (page.total, list(page.ids), page.table.schema) == (0, [], TRANSACTIONS)


def test_null_totals_mean_no_rows(make_row: MakeRow) -> None:
    """L2: a closed site's answer is a page without rows; a null beside rows is an error that names the field."""
    nulls = {"offset": None, "limit": None, "total": None}
    for rows in ([], None):
        page = parse_page("h1", answer("h1", "pass", data=rows, **nulls))
        assert isinstance(page, PageRows)
        assert (page.total, list(page.ids), page.table.schema) == (0, [], TRANSACTIONS)
        assert complete_window(WINDOW, [page]).total == 0
    with pytest.raises(ResponseFormatError, match="load job h1: `total` should be int, not NoneType"):
        parse_page("h1", answer("h1", "pass", data=[make_row()], **nulls))


@pytest.mark.parametrize("status", [LoadJobStatus.WORKING, LoadJobStatus.FAIL])
def test_a_job_that_has_not_passed_is_told_as_it_is(status: LoadJobStatus) -> None:
    """Its status, and whatever the API said beside it."""
    said = parse_page("h1", answer("h1", status.value, reason="busy"))
    assert isinstance(said, JobData)
    assert (said.status, said.job_hash, said.body["reason"]) == (status, "h1", "busy")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"data": {"hash": "h1", "status": "queued"}}', UnknownJobStatusError),
        (b'{"data": {"hash": "h1", "status": "pass", "data": [], "total": "0"}}', ResponseFormatError),
        (b'{"data": {"hash": "h1", "status": "pass", "total": 0}}', ResponseFormatError),
        (b'{"data": {"hash": "h1", "status": "pass", "data": [], "total": -1}}', ResponseFormatError),
        (b'{"data": {"hash": "h1", "status": "pass", "data": [], "total": 2.5}}', ResponseFormatError),
        (b'{"data": {"hash": "h1", "status": "pass", "data": [], "total": true}}', ResponseFormatError),
        (b'{"data": {"hash": "h1", "status": "pass", "data": [], "total": 1000000000}}', ResponseFormatError),
        (b'{"data": {"hash": "h1", "status": "pass", "data": [], "total": 1' + b"0" * 400 + b"}}", ResponseFormatError),
        (b'{"data": []}', ResponseFormatError),
        (b"[]", ResponseFormatError),
        (b"<html>", ResponseFormatError),
        (b'{"data": {"hash": "h1", "status": "pa', ResponseFormatError),
        (b"", ResponseFormatError),
    ],
)
def test_what_the_contract_does_not_know_is_refused(body: bytes, error: type[Exception]) -> None:
    """Never a page out of something else."""
    with pytest.raises(error):
        parse_page("h1", body)


def test_a_row_that_does_not_fit_is_named(make_row: MakeRow) -> None:
    """Id, field and load job; the whole raw page stands beside them, to be kept for inspection."""
    rows = [make_row(1), make_row(2, total="abc"), make_row(3)]
    with pytest.raises(UnparsableRowError) as caught:
        passed("h7", rows)
    error = caught.value
    assert (error.row_id, error.field, error.page_hash, list(error.page)) == ("2:1", "total", "h7", rows)


def test_a_page_has_no_more_rows_than_were_asked_for(make_row: MakeRow) -> None:
    """A hundred, from the contract; what a hundred thousand would cost is not tried."""
    rows = [make_row(number) for number in range(101)]
    assert len(passed("h1", rows[:100], 101).ids) == 100
    with pytest.raises(OversizeError, match="load job h1: the page has 101 rows, but 100 were requested"):
        passed("h1", rows)


def test_fields_that_no_model_knows_are_kept_and_counted(make_row: MakeRow) -> None:
    """In the column `extra`, and by name, over pages and windows."""
    pages = [
        passed("h1", [make_row(1, loyaltyTier="gold"), make_row(2)], 3),
        passed("h2", [make_row(3, loyaltyTier=None, kiosk=7)], 3),
    ]
    window = complete_window(WINDOW, pages)
    assert window.unknown_fields == {"loyaltyTier": 2, "kiosk": 1}
    assert window.table["extra"].to_pylist() == ['{"loyaltyTier": "gold"}', None, '{"kiosk": 7, "loyaltyTier": null}']
    day = LoadedDay(DAY, (window, window), window.table, LOADED_AT, 1, 1.0)
    assert day.unknown_fields == {"loyaltyTier": 4, "kiosk": 2}


def test_pages_become_one_window(make_page: MakePage) -> None:
    """Rows of all pages in order, one hash a page, and `total` as promised."""
    loaded = complete_window(
        WINDOW, [make_page([NOON] * 3, page=1, total=5), make_page([NOON] * 2, page=2, total=5, first=4)]
    )
    assert ids(loaded) == ["1:1", "2:1", "3:1", "4:1", "5:1"]
    assert (loaded.window, loaded.total, loaded.job_hashes) == (WINDOW, 5, ("hash-1", "hash-2"))
    assert (loaded.table.schema, loaded.cut_off) == (TRANSACTIONS, 0)


def test_each_id_once_and_the_newest_wins(make_row: MakeRow) -> None:
    """A row that two pages bring is one row: the page that was read later knows it better."""
    pages = [
        passed("h1", [make_row(1, total=1.0), make_row(2, total=1.0)], 2),
        passed("h2", [make_row(2, total=9.0)], 2),
    ]
    loaded = complete_window(WINDOW, pages)
    assert list(zip(ids(loaded), loaded.table["total"].to_pylist(), strict=True)) == [("1:1", 1.0), ("2:1", 9.0)]


def test_equal_copies_that_total_counts_are_one_row(make_row: MakeRow) -> None:
    """A ticket that the API lists twice keeps no day from landing; the number of copies is told."""
    pages = [
        passed("h1", [make_row(1), make_row(2), make_row(2), make_row(2)], 5),
        passed("h2", [make_row(3, loyaltyTier="gold")], 5),
    ]
    loaded = complete_window(WINDOW, pages)
    assert (ids(loaded), loaded.total, loaded.repeats) == (["1:1", "2:1", "3:1"], 3, 2)
    assert LoadedDay(DAY, (loaded,), loaded.table, LOADED_AT, 1, 1.0).repeats == 2


def test_two_rows_of_one_id_are_named(make_row: MakeRow) -> None:
    """Also where they differ in a nested value alone."""
    other = make_row(2)
    other["items"][0]["net"] = 17.0
    with pytest.raises(IncompleteResultError, match="two different rows have the id 2:1"):
        complete_window(WINDOW, [passed("h1", [make_row(1), make_row(2), other], 3)])


def test_a_row_on_two_pages_is_no_copy(make_row: MakeRow) -> None:
    """It may have been pushed over by a row that nobody has read: the window is read again in halves."""
    pages = [passed("h1", [make_row(1), make_row(2)], 4), passed("h2", [make_row(2), make_row(3)], 4)]
    with pytest.raises(IncompleteResultError, match="promised 4 rows and 3"):
        complete_window(WINDOW, pages)


def test_a_page_that_comes_again_is_no_copies(make_row: MakeRow) -> None:
    """A server that ignores the page's number: as many rows as promised, and half of them missing."""
    pages = [passed(f"h{page}", [make_row(1), make_row(2)], 4) for page in (1, 2)]
    with pytest.raises(IncompleteResultError, match="promised 4 rows and 2"):
        complete_window(WINDOW, pages)


def test_text_that_is_no_text_is_counted(make_row: MakeRow) -> None:
    """Half an emoji and a Latin-1 byte: U+FFFD in the row, the number beside it, over pages and windows."""
    body = answer("h", "pass", data=[make_row(1, customerName="José X")], total=2)
    halved = parse_page("h1", body.replace(b" X", rb" \ud83d"))
    latin = parse_page("h2", answer("h", "pass", data=[make_row(2)], total=2).replace("é".encode(), b"\xe9"))
    window = complete_window(WINDOW, [halved, latin])
    assert window.table["customer_name"].to_pylist() == ["José \ufffd", "Jos\ufffd Núñez"]
    assert (window.replaced_text, LoadedDay(DAY, (window,) * 2, window.table, LOADED_AT, 1, 1.0).replaced_text) == (
        2,
        4,
    )


@pytest.mark.parametrize(
    ("totals", "rows", "promised", "received"),
    [
        ((4, 4), (2, 1), 4, 3),  # a row is missing
        ((2, 2), (2, 1), 2, 3),  # a row too many
        ((3, 4), (2, 1), 4, 3),  # a row arrived while the window was read
        ((4, 3), (2, 1), 4, 3),  # a row went away
        ((0,), (1,), 0, 1),
        ((1,), (0,), 1, 0),
    ],
)
def test_rows_and_every_total_must_agree(
    make_page: MakePage, totals: tuple[int, ...], rows: tuple[int, ...], promised: int, received: int
) -> None:
    """Not less, not more, and no page that says otherwise: the day may be moving, and nothing is kept of it."""
    pages = [
        make_page([NOON] * count, page=page, total=total, first=10 * page)
        for page, (total, count) in enumerate(zip(totals, rows, strict=True), start=1)
    ]
    with pytest.raises(IncompleteResultError, match="window 2026-03-10T00:00:00Z") as caught:
        complete_window(WINDOW, pages)
    assert (caught.value.promised, caught.value.received) == (promised, received)


def test_an_empty_window_may_have_no_job() -> None:
    """LJ-10: a window whose emptiness the list endpoint confirmed has no page; its rows are none, with all columns."""
    loaded = complete_window(WINDOW, [])
    assert (loaded.total, loaded.job_hashes, loaded.table.num_rows) == (0, (), 0)
    assert loaded.table.schema == TRANSACTIONS


@pytest.mark.parametrize(
    ("instant", "kept"),
    [
        ("2026-03-10T00:00:00.000Z", True),
        ("2026-03-10T23:59:59.600Z", True),
        ("2026-03-10T23:59:59.999999Z", True),
        ("2026-03-11T00:00:00.000Z", False),
        ("2026-03-11T00:00:00.999Z", False),
    ],
)
def test_a_window_is_cut_to_its_instants(make_page: MakePage, instant: str, kept: bool) -> None:
    """The API includes both ends; the window has its start, and leaves its end to the next one."""
    page = make_page([instant])
    assert cut(page.table, WINDOW).num_rows == kept
    loaded = complete_window(WINDOW, [page])
    assert ids(loaded) == (["1:1"] if kept else [])
    assert (loaded.total, loaded.cut_off) == (1, 1 - kept)


@pytest.mark.parametrize("instant", ["2026-03-09T23:59:59.999Z", "2026-03-11T00:00:01.000Z", "2026-03-11T05:00:00Z"])
def test_a_row_of_another_time_is_not_cut_off_in_silence(make_page: MakePage, instant: str) -> None:
    """Neither inside nor on the end: no day would ever have it, so the window is refused and says how many."""
    page = make_page([NOON, "2026-03-11T00:00:00.000Z", instant])
    with pytest.raises(RowsOutsideWindowError, match="1 of 3 rows") as caught:
        complete_window(WINDOW, [page])
    assert (caught.value.window, caught.value.rows_outside) == (WINDOW, 1)


def test_a_row_between_two_windows_is_one_row(make_page: MakePage) -> None:
    """On a day of 25 hours the windows meet at an instant that both bring; the second one has it."""
    day = Day.of("2026-11-01", "America/Chicago")
    meeting = ["2026-11-02T05:00:00.000Z"]
    windows = [complete_window(window, [make_page(meeting, page=place)]) for place, window in enumerate(day.windows, 1)]
    assert join_windows(windows)["id"].to_pylist() == ["1:1"]
    loaded = LoadedDay(day, tuple(windows), join_windows(windows), LOADED_AT, 4, 1.0)
    assert (loaded.total, loaded.job_hashes) == (2, ("hash-1", "hash-2"))
    assert [window.cut_off for window in loaded.windows] == [1, 0]
