"""One execution of a job: writes the loader's outcomes to lake, ledger and audit."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sonnys_pipeline.backfill.audit import Audit, AuditedRun, DayOutcome, Measures, RunSetup
from sonnys_pipeline.backfill.listener import LandedDay
from sonnys_pipeline.backfill.moves import ExtraDays, HeldDay, HeldDays, day_request
from sonnys_pipeline.backfill.options import OnError
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.client import AuthError, Site, SonnysError, UnparsableRowError, ValidationError
from sonnys_pipeline.extract.events import (
    JOB_SECONDS,
    LOAD_JOB_NEEDS_SITE,
    Attempt,
    FailedDay,
    LoadingStoppedError,
    LoadObserver,
)
from sonnys_pipeline.extract.loader import Loader
from sonnys_pipeline.extract.pages.assemble import REREAD, LoadedDay
from sonnys_pipeline.extract.protocols import DayRequest, LiveJob
from sonnys_pipeline.extract.state import PageJob
from sonnys_pipeline.lake.dataset import Lake, LandedFile
from sonnys_pipeline.lake.errors import LakeError, UnwritableLakeError
from sonnys_pipeline.landing.account_sites import AccountSites, keep_sites, sites_of
from sonnys_pipeline.landing.quarantine import set_aside
from sonnys_pipeline.landing.states import StatesNotReadError, land_states
from sonnys_pipeline.landing.transactions import land_day
from sonnys_pipeline.ledger.load_jobs import LoadJobRecord
from sonnys_pipeline.ledger.models import JobRow, RowFigures

logger = logging.getLogger(__name__)

#: With `continue`, a run stops when more than this share failed of at least this many days (BM-06).
_DAYS_SAMPLE = 10
_FAILED_SHARE = 0.5
#: How often days are read to follow moved rows: a day that is read may show another move.
_ROUNDS = 3


class JobRun(AuditedRun, LoadObserver):
    """Writes the loader's outcomes to lake, ledger and audit; `sites` are read for each day."""

    def __init__(
        self, workspace: Workspace, setup: RunSetup, rows: Sequence[JobRow], sites: AccountSites, audit: Audit
    ) -> None:
        super().__init__(workspace.jobs, setup, len(rows), audit)
        self._lake = workspace.lake
        self._rows = {(row.day, row.site): row for row in rows}
        self._sites = sites
        self._budget_wait = 0.0
        self._earlier_loaders: list[Loader] = []
        self._make_loader = setup.make_loader
        self._held = HeldDays(workspace, setup.options)
        self._loader = setup.make_loader(self)

    def stop(self, reason: str) -> None:
        """End soon, keeping what is landed; safe to call from a signal handler or another thread."""
        super().stop(reason)
        self._loader.stop()

    def work_off(self) -> str:
        """Load and land every row; returns why it stopped early, or an empty string."""
        outcomes = self._loader.load(self._requests())
        try:
            for outcome in outcomes:  # a stop ends the loader; days already complete are still landed
                stopped = self._landed(outcome) if isinstance(outcome, LoadedDay) else self._failed(outcome)
                if stopped:
                    return stopped
        except LoadingStoppedError as error:
            return str(error)
        finally:
            outcomes.close()  # type: ignore[attr-defined] # a generator, whatever its annotation says
        return self._stop_reason or self._land_held()

    def _land_held(self) -> str:
        """Read the other days of moved rows, and land both as one; returns why it stopped early, or an empty string."""
        try:
            for _ in range(_ROUNDS):
                requests = self._held.requests(self._sites)
                if not requests or self._stop_reason:
                    break
                self._earlier_loaders.append(self._loader)
                self._loader = self._make_loader(ExtraDays(self))
                for outcome in self._loader.load(iter(requests)):
                    self._held.add_extra(outcome)
        except LoadingStoppedError as error:
            return str(error)
        for group in [] if self._stop_reason else self._held.groups():
            if stopped := self._land_group(group):
                return stopped
        return self._stop_reason

    def _land_group(self, group: Sequence[HeldDay]) -> str:
        """Land days between which rows moved; readers see all of them or none."""
        days = [one for one in group if not one.extra]
        for one in days[:1]:
            row = self._rows[(one.loaded.day.key, one.loaded.site)]
            self._jobs.leases.renew(row.job_id, self._owner, self._options.lease_seconds)
        try:
            if problem := next((one.problem for one in group if one.problem), None):
                raise problem
            with self._lake.together() as lake:
                landed = [(one, *self._land(one.loaded, lake)) for one in group]
                if len(group) > 1:
                    lake.belong_together()
        except (LakeError, SonnysError) as error:
            stopped = ""
            for one in days:
                loaded = one.loaded
                row = self._rows[(loaded.day.key, loaded.site)]
                stopped = self._day_failed(row, error, loaded.requests, loaded.seconds) or stopped
            return stopped or (str(error) if isinstance(error, UnwritableLakeError) else "")
        for one, file, states in landed:
            if one.extra:
                logger.info("%s was read again, since rows moved between it and a day of this run", one.loaded.day.key)
                self._listener.day_landed(LandedDay(one.loaded, file, 0.0, states, extra=True))
            else:
                self._completed(one.loaded, file, states)
        return ""

    def remember(self) -> None:
        """Keep how long load jobs took, for the first guess of the next run (LV-05)."""
        seconds = self._loader.job_seconds
        if seconds is not None:
            self._jobs.knowledge.remember(self._options.source.api_id_digest, JOB_SECONDS, round(seconds, 3))

    def measures(self) -> Measures:
        """The figures so far."""
        return Measures.of(
            self.outcomes,
            requests=sum(loader.requests for loader in self._loaders) + self._held.requests_sent,
            seconds=self._clock() - self._started,
            budget_wait=sum(loader.budget_wait for loader in self._loaders),
        )

    @property
    def _loaders(self) -> list[Loader]:
        return [*self._earlier_loaders, self._loader]

    def submitting(self, job: PageJob) -> None:
        """Write the intent before anything is sent."""
        self._jobs.load_jobs.note_submitting(self._row_of(job).id, job.work.window, job.page, job.work.site)

    def submitted(self, job: PageJob) -> None:
        """Write the hash before anything else is sent."""
        self._jobs.load_jobs.note_submitted(
            self._row_of(job).id, job.work.window, job.page, job.job_hash, job.work.site
        )

    def attempted(self, attempt: Attempt) -> None:
        """Write a line of the audit, and a progress report when it is due."""
        self.audit.attempted(attempt)
        self.report.request_answered(sum(loader.requests for loader in self._loaders))

    def learned(self, name: str, value: object) -> None:
        """Keep it and log it once."""
        logger.warning("this API behaves as follows: %s is %s; later runs will use this", name, value)
        self._jobs.knowledge.remember(self._options.source.api_id_digest, name, value)

    def sites_appeared(self, day: str, sites: Sequence[Site], new: Sequence[str]) -> None:
        """Read the new sites too, in days that start from now on."""
        logger.warning("%s: the API lists new sites, which are read too: %s", day, ", ".join(new))
        self._sites = sites_of(keep_sites(self._jobs, self._options.source.api_id_digest, sites))

    def _requests(self) -> Iterator[DayRequest]:
        lifetime = timedelta(seconds=self._options.loader.hash_lifetime)
        for row in self._rows.values():
            known = self._jobs.together(lambda row=row: self._begin(row, lifetime))  # type: ignore[misc] # bound now
            now = datetime.now(UTC)
            live = [
                LiveJob(one.window, one.page, one.job_hash, one.age(now).total_seconds(), one.site)
                for one in known
                if one.job_hash
            ]
            yield replace(day_request(row.day, row.site, self._sites, self._options), live_jobs=live)

    def _begin(self, row: JobRow, lifetime: timedelta) -> list[LoadJobRecord]:
        self._jobs.start_row(row.id, owner=self._owner)
        return self._jobs.load_jobs.live(row.id, younger_than=lifetime)

    def _landed(self, loaded: LoadedDay) -> str:
        row = self._rows[(loaded.day.key, loaded.site)]
        # Checked again just before the file is put in place: never overwrite a successor's newer day.
        self._jobs.leases.renew(row.job_id, self._owner, self._options.lease_seconds)
        loaded = replace(loaded, found_by=self._options.found_by.get(row.day, REREAD))
        try:
            if self._held.holds(loaded):
                return ""  # landed with the other days of its rows
            file, states = self._land(loaded, self._lake)
        except LakeError as error:
            stopped = self._day_failed(row, error, loaded.requests, loaded.seconds)
            # A disk that refuses this day refuses every other one; any other error concerns this day only.
            return stopped or (f"{row.day}: {error}" if isinstance(error, UnwritableLakeError) else "")
        self._completed(loaded, file, states)
        return ""

    def _completed(self, loaded: LoadedDay, file: LandedFile, states: LandedFile | None) -> None:
        row = self._rows[(loaded.day.key, loaded.site)]
        rows = loaded.table.num_rows  # of this row's site; the file may hold other sites too
        figures = RowFigures(loaded.job_hashes, str(file.path), rows, loaded.requests, loaded.seconds)
        completed = self._jobs.complete_row(row.id, figures, owner=self._owner)
        pages = len(loaded.job_hashes)
        outcome = DayOutcome(
            row.day, row.site, "success" if rows else "no-record", rows, pages, loaded.requests,
            round(loaded.seconds, 3), str(file.path), list_requests=loaded.list_requests,
        )  # fmt: skip
        self.outcomes.append(outcome)
        if loaded.states_note:
            logger.warning("%s: landed without its states: %s", row.day, loaded.states_note)
        total = sum(loader.budget_wait for loader in self._loaders)
        waited, self._budget_wait = total - self._budget_wait, total
        self._listener.day_landed(LandedDay(loaded, file, waited, states))
        self._tell(completed, outcome)

    def _land(self, loaded: LoadedDay, lake: Lake) -> tuple[LandedFile, LandedFile | None]:
        source, privacy = self._options.source, self._options.privacy
        if not loaded.with_rows:
            if loaded.states is None:
                raise StatesNotReadError(f"{loaded.day.key}: {loaded.states_note or 'its states were not read'}")
            states = land_states(lake, loaded, source=source, privacy=privacy)
            return states, states
        file = land_day(lake, loaded, source=source, privacy=privacy, account_sites=self._sites.codes)
        return file, land_states(lake, loaded, source=source, privacy=privacy) if loaded.states else None

    def _failed(self, failed: FailedDay) -> str:
        row = self._rows[(failed.request.day.key, failed.request.site)]
        return self._day_failed(row, failed.error, failed.requests, failed.seconds)

    def _day_failed(self, row: JobRow, error: SonnysError | LakeError, requests: int, seconds: float) -> str:
        """Record a failed day; returns why the run should stop now, or an empty string."""
        message = str(error)
        if isinstance(error, UnparsableRowError):
            kept = set_aside(self._options.state_dir / "quarantine", row.day, error)
            message = f"{message}; the raw page is kept in {kept}"
        self._row_failed(row, error, message, requests, seconds)
        done, bad = self.report.now.days_done, self.report.now.days_failed
        if isinstance(error, ValidationError) and error.concerns_site and row.site is None and not self._sites.codes:
            # The key refuses load jobs without a site, for this day and every other.
            self._jobs.knowledge.remember(self._options.source.api_id_digest, LOAD_JOB_NEEDS_SITE, True)
            return f"{row.day}: this key accepts only load jobs that name a site; set SONNYS_LOAD_BY=site"
        if isinstance(error, AuthError):
            return f"{row.day}: the API refuses the credentials; every other day would fail too"
        if self._options.on_error is OnError.FAIL_FAST:
            return f"{row.day} failed ({type(error).__name__}); the run stops at its first failed day"
        if done >= _DAYS_SAMPLE and bad > _FAILED_SHARE * done:
            return f"{bad} of {done} days failed: the run stops itself"
        return ""

    def _row_of(self, job: PageJob) -> JobRow:
        request = job.work.day.request
        return self._rows[(request.day.key, request.site)]
