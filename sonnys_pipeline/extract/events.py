"""What comes out of the loader beside complete days: attempts, failed days, and the end of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sonnys_pipeline.client import APIError, Site
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.extract.state import PageJob

#: What is learned of an API: lists that name no site are refused on this key ([?] of the contract).
LISTS_NEED_SITE = "lists_need_site"
#: What is learned of an API: load jobs that name no site are refused on this key (contract, L1).
LOAD_JOB_NEEDS_SITE = "load_job_needs_site"
#: What is learned of an API: seconds after its submission at which a load job is likely ready.
JOB_SECONDS = "job_seconds"


@dataclass(frozen=True)
class Attempt:
    """One request and its outcome, for the audit (BM-08).

    Attributes:
        day: partition key.
        site: the site that the request names.
        window: ISO interval.
        page: page number from 1.
        operation: `submit`, `poll`, `count`, `states` or `sites`.
        job_hash: the hash, where known.
        attempt: attempt number, from 1.
        outcome: `submitted`, `working`, `pass`, `counted`, `listed`, or the name of an error.
        status: HTTP status, where there was one.
        sent_at: aware UTC.
        seconds: from sending to answer.
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
    """Told what happens, in the caller's thread; the base class does nothing, the executor keeps the ledger with it."""

    def submitting(self, job: PageJob) -> None:
        """A load job is about to be submitted; nothing has been sent yet."""

    def submitted(self, job: PageJob) -> None:
        """Its hash has come."""

    def attempted(self, attempt: Attempt) -> None:
        """A request was answered, or failed."""

    def learned(self, name: str, value: object) -> None:
        """The API has shown something that was not known of it, such as `LISTS_NEED_SITE`."""

    def sites_appeared(self, day: str, sites: Sequence[Site], new: Sequence[str]) -> None:
        """While a day was read, sites were found that were not listed when the run began; they are read, too."""


@dataclass(frozen=True)
class FailedDay:
    """A day that could not be loaded; nothing of it may be landed.

    Attributes:
        request: which.
        error: why.
        requests: spent on it.
        seconds: from its first request.
    """

    request: DayRequest
    error: APIError
    requests: int
    seconds: float


class LoadingStoppedError(APIError):
    """The loader stopped itself: the API fails or refuses every request (BM-06), or there is no budget to ask for."""
