"""One execution of a job that reads a list: lands it, and writes ledger and audit (BX-05, RS-02)."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from sonnys_pipeline.backfill.audit import Audit, AuditedRun, DayOutcome, Measures, RunSetup
from sonnys_pipeline.backfill.lists.preview import resource_of
from sonnys_pipeline.backfill.options import OnError
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.client import APIStatusError, AuthError, SonnysError
from sonnys_pipeline.extract.events import Attempt
from sonnys_pipeline.extract.lists.kept import ReadingStoppedError, Watch
from sonnys_pipeline.lake.dataset import LandedFile
from sonnys_pipeline.lake.errors import LakeError, UnwritableLakeError
from sonnys_pipeline.landing.dimensions.read import ListSource, read_and_land
from sonnys_pipeline.landing.dimensions.tables import Dimension
from sonnys_pipeline.landing.facts.land import DaysRefusedError, LandedDay
from sonnys_pipeline.landing.facts.read import parts_of, read_and_land_days
from sonnys_pipeline.landing.facts.tables import Fact
from sonnys_pipeline.ledger.models import JobRow, RowFigures


class ListRun(AuditedRun, Watch):
    """Reads a list as a job's rows say: a history in one row, days by the spans that are read together."""

    def __init__(
        self, workspace: Workspace, setup: RunSetup, rows: Sequence[JobRow], resource: str, audit: Audit
    ) -> None:
        super().__init__(workspace.jobs, setup, len(rows), audit)
        self._workspace = workspace
        self._resource = resource_of(resource)
        self._rows = {row.day: row for row in rows}
        self._requests = 0
        self._lock = threading.Lock()

    def before(self) -> None:
        """End the reading if that was asked for."""
        if self._stop_reason:
            raise ReadingStoppedError(self._stop_reason)

    def asked(self, path: str, params: Mapping[str, Any], sent_at: datetime, error: SonnysError | None) -> None:
        """Write a line of the audit."""
        ended = datetime.now(UTC)
        window = "/".join(str(params[name]) for name in ("startDate", "endDate") if name in params)
        site = params.get("site")
        attempt = Attempt(
            day="",
            site=None if site is None else str(site),
            window=window,
            page=int(params.get("offset", 1)),
            operation=path,
            job_hash="",
            attempt=1,
            outcome=type(error).__name__ if error else "listed",
            status=error.status if isinstance(error, APIStatusError) else None if error else 200,
            sent_at=sent_at,
            seconds=(ended - sent_at).total_seconds(),
        )
        with self._lock:
            self._requests += 1
            self.audit.attempted(attempt)
            self.report.request_answered(self._requests)

    def work_off(self) -> str:
        """Read and land every row; returns why it stopped early, or an empty string."""
        days = [date.fromisoformat(day) for day in self._rows]
        longest = self._resource.longest if isinstance(self._resource, Fact) else None
        for part in parts_of(sorted(days), longest):
            if self._stop_reason:
                break
            if stopped := self._part([day.isoformat() for day in part]):
                return stopped
        return self._stop_reason

    def measures(self) -> Measures:
        """The figures so far."""
        return Measures.of(
            self.outcomes, requests=self._requests, seconds=self._clock() - self._started, budget_wait=0.0
        )

    def _part(self, days: Sequence[str]) -> str:
        jobs, owner = self._jobs, self._owner
        for day in days:
            jobs.start_row(self._rows[day].id, owner=owner)
        before, began = self._requests, time.monotonic()
        refused: Mapping[date, LakeError] = {}
        try:
            landed = self._read(days)
        except DaysRefusedError as error:
            landed, refused = _files(error.landed), error.refused
        except ReadingStoppedError as stopped:
            return str(stopped)
        except (SonnysError, LakeError) as error:
            return self._failed(days, error, self._requests - before, time.monotonic() - began)
        requests, seconds = self._requests - before, time.monotonic() - began
        # Checked again, so that an executor that was frozen for an hour says nothing in its successor's name.
        jobs.leases.renew(self._rows[days[0]].job_id, owner, self._options.lease_seconds)
        for number, (day, file) in enumerate(landed.items()):
            # One reading serves all of these days; the first one is billed for it.
            cost = (requests, seconds) if number == 0 else (0, 0.0)
            row = jobs.complete_row(self._rows[day].id, RowFigures((), str(file.path), file.rows, *cost), owner=owner)
            outcome = DayOutcome(
                day, None, "success" if file.rows else "no-record", file.rows, requests=cost[0],
                seconds=round(cost[1], 3), path=str(file.path), list_requests=cost[0],
            )  # fmt: skip
            self.outcomes.append(outcome)
            is_day = not isinstance(self._resource, Dimension)
            self._listener.list_landed(self._resource.asset, day if is_day else None, file)
            self._tell(row, outcome)
        for number, (lost, why) in enumerate(refused.items(), len(landed)):
            cost = (requests, seconds) if number == 0 else (0, 0.0)
            if reason := self._failed([lost.isoformat()], why, *cost):
                return reason
        return ""

    def _read(self, days: Sequence[str]) -> dict[str, LandedFile]:
        source: ListSource = replace(self._workspace.lists(), watch=self)
        lake, now = self._workspace.lake, self._workspace.now()
        if isinstance(self._resource, Dimension):
            return {days[0]: read_and_land(lake, self._resource, source, now).landed.file}
        read = read_and_land_days(lake, self._resource, source, [date.fromisoformat(day) for day in days], now)
        return _files(read.days)

    def _failed(self, days: Sequence[str], error: SonnysError | LakeError, requests: int, seconds: float) -> str:
        for number, day in enumerate(days):
            cost = (requests, seconds) if number == 0 else (0, 0.0)
            self._row_failed(self._rows[day], error, str(error), *cost)
        if isinstance(error, AuthError):
            return f"{days[0]}: the API refuses the credentials; every other day would fail too"
        if isinstance(error, UnwritableLakeError):
            return f"{days[0]}: {error}"
        if self._options.on_error is OnError.FAIL_FAST:
            return f"{days[0]} failed ({type(error).__name__}); the run stops at its first failed day"
        return ""


def _files(days: Mapping[date, LandedDay]) -> dict[str, LandedFile]:
    return {day.isoformat(): landed.file for day, landed in days.items()}
