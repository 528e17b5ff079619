"""Loads days with many load jobs in flight on one request budget (BM-01 … BM-03, LJ-10)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime

from sonnys_pipeline.client import APIError, APITimeoutError, BudgetUnavailableError, RateLimitError
from sonnys_pipeline.extract.circuit_breaker import CircuitBreaker
from sonnys_pipeline.extract.completion import Completion
from sonnys_pipeline.extract.events import FailedDay, LoadingStoppedError, LoadObserver
from sonnys_pipeline.extract.pages.assemble import LoadedDay
from sonnys_pipeline.extract.pages.fetch import PageReader
from sonnys_pipeline.extract.pages.states import StatesReader
from sonnys_pipeline.extract.protocols import Budget, DayRequest, LoadJobApi
from sonnys_pipeline.extract.responses import ResponseHandler, Sent, audit_attempt, outcome_name
from sonnys_pipeline.extract.retry_policy import is_api_failure
from sonnys_pipeline.extract.scheduler import LoaderOptions, Schedule
from sonnys_pipeline.extract.state import DayWork, JobState, ListWork, PageJob
from sonnys_pipeline.extract.worker_pool import CallResult, WorkerPool

#: Seconds that a stopping run waits for the hashes of jobs that it has just submitted.
_STOP_HASHES = 2.0
#: Seconds that a stopping run spends on landing complete days; the resume polls the others again.
_STOP_LANDING = 1.0
#: 429s in a row after which another program must be using the budget.
_MAX_REFUSALS = 200


class Loader:
    """Loads days; one `load` at a time.

    Attributes:
        budget_wait: seconds in which a request was ready but waited for the budget.
        requests: sent so far.
    """

    def __init__(  # collaborators, and clocks for tests
        self,
        api: LoadJobApi,
        budget: Budget,
        pool: WorkerPool,
        options: LoaderOptions | None = None,
        *,
        observer: LoadObserver | None = None,
        breaker: CircuitBreaker | None = None,
        reader: PageReader | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Bind to an API, a budget and a worker pool.

        By default the breaker's first pause is a block of the budget, and the reader keeps personal data and no raw
        pages. `clock` gives monotonic seconds, `now` aware UTC, `jitter` a random number in [0, 1).
        """
        self._api = api
        self._budget = budget
        self._pool = pool
        self._options = options or LoaderOptions()
        self._observer = observer or LoadObserver()
        self._breaker = breaker or CircuitBreaker(budget.rate.seconds)
        self._reader = reader or PageReader()
        self._clock = clock
        self._now = now
        self._schedule = Schedule((), budget.rate, self._options)
        states = StatesReader(self._reader.privacy, self._reader.keeps_pages)
        self._responses = ResponseHandler(
            schedule=self._schedule,
            completion=Completion(self._options, self._observer, states, max_counts=budget.rate.requests),
            budget=budget,
            breaker=self._breaker,
            options=self._options,
            observer=self._observer,
            keeps_pages=self._reader.keeps_pages,
            on_end=self._finish,
            clock=clock,
            now=now,
            jitter=jitter,
        )
        self._finished: dict[int, LoadedDay | FailedDay] = {}  # by the day's position
        self._refusals = 0
        self._stopping = False
        self._landing_seconds = 0.0  # by the consumer, since the stop
        self._announced: PageJob | None = None  # announced to the observer, but not sent yet
        self._in_flight: dict[Sent, None] = {}  # in the order of sending
        self.budget_wait = 0.0
        self.requests = 0

    @property
    def job_seconds(self) -> float | None:
        """Seconds after submission at which a load job is likely ready; `None` until one has passed."""
        times = self._schedule.times
        return times.expected_ready_age if times.proven else None

    def load(self, days: Iterable[DayRequest]) -> Iterator[LoadedDay | FailedDay]:
        """Load days; each is yielded as soon as it is complete or has failed, with `in_order` in the order of requests.

        Closing the iterator, or leaving it by an exception, drops what is in flight.

        Raises:
            LoadingStoppedError: when the API fails every request, or the budget stays unavailable; days not yielded yet
                are neither loaded nor failed.
        """
        self._schedule = self._responses.schedule = Schedule(days, self._budget.rate, self._options)
        try:
            while True:
                yield from self._take_finished(in_order=self._options.in_order)
                if self._stopping:
                    self._await_submissions()
                    break
                if not self._step():
                    break
            yield from self._take_finished(in_order=False)
        except LoadingStoppedError:
            yield from self._take_finished(in_order=False)  # so that complete days are not read again
            raise
        finally:
            self._pool.close()

    def stop(self) -> None:
        """End `load` soon, without finishing open days; safe to call from a signal handler."""
        self._stopping = True
        self._pool.wake()

    def _await_submissions(self) -> None:
        """Wait briefly for the hashes of submissions in flight: a resume need not submit those again."""
        deadline = self._clock() + _STOP_HASHES
        while any(job.state is JobState.SUBMITTING for day in self._schedule.days for job in day.jobs()):
            left = deadline - self._clock()
            if left <= 0:
                return
            self._receive(left)

    def _take_finished(self, *, in_order: bool) -> Iterator[LoadedDay | FailedDay]:
        """Yield finished days; `in_order`, unless stopping, only those with no open day before them."""
        for position in sorted(self._finished) if self._options.in_order else list(self._finished):
            waits = in_order and not self._stopping
            if waits and any(day.position < position for day in self._schedule.days):
                break
            if self._landing_seconds > _STOP_LANDING:
                break
            handed_out = self._clock()
            yield self._finished.pop(position)
            if self._stopping:
                self._landing_seconds += self._clock() - handed_out
            self._schedule.held = len(self._finished)

    def _finish(self, day: DayWork, outcome: LoadedDay | FailedDay) -> None:
        self._schedule.days.remove(day)
        self._finished[day.position] = outcome
        if self._options.in_order and isinstance(outcome, FailedDay):
            self._schedule.end_after(day)
            self._finished = {index: kept for index, kept in self._finished.items() if index <= day.position}
        self._schedule.held = len(self._finished)

    def _step(self) -> bool:
        """Send one request or wait; False when all days are done."""
        now = self._clock()
        action = self._schedule.next_action(now)
        if action is None:
            if not self._schedule.days:
                return False
            if (
                idle := next((day for day in self._schedule.days if day.has_rows and day.is_answered), None)
            ) is not None:
                self._responses.end_if_complete(idle)  # a day without windows: send its list requests
                return True
            self._receive(self._schedule.until_next(now))
            return True
        if self._breaker.is_broken:
            raise LoadingStoppedError(
                "the API fails every request, even after growing pauses, so sending stopped. "
                "Landed days stay; resume when the API works again"
            )
        breaker_pause = self._breaker.pause(now)
        if breaker_pause is None or breaker_pause > 0:
            self._receive(breaker_pause)
            return True
        if len(self._in_flight) >= self._pool.size:
            # A permit acquired now would be used later, together with others: more at once than the budget allows.
            self._receive(None)
            return True
        asked = self._clock()
        pause = self._acquire()
        if pause > 0:
            self._receive(pause)
            self.budget_wait += self._clock() - now
            return True
        self._send(*action, asked)
        self._receive(0)
        return True

    def _acquire(self) -> float:
        """Acquire a permit: 0.0, or seconds until the next try."""
        try:
            return self._budget.try_acquire()
        except BudgetUnavailableError as error:
            raise LoadingStoppedError(f"{error}. Landed days stay; resume when the store is back") from error

    def _send(self, job: PageJob, operation: str, asked: float) -> None:
        if operation == "submit" and job is not self._announced:
            self._observer.submitting(job)
            self._announced = job
        now = self._clock()
        if now - asked > self._budget.rate.arrival_margin:
            return  # the stores of budget and observer were slow, so the permit is too old; send with the next one
        self._announced = None
        day = job.work.day
        job.attempt += 1
        day.requests += 1
        self.requests += 1
        self._breaker.sent()
        key = Sent(job, operation, now, self._now())
        self._in_flight[key] = None
        api, params = self._api, job.params
        if operation == "submit":
            job.state, job.submitted_at = JobState.SUBMITTING, now
            self._pool.start(key, lambda: api.submit_job(**params))
        elif operation == "poll":
            job.state = JobState.POLLING
            job_hash = job.job_hash
            self._pool.start(key, lambda: self._reader.read(api, job_hash, params))
        elif isinstance(work := job.work, ListWork):
            job.state, at, page = JobState.LISTING, key.at, job.page
            day.list_requests += 1
            self._pool.start(key, lambda: work.send(api, page, at))
        else:
            job.state = JobState.COUNTING
            span = job.work.params
            self._pool.start(key, lambda: api.count(**span))

    def _receive(self, seconds: float | None) -> None:
        """Process responses, waiting at most `seconds` for the first.

        A request without a response in time counts as failed, and a later response is ignored: a slow one would
        otherwise hold its day, or a probe the whole run, for ever (BM-03).
        """
        oldest = next(iter(self._in_flight), None)
        if oldest is not None:
            left = max(0.0, oldest.clock + self._options.request_timeout - self._clock())
            seconds = left if seconds is None else min(seconds, left)
        for answer in self._pool.wait(seconds):
            sent = answer.key
            assert isinstance(sent, Sent)  # noqa: S101 - the only kind of key that _send gives
            if sent in self._in_flight:
                del self._in_flight[sent]
                self._on_response(sent, answer)
        for sent in list(self._in_flight):
            if self._clock() - sent.clock < self._options.request_timeout:
                break
            del self._in_flight[sent]
            late = APITimeoutError(f"{sent.operation}: no complete answer within {self._options.request_timeout:g} s")
            self._on_response(sent, CallResult(sent, None, late))

    def _on_response(self, sent: Sent, answer: CallResult[object]) -> None:
        job, error = sent.job, answer.error
        if error is not None and not isinstance(error, APIError):
            raise error  # a defect, not a response
        outcome = type(error).__name__ if error else outcome_name(answer.value)
        self._observer.attempted(audit_attempt(sent, outcome, error, self._clock() - sent.clock))
        if isinstance(error, RateLimitError):
            self._breaker.inconclusive(self._clock())
        elif error is None or not is_api_failure(error):
            self._breaker.succeeded()
        else:
            self._breaker.failed(self._clock())
        self._refusals = self._refusals + 1 if isinstance(error, RateLimitError) else 0
        if self._refusals > _MAX_REFUSALS:
            raise LoadingStoppedError(
                f"{self._refusals} requests in a row were refused with 429: another program uses this budget. "
                "Lower SONNYS_RATE_LIMIT, or resume when that program has ended"
            ) from error
        if job.work.day not in self._schedule.days or not job.work.day.owns(job.work):
            return  # its day has failed, or its window was split
        self._responses.handle(sent, answer.value, error)
