"""Which request is the most useful one now: the order that spends a budget well (DESIGN, decision 1).

Submissions come first while there are any, so that no job's running time is ever waited for; then polls of jobs that
are likely ready, earliest day first, so that days complete one after the other and memory stays flat. A permit in a
block that nothing useful can take is left to the other users of the API id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sonnys_pipeline.client import RequestRate
from sonnys_pipeline.extract.job_timing import URGENT_SHARE, JobTimes, first_guess, in_flight_target
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.extract.state import IN_FLIGHT, DayWork, JobState, PageJob

#: Seconds; so that two roundings of the same moment cannot chase each other.
_SHORTEST_WAIT = 0.001
#: How many times the learned age makes a job surely ready.
_SURELY = 3.0
_TO_REPEAT = frozenset({JobState.TO_SUBMIT, JobState.TO_COUNT, JobState.TO_LIST})


@dataclass(frozen=True)
class LoaderOptions:
    """Durations in seconds (see `Settings` for what they mean to a user), bounds, and the order of the outcomes.

    `in_order`: days come out in the order in which they were asked for, one that is complete too early waits for those
    before it; after a day that failed nothing else is begun. So that whoever stops at the first failing day sees what
    he would have seen of days read one after the other (BX-05).

    `proof`: whether the API's own count of each day is compared with the rows that came (LV-03). `states`: whether
    `version-2` is read for each day (`on`), for those whose rows lack what it knows (`auto`), or never (`off`; LV-04).
    `lists_need_site`: whether lists that name no site are known to be refused. `most_rows`: how many rows of one site
    and window a `total` may promise, before anything is made ready for them; ten times as many where no site is named.
    `job_seconds`: how long load jobs were last seen to take; left out, the poll interval is the first guess.
    """

    poll_interval: float = 2.0
    job_timeout: float = 300.0
    max_retries: int = 5
    hash_lifetime: float = 1200.0
    request_timeout: float = 120.0
    most_in_flight: int = 200
    most_open_days: int = 60
    in_order: bool = False
    proof: bool = False
    states: str = "off"
    lists_need_site: bool = False
    job_seconds: float | None = None
    most_rows: int = 100_000


class Schedule:
    """The open days, the days to come, and what is known of the API's pace.

    Attributes:
        days: open, earliest first.
        times: how long load jobs take.
        held: days that are done and wait for earlier ones; they take room like open ones.
    """

    def __init__(self, days: Iterable[DayRequest], rate: RequestRate, options: LoaderOptions) -> None:
        """Begin without an open day; requests are taken from `days` as there is room for them."""
        self.days: list[DayWork] = []
        self.held = 0
        longest = max(options.job_timeout, options.poll_interval)
        self.times = JobTimes(first_guess(options.poll_interval, options.job_seconds), longest)
        self._coming: Iterator[DayRequest] = iter(days)
        self._opened = 0
        self._rate = rate
        self._options = options

    def next_action(self, now: float) -> tuple[PageJob, str] | None:
        """The most useful request that could be sent now, if any is."""
        in_flight = polling = submitting = 0
        may_poll = self._scouts()
        submission: PageJob | None = None
        ripe: list[PageJob] = []
        for day in self.days:
            for job in day.jobs():
                in_flight += job.state in IN_FLIGHT
                polling += job.state is JobState.POLLING
                submitting += job.state is JobState.SUBMITTING
                if job.not_before > now:
                    continue
                if job.state is JobState.TO_COUNT:
                    return job, "count"
                if job.state is JobState.TO_LIST:  # a day that lacks only this is soon out of memory
                    return job, "list"
                if job.state is JobState.TO_SUBMIT:
                    submission = submission or job
                elif may_poll(job) and job.age(now) >= self.times.expected_ready_age:
                    ripe.append(job)
        for job in ripe:
            if job.age(now) > URGENT_SHARE * self._options.hash_lifetime:
                return job, "poll"
        target = in_flight_target(
            self._rate, self.times.expected_ready_age, self._options.hash_lifetime, self._options.most_in_flight
        )
        if in_flight < target:
            submission = submission or self._open_day(now)
            if submission is not None:
                none_accepted = not self.times.proven and 0 < submitting == in_flight
                if none_accepted and submission.work.site is None:
                    return None  # the key may refuse load jobs that name no site (L1): the first one goes alone
                return submission, "submit"
        if not ripe or (polling and not self.times.proven):
            return None
        return self._best_poll(ripe, now, dry=submission is None), "poll"

    def end_after(self, last: DayWork) -> None:
        """Nothing behind this day is begun or gone on with."""
        self._coming = iter(())
        self.days = [day for day in self.days if day.position < last.position]

    def _scouts(self) -> Callable[[PageJob], bool]:
        """Which jobs may be polled at all, once ripe.

        Before any job has passed, one that was not ready waits for the others: it may be one that never ends.
        """
        running = [job for day in self.days for job in day.jobs() if job.state is JobState.RUNNING]
        if not self.times.proven and any(not job.was_working for job in running):
            return lambda job: job.state is JobState.RUNNING and not job.was_working
        return lambda job: job.state is JobState.RUNNING

    def _best_poll(self, ripe: list[PageJob], now: float, *, dry: bool) -> PageJob:
        """Of the ripe jobs the earliest day's, if it is surely ready; else the oldest one, which most likely is.

        Page 1 tells how many pages there are: with nothing left to submit it comes first, or submissions run dry. One
        that was not ready before comes last: it may be one that never ends.
        """
        candidates = ([job for job in ripe if job.work.total is None] if dry else []) or ripe
        candidates = [job for job in candidates if not job.was_working] or candidates
        for job in candidates:
            if job.age(now) >= _SURELY * self.times.expected_ready_age:
                return job
        return min(candidates, key=lambda job: job.submitted_at)

    def _open_day(self, now: float) -> PageJob | None:
        """Take up the next day, if there is one and room for it; its first page to submit."""
        while len(self.days) + self.held < self._options.most_open_days:
            request = next(self._coming, None)
            if request is None:
                return None
            day = DayWork.begin(request, now, self._opened)
            self._opened += 1
            self.days.append(day)
            for job in day.jobs():
                if job.state is JobState.TO_SUBMIT:
                    return job
        return None

    def until_next(self, now: float) -> float | None:
        """Seconds until some job becomes ripe or may be repeated; `None` when only an answer can change anything.

        Submissions that could go now, but for the number in flight, wait for an answer; so do polls behind the scout.
        """
        jobs = [job for day in self.days for job in day.jobs()]
        may_poll = self._scouts()
        scouting = not self.times.proven and any(job.state is JobState.POLLING for job in jobs)
        moments = [
            max(
                job.not_before,
                job.submitted_at + self.times.expected_ready_age if job.state is JobState.RUNNING else 0.0,
            )
            for job in jobs
            if (may_poll(job) and not scouting) or (job.state in _TO_REPEAT and job.not_before > now)
        ]
        return max(_SHORTEST_WAIT, min(moments) - now) if moments else None
