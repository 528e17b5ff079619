"""What can be made to go wrong, and the counters that make it go wrong exactly so often.

Every fault is deterministic: a count is used up by the next requests (or jobs) that it can apply to, one each; -1 never
runs out. Nothing is drawn by chance.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Operation(StrEnum):
    """What a request does, as far as faults and the log tell them apart."""

    SUBMIT = "submit"
    """load-job"""
    POLL = "poll"
    """get-job-data"""
    LIST = "list"
    """the transaction lists and the detail of one transaction"""
    SITES = "sites"
    """site/list"""
    RESOURCE = "resource"
    """items, customers, employees, accounts, gift cards, sales outcomes"""
    ANY = "any"


FaultCount: TypeAlias = Annotated[int, Field(ge=-1, strict=True)]
"""How often; 0 never, -1 until it is taken back."""


class Faults(BaseModel):
    """The faults in force. Unknown names are refused.

    Of the transport (limited to one operation through `on`, else any):
        drop_before: the connection is cut before the request is looked at; it costs no budget and starts no job.
        drop_after: the request is carried out, and the connection is cut instead of answering.
        rate_limit_storm: 429 although the budget has room.
        server_errors: 500 ServerUnexpectedFailure with a support code.
        unavailable: 503 with a gateway's HTML page.
        bad_gateway: 502 with a gateway's HTML page.
        html_answers: 200 with an HTML page.
        truncated_json: a right answer whose body ends half-way (its Content-Length agrees with what is sent).
        redirects: 302 to the address in
        redirect_to: of another host.
        clock_errors: 400 InvalidPayloadRequestTimestampError.
        slow_answers: the answer comes late, the request is carried out at once; late by
        slow_seconds: in seconds of API time.

    Of load jobs (counted in newly created jobs; a hash from the cache uses up nothing):
        fail_jobs: the job ends in `fail`; submitting the same criteria again starts a new job.
        sticky_fail_jobs: the job ends in `fail`, and its criteria stay failed while the hash lives.
        endless_jobs: the job stays `working` until its hash expires.
        fail_dates: every job whose window starts on one of these UTC dates ends in `fail`, until the date is removed.
        short_page: a page lacks its last row; `total` still promises it.
        duplicate_rows: a page other than the first begins with the last row of the page before, which pushes the page's
            own last row out if the page is full.
        malformed_rows: the `total` of a page's first row is "abc".
        unknown_field: the rows of a page carry a field that no document knows (`loyaltyTier`).
        moving_total: a new row appears near the start of the window just before a page other than the first is built.

    Of polls:
        expire_hashes_early: a hash is forgotten at its next poll (404).
        unknown_status: a poll answers the status "queued".
        empty_as_404: get-job-data of an empty window answers 404 EntityNotFoundError.

    Of lists and of the record:
        empty_list_as_404: an empty transaction list answers 404 EntityNotFoundError instead of `total` 0.
        wash_list_skips: every so-many-th id is missing from `/transaction/type/wash`; 0 leaves none out.
        late_rows: so many rows appear at 12:00 UTC of each date, after `late_after_reads` readings of that date.
        late_after_reads: 0 lets them appear at once; a reading is a load job's page 1 or a list's page 1 that
            overlaps the date.
        edited_rows: so many rows of each UTC date become one dollar dearer at once.
        Late and edited rows stay until `reset`; naming them again makes more of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    drop_before: FaultCount = 0
    drop_after: FaultCount = 0
    rate_limit_storm: FaultCount = 0
    server_errors: FaultCount = 0
    unavailable: FaultCount = 0
    bad_gateway: FaultCount = 0
    html_answers: FaultCount = 0
    truncated_json: FaultCount = 0
    redirects: FaultCount = 0
    clock_errors: FaultCount = 0
    slow_answers: FaultCount = 0

    fail_jobs: FaultCount = 0
    sticky_fail_jobs: FaultCount = 0
    endless_jobs: FaultCount = 0
    short_page: FaultCount = 0
    duplicate_rows: FaultCount = 0
    malformed_rows: FaultCount = 0
    unknown_field: FaultCount = 0
    moving_total: FaultCount = 0

    expire_hashes_early: FaultCount = 0
    unknown_status: FaultCount = 0

    slow_seconds: float = Field(default=60.0, ge=0)
    redirect_to: str = "https://sonnys.invalid/v1"
    fail_dates: frozenset[date] = frozenset()
    empty_as_404: bool = False
    empty_list_as_404: bool = False
    wash_list_skips: int = Field(default=0, ge=0)
    late_rows: dict[date, int] = Field(default_factory=dict)
    late_after_reads: int = Field(default=0, ge=0)
    edited_rows: dict[date, int] = Field(default_factory=dict)

    on: dict[str, Operation] = Field(default_factory=dict)
    """Limits a fault of the transport to one operation: `{"server_errors": "poll"}`."""

    @model_validator(mode="after")
    def _limits_name_transport_faults(self) -> Faults:
        if unknown := sorted(set(self.on) - TRANSPORT_FAULTS):
            raise ValueError(f"`on` limits faults of the transport {sorted(TRANSPORT_FAULTS)}, not {unknown}")
        return self


TRANSPORT_FAULTS = frozenset(
    {
        "drop_before",
        "drop_after",
        "rate_limit_storm",
        "server_errors",
        "unavailable",
        "bad_gateway",
        "html_answers",
        "truncated_json",
        "redirects",
        "clock_errors",
        "slow_answers",
    }
)
JOB_FAULTS = frozenset(
    {
        "fail_jobs",
        "sticky_fail_jobs",
        "endless_jobs",
        "short_page",
        "duplicate_rows",
        "malformed_rows",
        "unknown_field",
        "moving_total",
    }
)
POLL_FAULTS = frozenset({"expire_hashes_early", "unknown_status"})
COUNTED_FAULTS = TRANSPORT_FAULTS | JOB_FAULTS | POLL_FAULTS
"""The names that `FaultInjector.take` knows."""


class FaultInjector:
    """Counts the faults down. Thread-safe."""

    def __init__(self, faults: Faults) -> None:
        self._lock = threading.Lock()
        self.set(faults)

    @property
    def faults(self) -> Faults:
        """The faults as they were set; `remaining` tells what is left of them."""
        return self._faults

    def set(self, faults: Faults) -> None:
        """Replace all faults and start their counts anew."""
        counts: dict[str, int] = {name: getattr(faults, name) for name in COUNTED_FAULTS}
        with self._lock:
            self._faults = faults
            self._remaining = counts

    def take(self, name: str, operation: Operation = Operation.ANY) -> bool:
        """Whether the fault is due now; uses up one of its count.

        Raises:
            KeyError: there is no counted fault of that name.
        """
        with self._lock:
            left = self._remaining[name]
            if left == 0 or self._faults.on.get(name, operation) not in (operation, Operation.ANY):
                return False
            if left > 0:
                self._remaining[name] = left - 1
            return True

    def remaining(self) -> Mapping[str, int]:
        """What is left of each count that is not 0."""
        with self._lock:
            return {name: left for name, left in self._remaining.items() if left}
