"""What the loader needs of its surroundings; the client and its budget provide it, tests use fakes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from sonnys_pipeline.calendar.windows import Day, Window
from sonnys_pipeline.client import RequestRate, Site

#: What is read of a day: its rows by load jobs; or of landed rows their states (`version-2`), or only their number.
Reads: TypeAlias = Literal["rows", "states", "count"]


@dataclass(frozen=True)
class LiveJob:
    """A load job submitted by an earlier run `age` seconds ago, whose hash may still be valid (BM-05).

    `page` counts from 1; `site` is the site that it names, if any.
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
        site: the only site to load; `None` for all of them.
        live_jobs: jobs of an earlier run to reuse.
        sites: sites that get load jobs of their own (contract, L1). If empty, one job for `site`, or one for all sites
            together, in fewer pages.
        reads: what is read. States and counts may be of a span of several days, with a `day` that has this one window.
    """

    day: Day
    site: str | None = None
    live_jobs: Sequence[LiveJob] = ()
    sites: Sequence[str] = ()
    reads: Reads = "rows"

    @property
    def with_rows(self) -> bool:
        """Whether the rows are read, by load jobs."""
        return self.reads == "rows"

    @property
    def job_sites(self) -> Sequence[str | None]:
        """The site of each load job; `None` for a job that names none."""
        return self.sites or (self.site,)


class LoadJobApi(Protocol):
    """The API for the loader: one request each, no waiting, no retries (`SonnysClient.unthrottled`)."""

    def submit_job(self, **params: Any) -> str:  # noqa: ANN401 - the API's parameters
        """Submit a page; returns its hash."""
        ...

    def get_job_body(self, job_hash: str) -> bytes:
        """Poll a job once; returns the raw body."""
        ...

    def count(self, **params: Any) -> int:  # noqa: ANN401 - the API's parameters
        """Rows of a span, from the list endpoint."""
        ...

    def list_v2_body(self, **params: Any) -> bytes:  # noqa: ANN401 - the API's parameters
        """Raw body of a page of `version-2`."""
        ...

    def list_sites(self) -> list[Site]:
        """The operator's sites."""
        ...


class Budget(Protocol):
    """The request budget for the loader."""

    rate: RequestRate

    def try_acquire(self) -> float:
        """0.0 if a permit was acquired, else seconds to the next try; `BudgetUnavailableError` after a long outage."""
        ...

    def cool_down(self) -> None:
        """React to a 429."""
        ...
