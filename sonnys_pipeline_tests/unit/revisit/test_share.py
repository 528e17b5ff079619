"""KT-01: looks yield to whatever lands days on the same budget."""

from sonnys_pipeline.client import RequestRate
from sonnys_pipeline.revisit.share import YieldingBudget


class Block:
    """A budget of one block whose permits are counted."""

    def __init__(self) -> None:
        self.rate = RequestRate(20, 15)
        self.taken = 0
        self.refusals = 0

    def try_acquire(self) -> float:
        """A permit while there is one."""
        if self.taken == self.rate.requests:
            return 5.0
        self.taken += 1
        return 0.0

    def permits_in_use(self) -> int:
        """Those of all sharers."""
        return self.taken

    def cool_down(self) -> None:
        """A 429."""
        self.refusals += 1


def granted(budget: YieldingBudget) -> int:
    """Permits until the first wait."""
    count = 0
    while budget.try_acquire() == 0:
        count += 1
    return count


def test_alone_looks_use_the_whole_budget() -> None:
    """KT-01: a sweep at night takes as long as its requests need."""
    block = Block()
    budget = YieldingBudget(block, lambda: 0.0)  # type: ignore[arg-type] # as much of a budget as is used
    assert granted(budget) == 20
    budget.cool_down()
    assert block.refusals == 1


def test_beside_others_looks_take_a_quarter() -> None:
    """KT-01: a morning or a backfill keeps three quarters; when it ends, the sweep goes on at full speed."""
    block, clock = Block(), [0.0]
    budget = YieldingBudget(block, lambda: clock[0])  # type: ignore[arg-type] # as much of a budget as is used
    block.taken = 1
    assert granted(budget) == 5
    assert budget.try_acquire() > 0.5
    clock[0], block.taken = 20.0, 0
    assert granted(budget) == 20
