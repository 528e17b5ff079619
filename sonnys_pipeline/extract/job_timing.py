"""How long load jobs take, and how many to keep in flight (decision 1)."""

from __future__ import annotations

from sonnys_pipeline.client import RequestRate

#: `working` counts from this share of the learned age on, and a pass up to that one: later ones tell little.
_NEARLY = 0.8
_LATE = 1.25
#: Growth of the learned age after `working`, and its decay after a pass: in balance, one poll in 30 is too early.
_GROW = 1.15
_GROW_UNPROVEN = 1.4
_SHRINK = 0.995
#: Share of the remembered time used as first guess: too early costs a poll or two, too late is unlearned slowly.
_REMEMBERED = 0.8
#: Share of a hash's lifetime after which polling the job goes first.
URGENT_SHARE = 0.5


class JobTimes:
    """Learns at what age a load job is likely ready, from responses that only bound its running time.

    `working` is a lower bound. A pass is an upper bound; a late one is ignored, since the estimate would only grow.

    Attributes:
        expected_ready_age: seconds after submission at which a poll most likely passes.
        proven: whether any job has passed yet; until then jobs are polled one at a time, and the guess grows faster.
    """

    def __init__(self, first_guess: float, longest: float) -> None:
        """`first_guess`: seconds, such as the poll interval; `longest`: limit of the estimate in seconds."""
        self.expected_ready_age = min(first_guess, longest)
        self.proven = False
        self._shortest = first_guess / 20
        self._longest = longest

    def record_working(self, age: float) -> None:
        """Record that a job was not ready at this age, in seconds."""
        if age >= self.expected_ready_age * _NEARLY:
            growth = _GROW if self.proven else _GROW_UNPROVEN
            self.expected_ready_age = min(max(self.expected_ready_age, age) * growth, self._longest)

    def record_passed(self, age: float) -> None:
        """Record that a job was ready at this age, in seconds."""
        self.proven = True
        if age <= self.expected_ready_age * _LATE:
            self.expected_ready_age = max(self.expected_ready_age * _SHRINK, self._shortest)


def first_guess(poll_interval: float, remembered: float | None) -> float:
    """Seconds after which a run's first load job is polled; `remembered`: seconds that they last took, if valid."""
    if isinstance(remembered, int | float) and 0 < remembered < float("inf"):
        return _REMEMBERED * remembered
    return poll_interval


def in_flight_target(rate: RequestRate, expected_ready_age: float, hash_lifetime: float, most: int) -> int:
    """How many load jobs to keep in flight, at most `most`.

    Enough to keep submitting, with half of the budget, while jobs run; never more than can be polled well within a
    hash's lifetime. Durations in seconds.
    """
    per_second = rate.requests / rate.seconds
    wanted = max(2.0 * rate.requests, 1.5 * expected_ready_age * per_second / 2)
    pollable = hash_lifetime * URGENT_SHARE * per_second / 2
    return max(1, int(min(wanted, pollable, most)))
