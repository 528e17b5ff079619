"""Questions to the list endpoints about a day: how many rows it has, their states, and which sites there are.

Belongs here: what is asked, and what has been answered. Does not belong here: which question comes when
(`completion.py`), or sending it (`loader.py`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sonnys_pipeline.client import IncompleteResultError
from sonnys_pipeline.client.resource import PAGE_SIZE
from sonnys_pipeline.loading.days import Window
from sonnys_pipeline.loading.ports import LoadJobApi
from sonnys_pipeline.loading.states import StatesPage, StatesReader, StatesWindow, complete_states
from sonnys_pipeline.loading.work import DayWork, JobState, PageJob, criteria

if TYPE_CHECKING:
    from sonnys_pipeline.client import Site


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


class CountWork(ListWork):
    """How many rows a window has, by the API's own count (LV-03)."""

    operation = "count"

    def ask(self, api: LoadJobApi, page: int, now: datetime) -> object:  # noqa: ARG002 - as every question
        """One request."""
        return api.count(**self.params)

    def came(self, job: PageJob, answer: int) -> None:
        """Take in the count."""
        job.state, self.total = JobState.DONE, answer


class SitesWork(ListWork):
    """Which sites there are by now."""

    operation = "sites"

    def __init__(self, day: DayWork) -> None:
        """Ask about a day whose count differs."""
        self.sites: tuple[Site, ...] = ()
        super().__init__(day, day.request.day.windows[0])

    def ask(self, api: LoadJobApi, page: int, now: datetime) -> object:  # noqa: ARG002 - as every question
        """One request."""
        return api.list_sites()

    def came(self, job: PageJob, answer: list[Site]) -> None:
        """Take in the list."""
        job.state, self.sites = JobState.DONE, tuple(answer)


class StatesWork(ListWork):
    """The states of a window's rows, 100 a page."""

    operation = "states"

    def __init__(self, day: DayWork, window: Window, site: str | None, reader: StatesReader) -> None:
        """Ask from page 1 on, which tells how many there are."""
        self._reader = reader
        self.loaded: StatesWindow | None = None
        super().__init__(day, window, site)

    def restart(self) -> None:
        """Ask once more, from page 1 on."""
        super().restart()
        self.total = None
        self._pages: dict[int, StatesPage] = {}

    def ask(self, api: LoadJobApi, page: int, now: datetime) -> object:
        """One request."""
        return self._reader.read(api, self.params, page, now)

    def came(self, job: PageJob, answer: StatesPage) -> None:
        """Take in a page; the first one tells how many there are."""
        job.state = JobState.DONE
        self._pages[job.page] = answer
        if self.total is None:
            self.total = answer.total
            pages = -(-answer.total // PAGE_SIZE)
            self.jobs += [PageJob(self, page, JobState.TO_LIST) for page in range(2, pages + 1)]
        if answer.total != self.total:
            raise IncompleteResultError(self.total, answer.total, f"states of window {self.window}: total moved")
        if self.is_answered:
            self.loaded = complete_states(self.window, self.site, [self._pages[page] for page in sorted(self._pages)])
            self._pages.clear()
