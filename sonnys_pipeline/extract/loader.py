"""Many load jobs in flight on one request budget: days in, complete days out (BM-01 … BM-03, LJ-10)."""

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
from sonnys_pipeline.extract.responses import Responses, Sent, attempt_of, described
from sonnys_pipeline.extract.retry_policy import shows_trouble
from sonnys_pipeline.extract.scheduler import LoaderOptions, Schedule
from sonnys_pipeline.extract.state import DayWork, JobState, ListWork, PageJob
from sonnys_pipeline.extract.worker_pool import Answer, Exchange

#: Seconds that a run which was told to stop waits for the hashes of jobs that it has just submitted.
_LAST_WORDS = 2.0
#: Seconds that a run which was told to stop spends on landing days that are complete; the rest is polled again.
_LAST_LANDINGS = 1.0
#: 429s in a row, without any other answer between them, after which the budget is plainly not ours to use.
_MOST_REFUSALS = 200


class Loader:
    """Loads days; one `load` at a time.

    Attributes:
        budget_wait: seconds in which a request was ready and only the budget kept it back.
        requests: sent so far.
    """

    def __init__(
        self,
        api: LoadJobApi,
        budget: Budget,
        exchange: Exchange,
        options: LoaderOptions | None = None,
        *,
        observer: LoadObserver | None = None,
        breaker: CircuitBreaker | None = None,
        reader: PageReader | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Bind to an API, a budget and a way to send.

        Args:
            api: sends single requests, without waiting for the budget or repeating them.
            budget: gives permits; shared with whoever uses the same API id.
            exchange: runs requests beside this thread.
            options: durations and bounds.
            observer: told what happens.
            breaker: stops asking an API that does not answer; left out, one that first pauses for a block.
            reader: reads the answers; left out, one that keeps personal data, and no page as it came.
            clock: monotonic seconds.
            now: aware UTC.
            jitter: a random number in [0, 1).
        """
        self._api = api
        self._budget = budget
        self._exchange = exchange
        self._options = options or LoaderOptions()
        self._observer = observer or LoadObserver()
        self._breaker = breaker or CircuitBreaker(budget.rate.seconds)
        self._reader = reader or PageReader()
        self._clock = clock
        self._now = now
        self._schedule = Schedule((), budget.rate, self._options)
        states = StatesReader(self._reader.privacy, self._reader.keeps_pages)
        self._responses = Responses(
            schedule=self._schedule,
            completion=Completion(self._options, self._observer, states, most_counts=budget.rate.requests),
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
        self._spent_landing = 0.0  # since the stop, by whoever takes the days
        self._intended: PageJob | None = None  # its intent is noted, and its permit was not used
        self._under_way: dict[Sent, None] = {}  # in the order of sending
        self.budget_wait = 0.0
        self.requests = 0

    @property
    def job_seconds(self) -> float | None:
        """Seconds after its submission at which a load job is likely ready; `None` until one has passed."""
        times = self._schedule.times
        return times.expected_ready_age if times.proven else None

    def load(self, days: Iterable[DayRequest]) -> Iterator[LoadedDay | FailedDay]:
        """Load days; each comes out as soon as it is complete, or has failed; with `in_order` none before its turn.

        Closing the iterator, or leaving it by an exception, drops what is in flight: no poll goes on, no connection is
        held for it.

        Raises:
            LoadingStoppedError: when the API fails every request, or the budget's store stays away; the days that are
                not yet out are neither loaded nor failed.
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
            yield from self._take_finished(in_order=False)  # what is complete is not to be read again
            raise
        finally:
            self._exchange.close()

    def stop(self) -> None:
        """End `load` soon, without finishing the days that are open; safe to call from a signal handler."""
        self._stopping = True
        self._exchange.wake()

    def _await_submissions(self) -> None:
        """Hear of the load jobs that are being submitted, for a moment: what is known need not be submitted again."""
        deadline = self._clock() + _LAST_WORDS
        while any(job.state is JobState.SUBMITTING for day in self._schedule.days for job in day.jobs()):
            left = deadline - self._clock()
            if left <= 0:
                return
            self._receive(left)

    def _take_finished(self, *, in_order: bool) -> Iterator[LoadedDay | FailedDay]:
        """What is finished; `in_order`, unless a stop is asked for meanwhile, only what no open day precedes."""
        for position in sorted(self._finished) if self._options.in_order else list(self._finished):
            waits = in_order and not self._stopping
            if waits and any(day.position < position for day in self._schedule.days):
                break
            if self._spent_landing > _LAST_LANDINGS:
                break
            handed_out = self._clock()
            yield self._finished.pop(position)
            if self._stopping:
                self._spent_landing += self._clock() - handed_out
            self._schedule.held = len(self._finished)

    def _finish(self, day: DayWork, outcome: LoadedDay | FailedDay) -> None:
        self._schedule.days.remove(day)
        self._finished[day.position] = outcome
        if self._options.in_order and isinstance(outcome, FailedDay):
            self._schedule.end_after(day)
            self._finished = {place: known for place, known in self._finished.items() if place <= day.position}
        self._schedule.held = len(self._finished)

    def _step(self) -> bool:
        """Send one request, or wait for what has to happen first; False when all days are done."""
        now = self._clock()
        action = self._schedule.next_action(now)
        if action is None:
            if not self._schedule.days:
                return False
            if (
                idle := next((day for day in self._schedule.days if day.has_rows and day.is_answered), None)
            ) is not None:
                self._responses.end_if_complete(idle)  # begun without rows to be read: its lists have yet to be asked
                return True
            self._receive(self._schedule.until_next(now))
            return True
        if self._breaker.is_broken:
            raise LoadingStoppedError(
                "the API fails every request, probes with growing pauses included; nothing more was sent. "
                "What is landed stays; resume when the API works again"
            )
        held_back = self._breaker.pause(now)
        if held_back is None or held_back > 0:
            self._receive(held_back)
            return True
        if len(self._under_way) >= self._exchange.most_at_once:
            # A permit acquired now would be used later, together with others: more at once than the budget allows.
            self._receive(None)
            return True
        pause = self._place()
        if pause > 0:
            self._receive(pause)
            self.budget_wait += self._clock() - now
            return True
        self._send(*action)
        self._receive(0)
        return True

    def _place(self) -> float:
        """Acquire a permit: 0.0, or seconds until it is worth asking again."""
        try:
            return self._budget.try_acquire()
        except BudgetUnavailableError as error:
            raise LoadingStoppedError(f"{error}. What is landed stays; resume when the store answers again") from error

    def _send(self, job: PageJob, operation: str) -> None:
        now = self._clock()
        if operation == "submit" and job is not self._intended:
            self._observer.submitting(job)
            if self._clock() - now > self._budget.rate.arrival_margin:
                # The observer's store was away: the permit is too old to be used, the next one comes without this wait.
                self._intended = job
                return
        self._intended = None
        now = self._clock()
        day = job.work.day
        job.attempt += 1
        day.requests += 1
        self.requests += 1
        self._breaker.sent()
        key = Sent(job, operation, now, self._now())
        self._under_way[key] = None
        api, params = self._api, job.params
        if operation == "submit":
            job.state, job.submitted_at = JobState.SUBMITTING, now
            self._exchange.start(key, lambda: api.submit_job(**params))
        elif operation == "poll":
            job.state = JobState.POLLING
            job_hash = job.job_hash
            self._exchange.start(key, lambda: self._reader.read(api, job_hash, params))
        elif isinstance(work := job.work, ListWork):
            job.state, at, page = JobState.LISTING, key.at, job.page
            day.list_requests += 1
            self._exchange.start(key, lambda: work.ask(api, page, at))
        else:
            job.state = JobState.COUNTING
            span = job.work.params
            self._exchange.start(key, lambda: api.count(**span))

    def _receive(self, seconds: float | None) -> None:
        """Take in the answers that have come, waiting for the first one for so long at most.

        A request that is not answered within its time counts as failed, and its answer is nobody's when it comes: an
        answer that drips would otherwise hold its day, or a probe the whole run, for ever (BM-03).
        """
        oldest = next(iter(self._under_way), None)
        if oldest is not None:
            left = max(0.0, oldest.clock + self._options.request_timeout - self._clock())
            seconds = left if seconds is None else min(seconds, left)
        for answer in self._exchange.wait(seconds):
            sent = answer.key
            assert isinstance(sent, Sent)  # noqa: S101 - the only kind of key that _send gives
            if sent in self._under_way:
                del self._under_way[sent]
                self._on_response(sent, answer)
        for sent in list(self._under_way):
            if self._clock() - sent.clock < self._options.request_timeout:
                break
            del self._under_way[sent]
            late = APITimeoutError(f"{sent.operation}: no whole answer within {self._options.request_timeout:g} s")
            self._on_response(sent, Answer(sent, None, late))

    def _on_response(self, sent: Sent, answer: Answer[object]) -> None:
        job, error = sent.job, answer.error
        if error is not None and not isinstance(error, APIError):
            raise error  # a defect, not an answer: nothing to heal here
        outcome = type(error).__name__ if error else described(answer.value)
        self._observer.attempted(attempt_of(sent, outcome, error, self._clock() - sent.clock))
        if isinstance(error, RateLimitError):
            self._breaker.told_nothing(self._clock())
        elif error is None or not shows_trouble(error):
            self._breaker.succeeded()
        else:
            self._breaker.failed(self._clock())
        self._refusals = self._refusals + 1 if isinstance(error, RateLimitError) else 0
        if self._refusals > _MOST_REFUSALS:
            raise LoadingStoppedError(
                f"{self._refusals} requests in a row were refused with 429: another program spends this budget. "
                "Lower SONNYS_RATE_LIMIT, or resume when it has ended"
            ) from error
        if job.work.day not in self._schedule.days or not job.work.day.owns(job.work):
            return  # its day has failed, or its window is being read again in halves: nobody waits for this
        self._responses.take(sent, answer.value, error)
