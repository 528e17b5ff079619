"""What the loader needs of the world around it; the client and its budget have it, tests put fakes behind it.

Belongs here: protocols. The third one, `Exchange`, stands with its implementation.
"""

from __future__ import annotations

from typing import Any, Protocol

from sonnys_pipeline.client import RequestRate, Site


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
        """0.0 when a place was taken, else seconds until it is worth asking again.

        Raises:
            BudgetUnavailableError: when its store has been away for too long.
        """
        ...

    def cool_down(self) -> None:
        """A 429 came."""
        ...
