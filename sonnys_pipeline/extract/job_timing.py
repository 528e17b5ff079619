"""How long load jobs take, and how many to keep in flight (decision 1)."""

from __future__ import annotations

from sonnys_pipeline.client import RequestRate

#: A poll this much before the learned age still says something about it when the answer is `working`.
_NEARLY = 0.8
#: A pass this much after the learned age no longer says anything: it took *at most* so long.
_LATE = 1.25
#: How much the learned age grows with a `working`, and shrinks with a pass: at rest one poll in 30 comes too early.
_GROW = 1.15
_GROW_UNPROVEN = 1.4
_SHRINK = 0.995
#: Part of a remembered time that is the next first guess: a little early costs a poll or two, and too late is unlearned
#: slowly, so that one slow day would make all later ones wait.
_REMEMBERED = 0.8
#: Part of a hash's life after which a job is polled before anything else is done.
URGENT_SHARE = 0.5


class JobTimes:
    """Learns at what age a load job is likely ready, from answers that only bound its running time.

    `working` at some age says: longer than that. A pass says: at most that; seen late, it says nothing, and a learner
    that took it for the job's time would wait longer and longer.

    Attributes:
        expected_ready_age: seconds after submission at which a poll most likely passes.
        proven: whether any job has passed yet; until then one scout at a time is polled, and the guess grows faster.
    """

    def __init__(self, first_guess: float, longest: float) -> None:
        """Start with a guess.

        Args:
            first_guess: seconds; a poll interval is a good one.
            longest: seconds; no job is given more time than this.
        """
        self.expected_ready_age = min(first_guess, longest)
        self.proven = False
        self._shortest = first_guess / 20
        self._longest = longest

    def was_working(self, age: float) -> None:
        """A job was not ready at this age, in seconds."""
        if age >= self.expected_ready_age * _NEARLY:
            growth = _GROW if self.proven else _GROW_UNPROVEN
            self.expected_ready_age = min(max(self.expected_ready_age, age) * growth, self._longest)

    def has_passed(self, age: float) -> None:
        """A job was ready at this age, in seconds."""
        self.proven = True
        if age <= self.expected_ready_age * _LATE:
            self.expected_ready_age = max(self.expected_ready_age * _SHRINK, self._shortest)


def first_guess(poll_interval: float, remembered: float | None) -> float:
    """At what age the first load job of a run is polled.

    Args:
        poll_interval: seconds; the guess where nothing is known.
        remembered: seconds that load jobs were last seen to take; anything but a positive number tells nothing.
    """
    if isinstance(remembered, int | float) and 0 < remembered < float("inf"):
        return _REMEMBERED * remembered
    return poll_interval


def in_flight_target(rate: RequestRate, expected_ready_age: float, hash_lifetime: float, most: int) -> int:
    """How many load jobs to keep in flight.

    Enough that, half of the budget going to submissions, jobs ripen while others are submitted; never more than can
    be polled well within a hash's life, and never more than `most`.

    Args:
        rate: the request budget.
        expected_ready_age: seconds that jobs take.
        hash_lifetime: seconds that a hash lives.
        most: bound by count, for memory.
    """
    per_second = rate.requests / rate.seconds
    wanted = max(2.0 * rate.requests, 1.5 * expected_ready_age * per_second / 2)
    pollable = hash_lifetime * URGENT_SHARE * per_second / 2
    return max(1, int(min(wanted, pollable, most)))
