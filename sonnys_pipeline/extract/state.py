"""The remaining work of a day: its windows, their pages, each page's load job."""

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

#: Pages of a window read in one go, six minutes of a whole budget: a late row changes `total`, and the window is read
#: again. A day of 500 sites takes 100 minutes.
MAX_PAGES = 250
#: Mean pages per slice of a larger window; rows are not spread evenly.
PAGES_PER_SLICE = 150


class JobState(Enum):
    """State of a page's load job."""

    TO_SUBMIT = auto()  # no valid hash
    SUBMITTING = auto()  # POST in flight
    RUNNING = auto()  # has a hash; to be polled when ready
    POLLING = auto()  # GET in flight
    TO_COUNT = auto()  # early 404: the list endpoint tells whether the window is empty
    COUNTING = auto()  # that request is in flight
    TO_LIST = auto()  # a list request (`listing.py`), not sent yet
    LISTING = auto()  # that request is in flight
    DONE = auto()  # has its rows


#: States in which the API works on the job or holds its result.
IN_FLIGHT = (JobState.SUBMITTING, JobState.RUNNING, JobState.POLLING, JobState.TO_COUNT, JobState.COUNTING)


@dataclass(eq=False)
class PageJob:
    """One page of a window or of a list.

    Attributes:
        page: page number from 1.
        suspect_hash: a failed or lost hash; getting it again means that the API has cached the failure.
        submitted_at: clock reading of the POST.
        not_before: clock reading before which nothing is sent.
        failures: consecutive failed requests.
        setbacks: jobs that failed, were lost, overdue or inconsistent.
        attempt: requests sent for it.
        was_working: whether a poll found it not ready.
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
        """Criteria of the load job, as API parameters."""
        return {**self.work.params, "limit": PAGE_SIZE, "offset": self.page}

    def age(self, now: float) -> float:
        """Seconds since it was submitted."""
        return now - self.submitted_at


def criteria(window: Window, site: str | None) -> dict[str, Any]:
    """Parameters of load jobs and list endpoints: the span, and the site if one is named."""
    return {**window.params, **({"site": site} if site else {})}


class WindowWork:
    """One window of a day, of one site or of all: its pages and their rows."""

    def __init__(
        self, day: DayWork, window: Window, setbacks: int = 0, *, site: str | None = None, takes_turns: bool = False
    ) -> None:
        """Begin with page 1, which tells how many pages there are.

        `setbacks` are inherited from the window that was split. With `takes_turns` the window waits until all pages of
        earlier ones are submitted, because a `total` read long before the last page may have changed.
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
        """Criteria without the page."""
        return criteria(self.window, self.site)

    def add_page(self, job: PageJob, rows: PageRows) -> bool:
        """Store a page; False if its `total` is not the window's. Raises IncompleteResultError if its rows differ."""
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
            # No other page can have the missing rows, so stop here.
            came = sum(len(page.ids) for page in self.rows.values())
            raise IncompleteResultError(rows.total, came, f"window {self.window}: page {job.page} is not full")
        if all(other.state is JobState.DONE for other in self.jobs):
            self.loaded = complete_window(self.window, [self.rows[page] for page in sorted(self.rows)], self.site)
            self.rows.clear()
        return True

    def mark_empty(self) -> None:
        """Mark the window as empty, as the list endpoint says."""
        for job in self.jobs:
            job.state = JobState.DONE
        self.total = 0
        self.loaded = complete_window(self.window, [], self.site)


class ListWork(ABC):
    """A list request, page by page; `operation` is its name in the audit."""

    operation: str

    def __init__(self, day: DayWork, window: Window, site: str | None = None) -> None:
        self.day = day
        self.window = window
        self.site = site
        self.total: int | None = None
        #: How often it began again because its pages did not make one list.
        self.restarts = 0
        self.restart()

    def restart(self) -> None:
        """Start again from page 1."""
        self.jobs = [PageJob(self, 1, JobState.TO_LIST)]

    @property
    def params(self) -> dict[str, Any]:
        """Criteria without the page."""
        return criteria(self.window, self.site)

    @property
    def open_jobs(self) -> Iterator[PageJob]:
        """Pages without a response."""
        return (job for job in self.jobs if job.state is not JobState.DONE)

    @property
    def is_answered(self) -> bool:
        """Whether every page has a response."""
        return all(job.state is JobState.DONE for job in self.jobs)

    @abstractmethod
    def send(self, api: LoadJobApi, page: int, now: datetime) -> object:
        """Send one request; returns its response."""

    @abstractmethod
    def on_response(self, job: PageJob, answer: Any) -> None:  # noqa: ANN401 - what `send` gave
        """Store a response of `send`; `IncompleteResultError` if the pages do not make one list."""


@dataclass(eq=False)
class DayWork:
    """A day being loaded.

    Attributes:
        started_at: clock reading at its begin.
        position: index among the requests, from 0.
        windows: site by site, in order.
        lists: list requests, added once the rows are loaded (`completion.py`).
        list_requests: of `requests`, those to list endpoints about the day as a whole.
        proof, states, states_note, counts: see `LoadedDay`.
        rereads: rereads of sites because the count differs.
        relisted_sites: whether the sites were listed again for that reason.
        missing: rows by which the count differs, while that is examined.
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
    counts: dict[str | None, int] | None = None
    rereads: int = 0
    relisted_sites: bool = False
    missing: int = 0
    _joined: tuple[list[LoadedWindow], pa.Table] | None = None

    @classmethod
    def begin(cls, request: DayRequest, now: float, position: int = 0) -> DayWork:
        """Set up a day, reusing the live jobs of its windows."""
        day = cls(request, now, position)
        if request.with_rows:
            day.read_sites(request.job_sites)
        return day

    def read_sites(self, sites: Sequence[str | None]) -> None:
        """Read these sites; one that was read already is read again, in halves (see `split`)."""
        again = [work for work in self.windows if work.site in sites]
        for work in again:
            self.split(work, work.setbacks)
        known = {work.site for work in again}
        new = [site for site in sites if site not in known]
        added = [WindowWork(self, window, site=site) for site in new for window in self.request.day.windows]
        self.windows += added
        self._reuse_live_jobs(added)

    @property
    def has_rows(self) -> bool:
        """Whether every window is complete."""
        return all(work.loaded is not None for work in self.windows)

    @property
    def loaded(self) -> list[LoadedWindow]:
        """The complete windows, in order."""
        return [work.loaded for work in self.windows if work.loaded is not None]

    @property
    def table(self) -> pa.Table:
        """Rows of the complete windows, each id once; `RowOfTwoSitesError` when two sites disagree."""
        loaded = self.loaded
        if self._joined is None or self._joined[0] != loaded:
            self._joined = loaded, join_windows(loaded)
        return self._joined[1]

    @property
    def sites_read(self) -> list[str]:
        """The sites named by load jobs."""
        return list(dict.fromkeys(work.site for work in self.windows if work.site))

    def rows_of(self, site: str | None) -> pa.Table:
        """Rows of a site, or of all."""
        if site is None:
            return self.table
        return join_windows([loaded for loaded in self.loaded if loaded.site == site])

    @property
    def is_answered(self) -> bool:
        """Whether all list requests have their responses."""
        return all(work.is_answered for work in self.lists)

    def owns(self, work: WindowWork | ListWork) -> bool:
        """Whether this work is still needed; a window may have been split, a list request dropped."""
        return work in self.windows or work in self.lists

    def jobs(self) -> Iterator[PageJob]:
        """The page jobs that are not done, in order; windows that take turns only when it is their turn.

        Jobs in flight are always included, so that a reused hash does not expire unnoticed.
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

    def slice_if_large(self, work: WindowWork, total: int) -> bool:
        """Replace a window by slices if its first page promises too many pages; return whether it was replaced.

        Slices depend on `total` only, so that a resume finds the load jobs of the run before.
        """
        pages, window = -(-total // PAGE_SIZE), work.window
        seconds = int((window.end - window.start).total_seconds())
        if work.total is not None or pages <= MAX_PAGES or seconds < 2:
            return False
        count = min(-(-pages // PAGES_PER_SLICE), seconds)
        cuts = [window.start + timedelta(seconds=seconds * number // count) for number in range(count + 1)]
        slices = [
            WindowWork(
                self, Window(start, end), work.setbacks, site=work.site, takes_turns=work.takes_turns or number > 0
            )
            for number, (start, end) in enumerate(pairwise(cuts))
        ]
        self._replace(work, slices)
        self._reuse_live_jobs(slices)
        return True

    def split(self, work: WindowWork, setbacks: int) -> None:
        """Replace a window by its two halves, which inherit `setbacks`.

        The API would answer the same criteria from its cache for 20 minutes, failures included. A window of one second
        is read again as it is.
        """
        start, end = work.window.start, work.window.end
        middle = start + timedelta(seconds=(end - start).total_seconds() // 2)
        parts = [Window(start, middle), Window(middle, end)] if middle > start else [work.window]
        halves = [WindowWork(self, part, setbacks, site=work.site, takes_turns=work.takes_turns) for part in parts]
        self._replace(work, halves)

    def _replace(self, work: WindowWork, parts: list[WindowWork]) -> None:
        position = self.windows.index(work)
        self.windows[position : position + 1] = parts

    def _reuse_live_jobs(self, windows: Sequence[WindowWork]) -> None:
        """Reuse the load jobs of an earlier run whose window is unchanged."""
        for live in self.request.live_jobs:
            for work in windows:
                if (work.window, work.site) == (live.window, live.site):
                    job = next((known for known in work.jobs if known.page == live.page), None)
                    if job is None:
                        job = PageJob(work, live.page)
                        work.jobs.append(job)
                    job.state, job.job_hash = JobState.RUNNING, live.job_hash
                    job.submitted_at = self.started_at - live.age
