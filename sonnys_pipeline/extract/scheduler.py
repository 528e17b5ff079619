"""Chooses the next request, so that the budget is spent well (decision 1).

Submissions come first, so that jobs run while others are submitted; then polls of jobs that are likely ready, earliest
day first, so that days complete in turn and memory stays flat. Permits without a useful request are left to other users
of the API id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from sonnys_pipeline.client import RequestRate
from sonnys_pipeline.extract.job_timing import URGENT_SHARE, JobTimes, first_guess, in_flight_target
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.extract.state import IN_FLIGHT, DayWork, JobState, PageJob

#: Seconds; avoids a busy loop through rounding.
_MIN_WAIT = 0.001
#: A job of this many learned ages is surely ready.
_SURELY = 3.0
_TO_REPEAT = (JobState.TO_SUBMIT, JobState.TO_COUNT, JobState.TO_LIST)


@dataclass(frozen=True)
class LoaderOptions:
    """Durations in seconds (see `Settings`), limits, and the order of the outcomes.

    Attributes:
        in_order: yield days in the order of requests, and begin nothing after a failed day (BX-05).
        proof: compare each day's rows with the API's own count (LV-03).
        states: read `version-2` for each day (`on`), for days whose rows lack its fields (`auto`), or never (`off`;
            LV-04).
        lists_need_site: whether lists are known to require a site.
        most_rows: limit of `total` for one site and window; ten times as many without a site.
        job_seconds: how long load jobs last took; `None` means unknown.
    """

    poll_interval: float = 2.0
    job_timeout: float = 300.0
    max_retries: int = 5
    hash_lifetime: float = 1200.0
    request_timeout: float = 120.0
    max_in_flight: int = 200
    max_open_days: int = 60
    in_order: bool = False
    proof: bool = False
    states: str = "off"
    lists_need_site: bool = False
    job_seconds: float | None = None
    most_rows: int = 100_000


class Schedule:
    """The open days, the coming days, and the learned job times.

    `days` are open, earliest first; `held` counts finished days that wait for earlier ones, as if open.
    """

    def __init__(self, days: Iterable[DayRequest], rate: RequestRate, options: LoaderOptions) -> None:
        self.days: list[DayWork] = []
        self.held = 0
        longest = max(options.job_timeout, options.poll_interval)
        self.times = JobTimes(first_guess(options.poll_interval, options.job_seconds), longest)
        self._coming: Iterator[DayRequest] = iter(days)
        self._opened = 0
        self._rate = rate
        self._options = options

    def next_action(self, now: float) -> tuple[PageJob, str] | None:
        """The most useful request to send now, if any."""
        in_flight = polling = submitting = 0
        may_poll = self._poll_filter()
        submission: PageJob | None = None
        ready: list[PageJob] = []
        for day in self.days:
            for job in day.jobs():
                in_flight += job.state in IN_FLIGHT
                polling += job.state is JobState.POLLING
                submitting += job.state is JobState.SUBMITTING
                if job.not_before > now:
                    continue
                if job.state is JobState.TO_COUNT:
                    return job, "count"
                if job.state is JobState.TO_LIST:  # completes a day, which frees memory
                    return job, "list"
                if job.state is JobState.TO_SUBMIT:
                    submission = submission or job
                elif may_poll(job) and job.age(now) >= self.times.expected_ready_age:
                    ready.append(job)
        for job in ready:
            if job.age(now) > URGENT_SHARE * self._options.hash_lifetime:
                return job, "poll"
        target = in_flight_target(
            self._rate, self.times.expected_ready_age, self._options.hash_lifetime, self._options.max_in_flight
        )
        if in_flight < target:
            submission = submission or self._open_day(now)
            if submission is not None:
                none_accepted = not self.times.proven and 0 < submitting == in_flight
                if none_accepted and submission.work.site is None:
                    return None  # the key may require a site (L1): wait for the first response
                return submission, "submit"
        if not ready or (polling and not self.times.proven):
            return None
        return self._best_poll(ready, now, dry=submission is None), "poll"

    def end_after(self, last: DayWork) -> None:
        """Drop all days after this one."""
        self._coming = iter(())
        self.days = [day for day in self.days if day.position < last.position]

    def _poll_filter(self) -> Callable[[PageJob], bool]:
        """Returns a filter for the jobs that may be polled once ready.

        Before any job has passed, one that was not ready waits for the others, since it may never end.
        """
        if not self.times.proven:
            running = (job for day in self.days for job in day.jobs() if job.state is JobState.RUNNING)
            if any(not job.was_working for job in running):
                return lambda job: job.state is JobState.RUNNING and not job.was_working
        return lambda job: job.state is JobState.RUNNING

    def _best_poll(self, ready: list[PageJob], now: float, *, dry: bool) -> PageJob:
        """The earliest day's job that is surely ready, else the oldest one.

        Page 1 tells how many pages there are, so with nothing left to submit (`dry`) it comes first. A job that was not
        ready before comes last, since it may never end.
        """
        candidates = ([job for job in ready if job.work.total is None] if dry else []) or ready
        candidates = [job for job in candidates if not job.was_working] or candidates
        for job in candidates:
            if job.age(now) >= _SURELY * self.times.expected_ready_age:
                return job
        return min(candidates, key=lambda job: job.submitted_at)

    def _open_day(self, now: float) -> PageJob | None:
        """Open the next day if there is room; returns its first page to submit."""
        while len(self.days) + self.held < self._options.max_open_days:
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
        """Seconds until a job becomes ready or may be retried; `None` when only a response changes anything."""
        jobs = [job for day in self.days for job in day.jobs()]
        may_poll = self._poll_filter()
        scouting = not self.times.proven and any(job.state is JobState.POLLING for job in jobs)
        moments = [
            max(
                job.not_before,
                job.submitted_at + self.times.expected_ready_age if job.state is JobState.RUNNING else 0.0,
            )
            for job in jobs
            if (may_poll(job) and not scouting) or (job.state in _TO_REPEAT and job.not_before > now)
        ]
        return max(_MIN_WAIT, min(moments) - now) if moments else None
