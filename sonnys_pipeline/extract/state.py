"""What is left to do of a day: its windows, their pages, each page's load job."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from itertools import pairwise
from typing import Any

import pyarrow as pa

from sonnys_pipeline.calendar.windows import Window
from sonnys_pipeline.client import IncompleteResultError
from sonnys_pipeline.client.resource import PAGE_SIZE
from sonnys_pipeline.extract.pages.assemble import CountProof, LoadedWindow, complete_window, join_windows
from sonnys_pipeline.extract.pages.page import PageRows
from sonnys_pipeline.extract.pages.states import LoadedStates
from sonnys_pipeline.extract.protocols import DayRequest, LoadJobApi

#: Pages of a window that are read in one go: six minutes of a whole budget. A row that comes late moves the `total` of
#: its window, and what was read of that window is read again; a day of 500 sites is 100 minutes long.
MOST_PAGES = 250
#: Pages that a slice of a larger window is to have; rows are not spread evenly, so that some have more.
PAGES_A_SLICE = 150


class JobState(Enum):
    """Where a page's load job stands."""

    TO_SUBMIT = auto()  # no hash yet, or none that is good
    SUBMITTING = auto()  # the POST is on its way
    RUNNING = auto()  # has a hash; to be polled when ripe
    POLLING = auto()  # the GET is on its way
    TO_COUNT = auto()  # answered 404 early: the list endpoint has to say whether the window is empty
    COUNTING = auto()  # that question is on its way
    TO_LIST = auto()  # a question to a list endpoint (`listing.py`), not sent yet
    LISTING = auto()  # that question is on its way
    DONE = auto()  # its rows are here


#: States in which the API works for us, or holds a result for us.
IN_FLIGHT = frozenset(
    {JobState.SUBMITTING, JobState.RUNNING, JobState.POLLING, JobState.TO_COUNT, JobState.COUNTING}
)  # fmt: skip


@dataclass(eq=False)
class PageJob:
    """One page of one window, or of one list.

    Attributes:
        work: the window, or the question to a list endpoint, that it belongs to.
        page: page number from 1.
        state: where it stands.
        job_hash: the hash, once there is one.
        suspect_hash: a hash that failed or was lost; being given it again means that the API has cached the failure.
        submitted_at: clock reading when the POST left.
        not_before: clock reading before which nothing is to be sent for it.
        failures: requests for it that failed in a row; any answer that heals sets it back.
        setbacks: jobs for it that came to nothing (failed, lost, overdue, inconsistent), since the day began.
        attempt: how many requests have been sent for it.
        was_working: whether it has been polled before it was ready.
    """

    work: WindowWork | ListWork
    page: int
    state: JobState = JobState.TO_SUBMIT
    job_hash: str = ""
    suspect_hash: str = ""
    submitted_at: float = 0.0
    not_before: float = 0.0
    failures: int = 0
    setbacks: int = 0
    attempt: int = 0
    was_working: bool = False

    @property
    def params(self) -> dict[str, Any]:
        """Criteria of the load job, as the API takes them."""
        return {**self.work.params, "limit": PAGE_SIZE, "offset": self.page}

    def age(self, now: float) -> float:
        """Seconds since it was submitted."""
        return now - self.submitted_at


def criteria(window: Window, site: str | None) -> dict[str, Any]:
    """What load jobs and list endpoints are asked for: the span, and the site where one is named."""
    return {**window.params, **({"site": site} if site else {})}


class WindowWork:
    """One window of a day, of one site or of all: its pages as they become known, and their rows as they come."""

    def __init__(
        self, day: DayWork, window: Window, setbacks: int = 0, *, site: str | None = None, takes_turns: bool = False
    ) -> None:
        """Begin with page 1, which tells how many there are.

        Args:
            day: the day it belongs to.
            window: what to ask for.
            setbacks: how often the window that this is a part of has come to nothing.
            site: the site that its load jobs name; `None` where they name none.
            takes_turns: whether it is not begun before all pages of the windows before it have been submitted, because
                a `total` that was learned long before its last page has had time to move.
        """
        self.day = day
        self.window = window
        self.site = site
        self.setbacks = setbacks
        self.takes_turns = takes_turns
        self.total: int | None = None
        self.jobs = [PageJob(self, 1, setbacks=setbacks)]
        self.rows: dict[int, PageRows] = {}
        self.loaded: LoadedWindow | None = None

    @property
    def params(self) -> dict[str, Any]:
        """Criteria that all pages share, and the list endpoint takes too."""
        return criteria(self.window, self.site)

    def page_came(self, job: PageJob, rows: PageRows) -> bool:
        """Take in a page.

        Returns:
            False when its `total` is not the window's any more: what was read belongs to two different states of it.

        Raises:
            IncompleteResultError: when the page has fewer rows than `total` promises of it, or when it was the last
                page, and rows and `total` disagree.
        """
        job.state = JobState.DONE
        self.rows[job.page] = rows
        if self.total is None:
            self.total = rows.total
            known = {other.page for other in self.jobs}
            pages = -(-rows.total // PAGE_SIZE)
            self.jobs += [
                PageJob(self, page, setbacks=self.setbacks) for page in range(2, pages + 1) if page not in known
            ]
            self.jobs.sort(key=lambda other: other.page)
        if any(page.total != self.total for page in self.rows.values()):
            return False
        if len(rows.ids) < min(PAGE_SIZE, rows.total - PAGE_SIZE * (job.page - 1)):
            # What is missing no other page can have: not one more of them is asked for.
            came = sum(len(page.ids) for page in self.rows.values())
            raise IncompleteResultError(rows.total, came, f"window {self.window}: page {job.page} is not full")
        if all(other.state is JobState.DONE for other in self.jobs):
            self.loaded = complete_window(self.window, [self.rows[page] for page in sorted(self.rows)], self.site)
            self.rows.clear()
        return True

    def is_empty(self) -> None:
        """The list endpoint says that the window has no rows: nothing more to fetch."""
        for job in self.jobs:
            job.state = JobState.DONE
        self.total = 0
        self.loaded = complete_window(self.window, [], self.site)


class ListWork(ABC):
    """A question, page by page.

    Attributes:
        operation: what the audit calls it.
        day: the day it is about.
        window: the span it is about.
        site: the site that is named; `None` where none is.
        jobs: its pages as they become known.
    """

    operation: str

    def __init__(self, day: DayWork, window: Window, site: str | None = None) -> None:
        """Ask from page 1 on."""
        self.day = day
        self.window = window
        self.site = site
        self.total: int | None = None
        self.restart()

    def restart(self) -> None:
        """Ask once more, from page 1 on."""
        self.jobs = [PageJob(self, 1, JobState.TO_LIST)]

    @property
    def params(self) -> dict[str, Any]:
        """Criteria that all pages share."""
        return criteria(self.window, self.site)

    @property
    def open_jobs(self) -> Iterator[PageJob]:
        """The pages that have not come."""
        return (job for job in self.jobs if job.state is not JobState.DONE)

    @property
    def is_answered(self) -> bool:
        """Whether every page has come."""
        return all(job.state is JobState.DONE for job in self.jobs)

    @abstractmethod
    def ask(self, api: LoadJobApi, page: int, now: datetime) -> object:
        """Send one request; its answer."""

    @abstractmethod
    def came(self, job: PageJob, answer: Any) -> None:  # noqa: ANN401 - what `ask` gave
        """Take in an answer.

        Raises:
            IncompleteResultError: when the pages do not make one list.
        """


@dataclass(eq=False)
class DayWork:
    """A day being loaded.

    Attributes:
        request: what was asked for.
        started_at: clock reading when it was taken up.
        position: its place in the order of the requests, from 0.
        windows: site by site, in order.
        lists: what the list endpoints are asked of it, once its rows are there (`completion.py`).
        requests: sent for it so far.
        list_requests: of them to list endpoints, about the day as a whole.
        proof, states, states_note: see `LoadedDay`; set when they are known.
        reads_again: how often sites were read once more because the count differs.
        asked_for_sites: whether the sites were listed again for that reason.
        missing: rows by which the count differs, while that is looked into.
    """

    request: DayRequest
    started_at: float
    position: int = 0
    windows: list[WindowWork] = field(default_factory=list)
    lists: list[ListWork] = field(default_factory=list)
    requests: int = 0
    list_requests: int = 0
    proof: CountProof | None = None
    states: LoadedStates | None = None
    states_note: str = ""
    reads_again: int = 0
    asked_for_sites: bool = False
    missing: int = 0
    _joined: tuple[list[LoadedWindow], pa.Table] | None = None

    @classmethod
    def begin(cls, request: DayRequest, now: float, position: int = 0) -> DayWork:
        """Set up a day; live jobs of windows that it has are taken up, others are left to expire."""
        day = cls(request, now, position)
        if request.with_rows:
            day.read_sites(request.reads)
        return day

    def read_sites(self, sites: Sequence[str | None]) -> None:
        """Read these sites; one that has been read already is read once more, in halves (see `split`)."""
        again = [work for work in self.windows if work.site in sites]
        for work in again:
            self.split(work, work.setbacks)
        known = {work.site for work in again}
        new = [site for site in sites if site not in known]
        added = [WindowWork(self, window, site=site) for site in new for window in self.request.day.windows]
        self.windows += added
        self._take_up_live_jobs(added)

    @property
    def has_rows(self) -> bool:
        """Whether every window is complete."""
        return all(work.loaded is not None for work in self.windows)

    @property
    def loaded(self) -> list[LoadedWindow]:
        """The windows that are complete, in order."""
        return [work.loaded for work in self.windows if work.loaded is not None]

    @property
    def table(self) -> pa.Table:
        """The rows of the windows that are complete, each id once.

        Raises:
            RowOfTwoSitesError: when two sites disagree about a row.
        """
        loaded = self.loaded
        if self._joined is None or self._joined[0] != loaded:
            self._joined = loaded, join_windows(loaded)
        return self._joined[1]

    @property
    def sites_read(self) -> list[str]:
        """The sites that load jobs have named."""
        return list(dict.fromkeys(work.site for work in self.windows if work.site))

    def rows_of(self, site: str | None) -> pa.Table:
        """The rows that came for a site, or all of them."""
        if site is None:
            return self.table
        return join_windows([loaded for loaded in self.loaded if loaded.site == site])

    @property
    def is_answered(self) -> bool:
        """Whether no question to a list endpoint is open."""
        return all(work.is_answered for work in self.lists)

    def owns(self, work: WindowWork | ListWork) -> bool:
        """Whether somebody still waits for this: its window may be read again in halves, its question be dropped."""
        return work in self.windows or work in self.lists

    def jobs(self) -> Iterator[PageJob]:
        """The page jobs that are not done, in order; of windows that take turns, not before it is theirs.

        What is in flight is always among them, or a hash that was taken up could expire unseen.
        """
        for question in self.lists:
            yield from question.open_jobs
        submitted = True
        for work in self.windows:
            if work.loaded is not None:
                continue
            if work.takes_turns and not submitted and all(job.state is JobState.TO_SUBMIT for job in work.jobs):
                continue
            yield from work.jobs
            submitted = submitted and work.total is not None
            submitted = submitted and all(job.state is not JobState.TO_SUBMIT for job in work.jobs)

    def cut_if_large(self, work: WindowWork, total: int) -> bool:
        """Replace a window by slices, if its first page tells that it has more pages than are read in one go.

        Slices are cut alike for the same `total`, so that a resume finds the load jobs of its predecessor again.

        Args:
            work: the window.
            total: its rows, as the page tells that has just come.

        Returns:
            Whether it was replaced; the page is of no use then.
        """
        pages, window = -(-total // PAGE_SIZE), work.window
        seconds = int((window.end - window.start).total_seconds())
        if work.total is not None or pages <= MOST_PAGES or seconds < 2:
            return False
        count = min(-(-pages // PAGES_A_SLICE), seconds)
        cuts = [window.start + timedelta(seconds=seconds * number // count) for number in range(count + 1)]
        slices = [
            WindowWork(
                self, Window(start, end), work.setbacks, site=work.site, takes_turns=work.takes_turns or number > 0
            )
            for number, (start, end) in enumerate(pairwise(cuts))
        ]
        self._replace(work, slices)
        self._take_up_live_jobs(slices)
        return True

    def split(self, work: WindowWork, setbacks: int) -> None:
        """Replace a window by its two halves, to be read from the start: new criteria, and smaller jobs.

        The same criteria would be answered from the API's cache for 20 minutes, the failure included. A window of one
        second, which has no halves, is read again as it is. `setbacks` is what the halves inherit.
        """
        start, end = work.window.start, work.window.end
        middle = start + timedelta(seconds=(end - start).total_seconds() // 2)
        parts = [Window(start, middle), Window(middle, end)] if middle > start else [work.window]
        halves = [WindowWork(self, part, setbacks, site=work.site, takes_turns=work.takes_turns) for part in parts]
        self._replace(work, halves)

    def _replace(self, work: WindowWork, parts: list[WindowWork]) -> None:
        position = self.windows.index(work)
        self.windows[position : position + 1] = parts

    def _take_up_live_jobs(self, windows: Sequence[WindowWork]) -> None:
        """Go on with the load jobs of a run before this one, where a window is still what they were submitted for."""
        for live in self.request.live_jobs:
            for work in windows:
                if (work.window, work.site) == (live.window, live.site):
                    job = next((known for known in work.jobs if known.page == live.page), None)
                    if job is None:
                        job = PageJob(work, live.page)
                        work.jobs.append(job)
                    job.state, job.job_hash = JobState.RUNNING, live.job_hash
                    job.submitted_at = self.started_at - live.age
