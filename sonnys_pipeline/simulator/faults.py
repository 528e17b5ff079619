"""Faults that can be injected, and their counters.

Faults are deterministic: a count is used up by the next matching requests (or jobs), one each; -1 never runs out.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Operation(StrEnum):
    """Kind of a request, for faults and the log."""

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
"""How often; -1 means always."""


class Faults(BaseModel):
    """The faults in force. Unknown names are refused.

    Transport faults (limited to one operation through `on`):
        drop_before: cut the connection before the request is processed; costs no budget and starts no job.
        drop_after: process the request, then cut the connection.
        rate_limit_storm: 429 although the budget has room.
        server_errors: 500 ServerUnexpectedFailure with a support code.
        unavailable: 503 with a gateway's HTML page.
        bad_gateway: 502 with a gateway's HTML page.
        html_answers: 200 with a gateway's HTML page.
        truncated_json: a body that ends half-way, with a matching Content-Length.
        redirects: 302 to another host.
        redirect_to: its URL.
        clock_errors: 400 InvalidPayloadRequestTimestampError.
        slow_answers: process at once, respond later.
        slow_seconds: the delay, in API time.

    Load job faults (counted in new jobs; a cached hash uses up nothing):
        fail_jobs: the job fails; submitting the same criteria again starts a new one.
        sticky_fail_jobs: the job fails, and its criteria stay failed while the hash lives.
        endless_jobs: the job stays `working` until its hash expires.
        fail_dates: every job whose window starts on one of these UTC dates fails, until the date is removed.
        short_page: a page lacks its last row, which `total` still counts.
        duplicate_rows: a page after the first begins with the last row of the page before; its own last row is cut off
            if it is full.
        malformed_rows: the `total` of a page's first row is "abc".
        unknown_field: the rows of a page have an undocumented field (`loyaltyTier`).
        moving_total: a new row appears near the start of the window before a later page is built.

    Poll faults:
        expire_hashes_early: the polled hash is forgotten (404).
        unknown_status: a poll returns the status "queued".
        empty_as_404: get-job-data of an empty window returns 404 EntityNotFoundError.

    Lists and rows:
        empty_list_as_404: an empty transaction list returns 404 EntityNotFoundError instead of `total` 0.
        wash_list_skips: every n-th id is missing from `/transaction/type/wash`; 0 omits none.
        late_rows: rows per date that appear at 12:00 UTC after `late_after_reads`; they stay until `reset`.
        late_after_reads: reads of page 1 (job or list) of that date before they appear.
        renamed_fields: fields of rows (job and `version-2`) that are sent under another name: `{"old": "new"}`.

    Edits, at once and until `reset`: rows per UTC date (`World.edit_rows`, `Edit`):
        edited_rows: cost one dollar more.
        voided_rows: are voided; their total is 0.
        reopened_rows: get the status `Recalled`; their total stays.
        customer_rows: belong to another customer.
        repaid_rows: are paid otherwise, which no list shows.
        deleted_rows: are gone.
        moved_rows: move to another day.
        moved_by_days: how many days later; negative: earlier.
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
    renamed_fields: dict[str, str] = Field(default_factory=dict)
    edited_rows: dict[date, int] = Field(default_factory=dict)
    voided_rows: dict[date, int] = Field(default_factory=dict)
    reopened_rows: dict[date, int] = Field(default_factory=dict)
    customer_rows: dict[date, int] = Field(default_factory=dict)
    repaid_rows: dict[date, int] = Field(default_factory=dict)
    deleted_rows: dict[date, int] = Field(default_factory=dict)
    moved_rows: dict[date, int] = Field(default_factory=dict)
    moved_by_days: int = 1

    on: dict[str, Operation] = Field(default_factory=dict)
    """Limits a transport fault to one operation: `{"server_errors": "poll"}`."""

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
"""Names for `FaultInjector.take`."""


class FaultInjector:
    """Counts the faults down. Thread-safe."""

    def __init__(self, faults: Faults) -> None:
        self._lock = threading.Lock()
        self.set(faults)

    @property
    def faults(self) -> Faults:
        """The faults as they were set."""
        return self._faults

    def set(self, faults: Faults) -> None:
        """Replace all faults and restart their counts."""
        counts: dict[str, int] = {name: getattr(faults, name) for name in COUNTED_FAULTS}
        with self._lock:
            self._faults = faults
            self._remaining = counts

    def take(self, name: str, operation: Operation = Operation.ANY) -> bool:
        """Whether the fault applies now; uses up one of its count. `KeyError` for an unknown name."""
        with self._lock:
            left = self._remaining[name]
            if left == 0 or self._faults.on.get(name, operation) not in (operation, Operation.ANY):
                return False
            if left > 0:
                self._remaining[name] = left - 1
            return True

    def remaining(self) -> Mapping[str, int]:
        """The counts that are left."""
        with self._lock:
            return {name: left for name, left in self._remaining.items() if left}
