"""What the loader needs of the world around it; the client and its budget have it, tests put fakes behind it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sonnys_pipeline.calendar.windows import Day, Window
from sonnys_pipeline.client import RequestRate, Site


@dataclass(frozen=True)
class LiveJob:
    """A load job that somebody has submitted before, and whose hash may still be good (BM-05).

    Attributes:
        window: what was asked for.
        page: page number from 1.
        job_hash: its hash.
        age: seconds since it was submitted.
        site: the site that it names; `None` where it names none.
    """

    window: Window
    page: int
    job_hash: str
    age: float
    site: str | None = None


@dataclass(frozen=True)
class DayRequest:
    """A day to be loaded.

    Attributes:
        day: which.
        site: the one site that is wanted; `None` for all of them.
        live_jobs: jobs to take up again instead of submitting them anew.
        sites: the sites whose load jobs make the day, each named by jobs of its own (contract, L1). Left out, one job
            for `site`, or one that names no site and has every site in the same, fuller pages.
        with_rows: whether the rows are read; else only what the lists know of them.
    """

    day: Day
    site: str | None = None
    live_jobs: Sequence[LiveJob] = ()
    sites: Sequence[str] = ()
    with_rows: bool = True

    @property
    def reads(self) -> Sequence[str | None]:
        """The sites to be named, one after the other; `None` is a load job that names none."""
        return self.sites or (self.site,)


class LoadJobApi(Protocol):
    """What the loader needs of the API: one request each, no waiting, no repetition (`SonnysClient.unpaced`)."""

    def submit_job(self, **params: Any) -> str:  # noqa: ANN401 - the API's parameters
        """Submit a page; its hash."""
        ...

    def get_job_body(self, job_hash: str) -> bytes:
        """Ask for a job once; its answer as it came."""
        ...

    def count(self, **params: Any) -> int:  # noqa: ANN401 - the API's parameters
        """Rows of a span, by the list endpoint."""
        ...

    def list_v2_body(self, **params: Any) -> bytes:  # noqa: ANN401 - the API's parameters
        """A page of `version-2`, as it came."""
        ...

    def list_sites(self) -> list[Site]:
        """The operator's sites."""
        ...


class Budget(Protocol):
    """What the loader needs of the request budget."""

    rate: RequestRate

    def try_acquire(self) -> float:
        """0.0 when a permit was acquired, else seconds until it is worth asking again.

        Raises:
            BudgetUnavailableError: when its store has been away for too long.
        """
        ...

    def cool_down(self) -> None:
        """A 429 came."""
        ...
