"""KT-01, KT-04: a share of the budget: how fast it goes alone, and how little it takes beside others."""

import pytest

from sonnys_pipeline.client import BudgetUnavailableError, RequestRate
from sonnys_pipeline.client.rate_limit.share import BudgetShare
from sonnys_pipeline.revisit.reading import SHARE
from sonnys_pipeline_tests.support.shared_clock import SharedBudget, SharedClock

HOUR = 3600.0


def sent_within(seconds: float, clock: SharedClock, share: BudgetShare) -> int:
    """How many permits are taken in a time by somebody who always wants one."""
    until, taken = clock() + seconds, 0
    while True:
        pause = share.try_acquire()
        taken += pause == 0
        clock.sleep(pause)
        if clock() >= until:
            return taken


def share_of(clock: SharedClock, budget: SharedBudget, share: float = 0.05) -> BudgetShare:
    return BudgetShare(budget, share, sleep=clock.sleep, clock=clock)  # type: ignore[arg-type] # a stand-in


def test_alone_it_takes_half_of_the_budget() -> None:
    """The rest stays for whoever comes."""
    clock = SharedClock()
    taken = sent_within(HOUR, clock, share_of(clock, SharedBudget(clock)))
    assert taken == pytest.approx(HOUR / 15.35 * 20 * 0.5, rel=0.01)


def test_alone_looks_at_landed_days_use_the_whole_budget() -> None:
    """KT-01: a sweep at night takes as long as its requests need, and gives way when others send."""
    clock = SharedClock()
    budget = SharedBudget(clock)
    share = BudgetShare(budget, SHARE, alone=1.0, sleep=clock.sleep, clock=clock)  # type: ignore[arg-type] # a stand-in
    assert sent_within(HOUR, clock, share) == pytest.approx(HOUR / 15.35 * 20, rel=0.01)
    clock.sleep(20)
    assert budget.try_acquire() == 0
    assert sent_within(15.0, clock, share) == 5


@pytest.mark.parametrize("share", [0.05, 0.2, SHARE])
def test_beside_others_it_takes_its_share(share: float) -> None:
    """Both want all they can get for an hour: the budget is full, and the share is what was said."""
    clock = SharedClock()
    budget, taken = SharedBudget(clock), {}

    def busy() -> None:
        taken["others"] = sent_within(HOUR, clock, budget)  # type: ignore[arg-type] # asked in the same way

    def small() -> None:
        taken["share"] = sent_within(HOUR, clock, share_of(clock, budget, share))

    clock.run(busy, small)
    assert taken["share"] / sum(taken.values()) == pytest.approx(share, rel=0.06)
    assert taken["share"] <= (HOUR / 15.35 + 1) * 20 * share
    assert sum(taken.values()) == pytest.approx(HOUR / 15.35 * 20, rel=0.01)


def test_it_goes_fast_again_when_the_others_have_ended() -> None:
    """Within a block."""
    clock = SharedClock()
    budget = SharedBudget(clock)
    share = share_of(clock, budget)
    for _ in range(15):
        assert budget.try_acquire() == 0
    assert share.try_acquire() == 0
    assert sent_within(15.0, clock, share) == 0
    assert sent_within(15.0, clock, share) > 5


def test_a_429_cools_the_budget_of_all() -> None:
    """The share hands it on."""
    clock = SharedClock()
    budget = SharedBudget(clock)
    share_of(clock, budget).cool_down()
    assert budget.try_acquire() == pytest.approx(15.35)


def test_acquire_waits_for_a_permit() -> None:
    """As the budget's own."""
    clock = SharedClock()
    share = share_of(clock, SharedBudget(clock))
    for _ in range(10):
        share.acquire()
    assert clock() == 0
    share.acquire()
    assert clock() == pytest.approx(15.35)


def test_a_store_that_cannot_be_asked_counts_as_busy() -> None:
    """Whether others send is unknown then, so the share goes slowly."""

    class Away(SharedBudget):
        def permits_in_use(self) -> int:
            raise BudgetUnavailableError("away")

    clock = SharedClock()
    share = share_of(clock, Away(clock, RequestRate(20, 15)))
    assert sent_within(60.0, clock, share) == 4
