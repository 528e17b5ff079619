"""How a response changes the state of a load job or list request, of its window, and of its day."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sonnys_pipeline.client import APIError, APIStatusError, JobData, JobFailedError, LoadJobStatus, RateLimitError
from sonnys_pipeline.extract.circuit_breaker import CircuitBreaker
from sonnys_pipeline.extract.completion import Completion
from sonnys_pipeline.extract.events import Attempt, FailedDay, LoadObserver
from sonnys_pipeline.extract.pages.assemble import ImplausibleTotalError, LoadedDay, RowOfTwoSitesError
from sonnys_pipeline.extract.pages.page import PageRows
from sonnys_pipeline.extract.pages.states import StatesPage
from sonnys_pipeline.extract.protocols import Budget
from sonnys_pipeline.extract.retry_policy import (
    JobOverdueError,
    RecoveryAction,
    TotalMovedError,
    is_api_failure,
    recovery_action,
)
from sonnys_pipeline.extract.scheduler import LoaderOptions, Schedule
from sonnys_pipeline.extract.state import DayWork, JobState, ListWork, PageJob, WindowWork

#: Row limit of a window over all sites, in limits of one site.
_SITES_AT_ONCE = 10
#: Doublings of the pause between retries.
_MAX_DOUBLINGS = 5


@dataclass(frozen=True)
class Sent:
    """A request in flight."""

    job: PageJob
    operation: str
    clock: float
    at: datetime


@dataclass
class ResponseHandler:
    """Processes responses, one after the other; `on_end` is called with each day that is complete or has failed.

    `clock` gives monotonic seconds, `now` aware UTC, `jitter` a random number in [0, 1).
    """

    schedule: Schedule
    completion: Completion
    budget: Budget
    breaker: CircuitBreaker
    options: LoaderOptions
    observer: LoadObserver
    keeps_pages: bool
    on_end: Callable[[DayWork, LoadedDay | FailedDay], None]
    clock: Callable[[], float]
    now: Callable[[], datetime]
    jitter: Callable[[], float]

    def handle(self, sent: Sent, answer: object, error: APIError | None) -> None:
        """Process a response or an error."""
        job, work = sent.job, sent.job.work
        try:
            if error is not None:
                raise error
            if isinstance(work, ListWork):
                if isinstance(answer, StatesPage):
                    self._refuse_implausible(work, answer.total)
                work.on_response(job, answer)
                job.failures = 0  # not before: an answer that cannot be used is a failure like any other
                self.end_if_complete(work.day)
            else:
                job.failures = 0
                self._on_success(job, work, sent, answer)
        except APIError as failure:
            if isinstance(work, ListWork):
                self._on_list_failure(job, work, failure)
            else:
                self._on_failure(job, work, sent, failure)

    def _on_success(self, job: PageJob, work: WindowWork, sent: Sent, value: object) -> None:
        now = self.clock()
        if sent.operation == "submit":
            job.state, job.job_hash, job.was_working = JobState.RUNNING, str(value), False
            self.observer.submitted(job)
            if job.job_hash == job.suspect_hash:
                raise JobFailedError(job.job_hash, job.params, "the API gave a failed job's hash again")
        elif sent.operation == "count":
            if value == 0:
                work.mark_empty()
                self.end_if_complete(work.day)
            else:
                job.suspect_hash, job.state = job.job_hash, JobState.TO_SUBMIT
        elif isinstance(value, PageRows):
            self.schedule.times.record_passed(job.age(sent.clock))
            self._refuse_implausible(work, value.total)
            if work.day.slice_if_large(work, value.total):
                return
            if not work.add_page(job, value):
                raise TotalMovedError(work.total or 0, value.total, f"window {work.window}: total changed")
            self.end_if_complete(work.day)
        else:
            age = job.age(sent.clock)
            if not job.was_working or not self.schedule.times.proven:
                # Once per job: a job that never ends must not raise the estimate for ever.
                self.schedule.times.record_working(age)
            job.was_working = True
            if age >= self.options.job_timeout:
                raise JobOverdueError(
                    f"load job {job.job_hash} was not ready within its timeout of {self.options.job_timeout:g} s; "
                    "raise SONNYS_JOB_TIMEOUT if the API is slow today"
                )
            job.state = JobState.RUNNING
            job.not_before = now + max(self.options.poll_interval, age / 4) * (0.9 + 0.2 * self.jitter())

    def _refuse_implausible(self, work: WindowWork | ListWork, total: int) -> None:
        """Raise `ImplausibleTotalError` for more rows than a site can have in a window."""
        most = self.options.most_rows * (1 if work.site else _SITES_AT_ONCE)
        if total > most:
            raise ImplausibleTotalError(total, most, f"window {work.window}{f' of site {work.site}' * bool(work.site)}")

    def _on_failure(self, job: PageJob, work: WindowWork, sent: Sent, error: APIError) -> None:
        now = self.clock()
        day = work.day
        expired = bool(job.job_hash) and job.age(now) >= self.options.hash_lifetime
        action = recovery_action(
            error,
            polling=sent.operation == "poll",
            expired=expired,
            first_page=job.page == 1,
            seen_before=bool(job.suspect_hash),
        )
        if isinstance(error, RateLimitError):
            # Not a failure of the job: another program has spent the budget.
            self.budget.cool_down()
        elif action is RecoveryAction.REPEAT:
            # While the breaker is open, the whole API is down: do not count its probe against the job.
            job.failures += self.breaker.is_closed or not is_api_failure(error)
        else:
            job.setbacks += 1
        if action is RecoveryAction.GIVE_UP or max(job.failures, job.setbacks) > self.options.max_retries:
            self._fail(day, error)
            return
        job.not_before = now + self._backoff(max(job.failures, job.setbacks))
        if action is RecoveryAction.REPEAT:
            before = {"submit": JobState.TO_SUBMIT, "poll": JobState.RUNNING, "count": JobState.TO_COUNT}
            job.state = before[sent.operation]
        elif action is RecoveryAction.COUNT:
            job.state = JobState.TO_COUNT
        elif action is RecoveryAction.RESUBMIT:
            job.suspect_hash = "" if expired else job.job_hash
            job.state = JobState.TO_SUBMIT
        else:
            day.split(work, job.setbacks)

    def _on_list_failure(self, job: PageJob, work: ListWork, error: APIError) -> None:
        action = recovery_action(error, polling=False, expired=False, first_page=False, seen_before=False)
        if isinstance(error, RateLimitError):
            self.budget.cool_down()
        else:
            job.failures += self.breaker.is_closed or not is_api_failure(error)
        if action is RecoveryAction.GIVE_UP or max(job.failures, work.restarts) > self.options.max_retries:
            if self.completion.on_refusal(work, error):
                self.end_if_complete(work.day)
            else:
                self._fail(work.day, error)
            return
        failures = job.failures
        if action is RecoveryAction.SPLIT:  # the list changed while it was read
            work.restarts += 1
            work.restart()
            job = work.jobs[0]
        job.failures, job.state = failures, JobState.TO_LIST
        job.not_before = self.clock() + self._backoff(failures)

    def _fail(self, day: DayWork, error: APIError) -> None:
        self.on_end(day, FailedDay(day.request, error, day.requests, self.clock() - day.started_at))

    def _backoff(self, failures: int) -> float:
        """Seconds before the next try: exponential, with 50 % jitter."""
        base = self.options.poll_interval / 2 * 2.0 ** min(max(failures - 1, 0), _MAX_DOUBLINGS)
        return base * (0.5 + 0.5 * self.jitter())

    def end_if_complete(self, day: DayWork) -> None:
        """End a day if it is complete, else add its next list requests."""
        try:
            if not self.completion.advance(day):
                return
            loaded = LoadedDay(
                day=day.request.day,
                windows=tuple(day.loaded),
                table=day.table,
                loaded_at=self.now(),
                requests=day.requests,
                seconds=self.clock() - day.started_at,
                site=day.request.site,
                has_raw_pages=self.keeps_pages,
                proof=day.proof,
                states=day.states,
                states_note=day.states_note,
                list_requests=day.list_requests,
                with_rows=day.request.with_rows,
                counts=day.counts,
            )
        except RowOfTwoSitesError as error:
            self._fail(day, error)
        else:
            self.on_end(day, loaded)


def audit_attempt(sent: Sent, outcome: str, error: APIError | None, seconds: float) -> Attempt:
    """The audit's record of a request."""
    job = sent.job
    request = job.work.day.request
    status = error.status if isinstance(error, APIStatusError) else None if error else 200
    operation = job.work.operation if isinstance(job.work, ListWork) else sent.operation
    return Attempt(
        request.day.key, job.work.site, str(job.work.window), job.page, operation, job.job_hash, job.attempt,
        outcome, status, sent.at, seconds,
    )  # fmt: skip


def outcome_name(value: object) -> str:
    """Outcome of a successful request, for the audit."""
    if isinstance(value, PageRows):
        return LoadJobStatus.PASS.value
    if isinstance(value, JobData):
        return value.status.value
    if isinstance(value, StatesPage | list):
        return "listed"
    return "submitted" if isinstance(value, str) else "counted"
