"""LJ-05, LJ-10, BM-05: what is left of a day: pages as they become known, live jobs adopted, windows in halves."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from sonnys_pipeline.calendar.windows import Day, Window
from sonnys_pipeline.client import IncompleteResultError
from sonnys_pipeline.extract.pages.page import PageRows
from sonnys_pipeline.extract.protocols import DayRequest, LiveJob
from sonnys_pipeline.extract.state import MAX_PAGES, DayWork, JobState, PageJob, WindowWork

MakePage = Callable[..., PageRows]
DAY = Day.of("2026-03-10")
(WINDOW,) = DAY.windows
NOON = "2026-03-10T12:00:00.000Z"
LONG_DAY = Day.of("2026-11-01", "America/Chicago")


def begin(*live: LiveJob, day: Day = DAY, site: str | None = None, now: float = 1000.0) -> DayWork:
    return DayWork.begin(DayRequest(day, site, live), now)


def pages(work: WindowWork) -> list[tuple[int, JobState]]:
    return [(job.page, job.state) for job in work.jobs]


def test_a_day_begins_with_page_one_of_each_window() -> None:
    """Which tells how many there are; the criteria are those of the API."""
    day = begin(day=LONG_DAY, site="MAIN")
    assert [pages(work) for work in day.windows] == [[(1, JobState.TO_SUBMIT)]] * 2
    assert [job.params for job in day.jobs()] == [
        {**window.params, "site": "MAIN", "limit": 100, "offset": 1} for window in LONG_DAY.windows
    ]
    assert "site" not in next(begin().jobs()).params
    assert not day.has_rows


def test_live_jobs_are_adopted() -> None:
    """Each under its window and page, with its hash, and as old as it is; nothing is submitted for it."""
    first, second = LONG_DAY.windows
    day = begin(LiveJob(first, 1, "a", 30.0), LiveJob(second, 1, "b", 5.0), day=LONG_DAY)
    assert [(job.state, job.job_hash, job.age(1010.0)) for job in day.jobs()] == [
        (JobState.RUNNING, "a", 40.0),
        (JobState.RUNNING, "b", 15.0),
    ]


def test_live_jobs_of_other_windows_are_left_to_expire() -> None:
    """A half of the day, or another day: not one of its pages."""
    half = Window(WINDOW.start, WINDOW.start + timedelta(hours=12))
    day = begin(LiveJob(half, 1, "a", 1.0), LiveJob(Day.of("2026-03-11").windows[0], 1, "b", 1.0))
    assert [(job.page, job.state, job.job_hash) for job in day.jobs()] == [(1, JobState.TO_SUBMIT, "")]


def test_a_live_page_may_come_before_page_one(make_page: MakePage) -> None:
    """Page 1 is unknown and submitted; page 3 is polled, tells the total, and the pages between them are added."""
    day = begin(LiveJob(WINDOW, 3, "c", 1.0))
    (work,) = day.windows
    assert pages(work) == [(1, JobState.TO_SUBMIT), (3, JobState.RUNNING)]
    assert work.add_page(work.jobs[1], make_page([NOON] * 5, page=3, total=205, first=201))
    assert pages(work) == [(1, JobState.TO_SUBMIT), (2, JobState.TO_SUBMIT), (3, JobState.DONE)]
    assert work.loaded is None
    assert work.add_page(work.jobs[1], make_page([NOON] * 100, page=2, total=205, first=101))
    assert work.add_page(work.jobs[0], make_page([NOON] * 100, page=1, total=205))
    assert day.has_rows
    assert work.loaded is not None
    assert work.loaded.table["id"].to_pylist() == [f"{number}:1" for number in range(1, 206)]
    assert work.loaded.job_hashes == ("hash-1", "hash-2", "hash-3")


@pytest.mark.parametrize(("total", "count"), [(0, 1), (1, 1), (100, 1), (101, 2), (200, 2), (201, 3), (799, 8)])
def test_page_one_tells_how_many_pages_there_are(make_page: MakePage, total: int, count: int) -> None:
    """A hundred rows each; an empty window is complete with its only page."""
    (work,) = begin().windows
    assert work.add_page(work.jobs[0], make_page([NOON] * min(total, 100), total=total))
    assert pages(work) == [(1, JobState.DONE), *((page, JobState.TO_SUBMIT) for page in range(2, count + 1))]
    assert (work.loaded is not None) is (count == 1)


def test_a_total_that_moved_is_noticed(make_page: MakePage) -> None:
    """Two pages that tell of different windows make none, whichever came first."""
    (work,) = begin().windows
    assert work.add_page(work.jobs[0], make_page([NOON] * 100, total=150))
    assert not work.add_page(work.jobs[1], make_page([NOON] * 51, page=2, total=151, first=101))
    assert work.loaded is None


def test_rows_that_do_not_add_up_are_an_error(make_page: MakePage) -> None:
    """On the last page: never a short window."""
    (work,) = begin().windows
    assert work.add_page(work.jobs[0], make_page([NOON] * 100, total=150))
    with pytest.raises(IncompleteResultError, match="promised 150 rows and 149 distinct rows came"):
        work.add_page(work.jobs[1], make_page([NOON] * 49, page=2, total=150, first=101))
    assert work.loaded is None


def test_a_window_that_is_empty_is_complete() -> None:
    """Once the list endpoint has said so: nothing more to fetch, no rows, no job."""
    day = begin(LiveJob(WINDOW, 1, "a", 1.0), LiveJob(WINDOW, 2, "b", 1.0))
    (work,) = day.windows
    work.mark_empty()
    assert pages(work) == [(1, JobState.DONE), (2, JobState.DONE)]
    assert work.loaded is not None
    assert (work.loaded.table.num_rows, work.loaded.total, work.loaded.job_hashes) == (0, 0, ())
    assert day.has_rows


def test_halves_take_a_windows_place() -> None:
    """In order, without a gap, from their first page, and with the setbacks that led to them."""
    day = begin(day=LONG_DAY)
    first, second = day.windows
    day.split(first, 3)
    assert [work.window for work in day.windows] == [
        Window(first.window.start, first.window.start + timedelta(hours=12)),
        Window(first.window.start + timedelta(hours=12), first.window.end),
        second.window,
    ]
    assert [(work.setbacks, [job.setbacks for job in work.jobs]) for work in day.windows] == [
        (3, [3]), (3, [3]), (0, [0])
    ]  # fmt: skip
    assert first not in day.windows
    assert all(job.state is JobState.TO_SUBMIT for job in day.jobs())


def test_pages_that_become_known_inherit_setbacks(make_page: MakePage) -> None:
    """A window that fails on page 2 each time it is halved is given up as soon as one that fails on page 1."""
    day = begin()
    day.split(day.windows[0], 2)
    half = day.windows[1]
    half.add_page(half.jobs[0], make_page([NOON] * 100, total=150))
    assert [job.setbacks for job in half.jobs] == [2, 2]


@pytest.mark.parametrize("seconds", [1, 2, 3, 5])
def test_halves_are_on_whole_seconds(seconds: int) -> None:
    """As the API takes them; a window of one second has no halves and is read again as it is."""
    start = datetime(2026, 3, 10, tzinfo=UTC)
    window = Window(start, start + timedelta(seconds=seconds))
    day = DayWork(DayRequest(DAY), 0.0)
    day.windows = [WindowWork(day, window)]
    before = day.windows[0]
    day.split(before, 1)
    spans = [(work.window.start, work.window.end) for work in day.windows]
    assert len(spans) == (1 if seconds == 1 else 2)
    assert (spans[0][0], spans[-1][1]) == (window.start, window.end)
    assert all(one[1] == other[0] for one, other in pairwise(spans))
    assert before not in day.windows
    assert [job.state for job in day.jobs()] == [JobState.TO_SUBMIT] * len(spans)


def test_what_is_in_flight_is_old_enough_to_tell() -> None:
    """Age counts from the moment when the POST left."""
    job = PageJob(begin().windows[0], 1, submitted_at=1000.0)
    assert job.age(1060.5) == 60.5


def large(make_page: MakePage, *live: LiveJob, total: int = 30_000) -> DayWork:
    """A day whose first page has told of so many rows."""
    day = begin(*live)
    (work,) = day.windows
    assert day.slice_if_large(work, total) is (total > 100 * MAX_PAGES)
    return day


def test_a_large_window_is_read_in_slices(make_page: MakePage) -> None:
    """Without a gap and alike, so many that a row that comes late costs minutes, not the day."""
    windows = [work.window for work in large(make_page).windows]
    assert len(windows) == 2
    assert windows[0].start == WINDOW.start
    assert [one.end for one in windows[:-1]] == [one.start for one in windows[1:]]
    assert windows[-1].end == WINDOW.end
    assert len(large(make_page, total=400_000).windows) == 27
    assert [work.window for work in large(make_page, total=25_000).windows] == [WINDOW]


def test_slices_take_turns(make_page: MakePage) -> None:
    """A slice is begun when all pages of the one before it have been submitted: its total must not be old by then."""
    day = large(make_page)
    first, second = day.windows
    assert list(day.jobs()) == first.jobs
    first.jobs[0].state = JobState.RUNNING
    assert list(day.jobs()) == first.jobs  # how many pages it has is not known yet
    first.add_page(first.jobs[0], make_page([NOON] * 100, total=150))
    assert list(day.jobs()) == first.jobs
    first.jobs[1].state = JobState.SUBMITTING
    assert list(day.jobs()) == [*first.jobs, *second.jobs]
    second.jobs[0].state = JobState.RUNNING
    day.split(first, 1)
    assert second.jobs[0] in day.jobs()  # what is in flight is not forgotten when an earlier slice begins anew


def test_jobs_of_complete_windows_are_not_looked_at(make_page: MakePage) -> None:
    """A day of 4,000 pages would otherwise be gone through at every request."""
    day = large(make_page)
    first, second = day.windows
    first.jobs[0].state = JobState.RUNNING
    first.add_page(first.jobs[0], make_page([NOON], total=1))
    assert list(day.jobs()) == second.jobs


def test_a_resume_takes_up_the_load_jobs_of_slices(make_page: MakePage) -> None:
    """The same total makes the same slices: a hash that the run before it left is gone on with, at its age."""
    window = large(make_page).windows[1].window
    day = large(make_page, LiveJob(window, 3, "c", 5.0))
    (first, third) = day.windows[1].jobs
    assert (first.state, third.state, third.job_hash, third.submitted_at) == (
        JobState.TO_SUBMIT, JobState.RUNNING, "c", 995.0
    )  # fmt: skip


def test_a_second_has_no_slices() -> None:
    """However many rows it has: the API reads whole seconds."""
    day = begin()
    start = datetime(2026, 3, 10, tzinfo=UTC)
    day.windows = [WindowWork(day, Window(start, start + timedelta(seconds=1)))]
    assert not day.slice_if_large(day.windows[0], 10**6)
