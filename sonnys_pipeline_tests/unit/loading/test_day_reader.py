"""LJ-05, DG-02: when a window counts as complete, and which of its rows belong to the day."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import pytest

from sonnys_pipeline.client import IncompleteResultError, JobPage, SonnysClient, TransactionJobItem
from sonnys_pipeline.loading.day_reader import LoadedWindow, complete_day, complete_window, read_day
from sonnys_pipeline.loading.days import Day

MakePage = Callable[..., JobPage]
MakeItem = Callable[..., TransactionJobItem]
DAY = Day.of("2026-03-10")
(WINDOW,) = DAY.windows
NOON = "2026-03-10T12:00:00.000Z"
LOADED_AT = datetime(2026, 3, 12, tzinfo=UTC)


def test_pages_become_one_window(make_page: MakePage) -> None:
    """Rows of all pages in order, one hash a page, and `total` as promised."""
    loaded = complete_window(
        WINDOW, [make_page([NOON] * 3, page=1, total=5), make_page([NOON] * 2, page=2, total=5, first=4)]
    )
    assert [item.id for item in loaded.items] == ["1:1", "2:1", "3:1", "4:1", "5:1"]
    assert (loaded.window, loaded.total, loaded.job_hashes) == (WINDOW, 5, ("hash-1", "hash-2"))


def test_each_id_once_and_the_newest_wins(make_item: MakeItem) -> None:
    """A row that two pages bring is one row: the page that was read later knows it better."""
    pages = [
        JobPage("h1", 1, 2, [make_item(1, total=1.0), make_item(2, total=1.0)]),
        JobPage("h2", 2, 2, [make_item(2, total=9.0)]),
    ]
    loaded = complete_window(WINDOW, pages)
    assert [(item.id, item.total) for item in loaded.items] == [("1:1", 1.0), ("2:1", 9.0)]


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


def test_no_pages_are_no_window() -> None:
    """Silence is not an empty window."""
    with pytest.raises(IncompleteResultError):
        complete_window(WINDOW, [])


def test_an_empty_window_may_have_no_job() -> None:
    """LJ-10: a window whose emptiness the list endpoint confirmed has a page without a hash."""
    loaded = complete_window(WINDOW, [JobPage("", 1, 0, ())])
    assert (loaded.total, loaded.job_hashes, list(loaded.items)) == (0, (), [])


@pytest.mark.parametrize(
    ("instant", "kept"),
    [
        ("2026-03-09T23:59:59.999Z", False),
        ("2026-03-10T00:00:00.000Z", True),
        ("2026-03-10T23:59:59.600Z", True),
        ("2026-03-10T23:59:59.999999Z", True),
        ("2026-03-11T00:00:00.000Z", False),
    ],
)
def test_a_day_is_cut_to_its_instants(make_page: MakePage, instant: str, kept: bool) -> None:
    """The API includes both ends; the day has its start, and leaves its end to the next day."""
    loaded = complete_day(DAY, [complete_window(WINDOW, [make_page([instant])])], LOADED_AT)
    assert [item.id for item in loaded.items] == (["1:1"] if kept else [])
    assert (loaded.total, loaded.loaded_at) == (1, LOADED_AT)


def test_a_row_between_two_windows_is_one_row(make_page: MakePage) -> None:
    """On a day of 25 hours the windows meet at an instant that both bring; the second one has it."""
    day = Day.of("2026-11-01", "America/Chicago")
    meeting = ["2026-11-02T05:00:00.000Z"]
    windows = [complete_window(window, [make_page(meeting, page=place)]) for place, window in enumerate(day.windows, 1)]
    loaded = complete_day(day, windows, LOADED_AT)
    assert [item.id for item in loaded.items] == ["1:1"]
    assert (loaded.total, loaded.job_hashes) == (2, ("hash-1", "hash-2"))
    assert [len(window.items) for window in loaded.windows] == [1, 1]


def test_reading_asks_for_each_window(make_page: MakePage) -> None:
    """One load per window with its own criteria; requests and waiting are what the client spent meanwhile."""
    client = Mock(spec=SonnysClient, requests_sent=10, budget_wait=1.5)
    asked: list[dict[str, Any]] = []

    def load_pages(**params: Any) -> list[JobPage]:
        asked.append(params)
        client.requests_sent += 2
        client.budget_wait += 0.25
        return [JobPage(f"h{len(asked)}", 1, 0, ())]

    client.transactions = Mock(load_pages=load_pages)
    day = Day.of("2026-11-01", "America/Chicago")
    loaded = read_day(client, day, poll_interval=0.5, timeout=9, site="MAIN")
    how = {"poll_interval": 0.5, "timeout": 9, "site": "MAIN"}
    assert asked == [{**how, **window.params} for window in day.windows]
    assert (loaded.requests, loaded.budget_wait, loaded.job_hashes) == (4, 0.5, ("h1", "h2"))
    assert loaded.loaded_at.utcoffset() is not None
    assert [type(window) for window in loaded.windows] == [LoadedWindow, LoadedWindow]
