"""Requests to the list endpoints about a day: its row count, its states, and the list of sites."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sonnys_pipeline.calendar.windows import Window
from sonnys_pipeline.client import IncompleteResultError
from sonnys_pipeline.client.resource import PAGE_SIZE
from sonnys_pipeline.extract.pages.states import StatesPage, StatesReader, StatesWindow, complete_states
from sonnys_pipeline.extract.protocols import LoadJobApi
from sonnys_pipeline.extract.state import DayWork, JobState, ListWork, PageJob

if TYPE_CHECKING:
    from sonnys_pipeline.client import Site


class CountWork(ListWork):
    """The API's own row count of a window (LV-03)."""

    operation = "count"

    def send(self, api: LoadJobApi, page: int, now: datetime) -> object:  # noqa: ARG002 - as every question
        """One request."""
        return api.count(**self.params)

    def on_response(self, job: PageJob, answer: int) -> None:
        """Store the count."""
        job.state, self.total = JobState.DONE, answer


class SitesWork(ListWork):
    """The current list of sites."""

    operation = "sites"

    def __init__(self, day: DayWork) -> None:
        self.sites: tuple[Site, ...] = ()
        super().__init__(day, day.request.day.windows[0])

    def send(self, api: LoadJobApi, page: int, now: datetime) -> object:  # noqa: ARG002 - as every question
        """One request."""
        return api.list_sites()

    def on_response(self, job: PageJob, answer: list[Site]) -> None:
        """Store the list."""
        job.state, self.sites = JobState.DONE, tuple(answer)


class StatesWork(ListWork):
    """The states of a window's rows, 100 a page."""

    operation = "states"

    def __init__(self, day: DayWork, window: Window, site: str | None, reader: StatesReader) -> None:
        self._reader = reader
        self.loaded: StatesWindow | None = None
        super().__init__(day, window, site)

    def restart(self) -> None:
        """Start again from page 1."""
        super().restart()
        self.total = None
        self._pages: dict[int, StatesPage] = {}

    def send(self, api: LoadJobApi, page: int, now: datetime) -> object:
        """One request."""
        return self._reader.read(api, self.params, page, now)

    def on_response(self, job: PageJob, answer: StatesPage) -> None:
        """Store a page; the first one tells how many there are."""
        job.state = JobState.DONE
        self._pages[job.page] = answer
        if self.total is None:
            self.total = answer.total
            pages = -(-answer.total // PAGE_SIZE)
            self.jobs += [PageJob(self, page, JobState.TO_LIST) for page in range(2, pages + 1)]
        if answer.total != self.total:
            raise IncompleteResultError(self.total, answer.total, f"states of window {self.window}: total changed")
        if self.is_answered:
            self.loaded = complete_states(self.window, self.site, [self._pages[page] for page in sorted(self._pages)])
            self._pages.clear()
