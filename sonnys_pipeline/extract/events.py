"""What the loader reports besides complete days: attempts, failed days, and the end of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sonnys_pipeline.client import APIError, Site
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.extract.state import PageJob

#: Learned fact: lists require a site on this key ([?] of the contract).
LISTS_NEED_SITE = "lists_need_site"
#: Learned fact: load jobs require a site on this key (contract, L1).
LOAD_JOB_NEEDS_SITE = "load_job_needs_site"
#: Learned fact: seconds after submission at which a load job is likely ready.
JOB_SECONDS = "job_seconds"


@dataclass(frozen=True)
class Attempt:
    """One request and its outcome, for the audit (BM-08).

    Attributes:
        window: ISO interval.
        operation: `submit`, `poll`, `count`, `states` or `sites`.
        outcome: `submitted`, `working`, `pass`, `counted`, `listed`, or the name of an error.
        sent_at: aware UTC; `seconds` is the time until the response.
    """

    day: str
    site: str | None
    window: str
    page: int
    operation: str
    job_hash: str
    attempt: int
    outcome: str
    status: int | None
    sent_at: datetime
    seconds: float


class LoadObserver:
    """Callbacks in the caller's thread; the base class does nothing, the executor writes the ledger."""

    def submitting(self, job: PageJob) -> None:
        """A load job is about to be submitted."""

    def submitted(self, job: PageJob) -> None:
        """A load job has its hash."""

    def attempted(self, attempt: Attempt) -> None:
        """A request was answered or failed."""

    def learned(self, name: str, value: object) -> None:
        """A new fact about the API, such as `LISTS_NEED_SITE`."""

    def sites_appeared(self, day: str, sites: Sequence[Site], new: Sequence[str]) -> None:
        """Reading a day found sites that were not listed when the run began; they are read too."""


@dataclass(frozen=True)
class FailedDay:
    """A day that could not be loaded, with its requests and seconds so far; nothing of it may be landed."""

    request: DayRequest
    error: APIError
    requests: int
    seconds: float


class LoadingStoppedError(APIError):
    """The loader stopped: the API fails or refuses every request (BM-06), or the budget is unavailable."""
