"""BM-05, BM-07: what the loader does while the store of its budget, or of who observes it, is away."""

import pytest

from sonnys_pipeline.client import BudgetUnavailableError
from sonnys_pipeline.extract.events import LoadingStoppedError, LoadObserver
from sonnys_pipeline.extract.pages.assemble import LoadedDay
from sonnys_pipeline_tests.support.loader_scene import Scene, keys


def most_in_any(seconds, arrivals):
    """The most requests in any half-open span of that length."""
    return max(sum(first <= other < first + seconds for other in arrivals) for first in arrivals)


def test_a_budget_that_stays_away_ends_the_run():
    """As one that stopped itself: days that are complete come out first, and nothing more is sent."""
    scene = Scene(rows_per_day=99)
    budget = scene.loader._budget
    take = budget.try_acquire

    def away():
        if scene.api.counts["requests"] >= 12:
            raise BudgetUnavailableError("the request budget is away")
        return take()

    budget.try_acquire = away
    landed = []
    with pytest.raises(LoadingStoppedError, match=r"the request budget is away.*resume") as caught:
        landed.extend(scene.load_lazily(keys(30)))
    assert isinstance(caught.value.__cause__, BudgetUnavailableError)
    assert scene.api.counts["requests"] == 12
    assert all(isinstance(day, LoadedDay) for day in landed)
    assert scene.pool.closed


class Ledger(LoadObserver):
    """An observer whose store is away once, and whose every note takes a moment."""

    def __init__(self, outage, moment=0.0):
        self.outage, self.moment, self.noted, self.scene = outage, moment, [], None

    def submitting(self, job):
        self.noted.append((job.work.day.request.day.key, job.page))
        self.scene.clock.seconds += self.outage if len(self.noted) == 15 else self.moment


@pytest.mark.parametrize("outage", [2.0, 20.0])
def test_a_place_is_not_used_after_an_outage_of_the_observer(outage):
    """It was taken before: with those that others took meanwhile there would be more in a block than the API allows."""
    ledger = Ledger(outage)
    ledger.scene = scene = Scene(rows_per_day=299, observer=ledger)
    assert len(scene.load(keys(10))) == 10
    assert scene.api.counts["submit"] == len(ledger.noted) == 30  # no intent was noted a second time
    assert most_in_any(15.0, scene.api.arrivals) <= 20
    assert scene.api.counts["429"] == 0


@pytest.mark.parametrize("moment", [0.0, 0.25])
def test_a_place_is_not_used_when_budget_and_observer_are_slow_together(moment):
    """BM-07: neither takes longer than a place is good for, but both do; a budget alone that does is no better."""
    ledger = Ledger(moment, moment)
    ledger.scene = scene = Scene(rows_per_day=299, observer=ledger)
    budget = scene.loader._budget
    take = budget.try_acquire
    slow = iter([True] * 6 + [False] * 14)

    def take_slowly():
        pause = take()
        if pause == 0 and next(slow, False):  # a busy disk: the permit is written down, and its answer comes later
            scene.clock.seconds += 0.25 if moment else 0.5
        return pause

    budget.try_acquire = take_slowly
    assert len(scene.load(keys(10))) == 10
    assert len(ledger.noted) == scene.api.counts["submit"] == 30
    assert most_in_any(15.0, scene.api.arrivals) <= 20
    assert scene.api.counts["429"] == 0


def test_a_slow_observer_stops_nothing():
    """Where every note takes longer than a place is good for, each costs a place, and the run goes on."""
    ledger = Ledger(0.0, moment=0.5)
    ledger.scene = scene = Scene(rows_per_day=99, observer=ledger)
    assert len(scene.load(keys(5))) == 5
    assert len(ledger.noted) == 5
