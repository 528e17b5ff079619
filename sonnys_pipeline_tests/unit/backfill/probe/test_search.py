"""BM-10, BM-11: the search for the last key with a record, whatever is missing or fails; the bounded walk."""

import itertools
import math
from collections.abc import Callable, Collection, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonnys_pipeline.backfill.probe.search import PATIENCE, BudgetSpentError, Outcome, find_last, traverse

#: Sets of keys that have records, dense and sparse, in runs and alone.
SUPPORTS = st.one_of(
    st.sets(st.integers(0, 400), max_size=12),
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 80)), max_size=6).map(
        lambda runs: {key for first, length in runs for key in range(first, first + length)}
    ),
)


def looking_at(
    support: Collection[int], width: int = 1, failing: Callable[[int], bool] = lambda _: False
) -> Callable[[int], Outcome]:
    """A probe over these keys, which refuses to be asked twice for one."""
    seen: set[int] = set()

    def probe(key: int) -> Outcome:
        assert key not in seen, f"asked twice for {key}"
        seen.add(key)
        if failing(key):
            return Outcome.FAILED
        return Outcome.SUCCESS if any(key <= place < key + width for place in support) else Outcome.NO_RECORD

    return probe


def within(support: Iterable[int], limit: int) -> set[int]:
    """The keys that a search up to the limit can see."""
    return {key for key in support if key <= limit}


def bound(limit: int, width: int) -> float:
    """What the docstring of `find_last` promises."""
    return math.ceil((limit + 1) / width) + 2 * math.log2(limit / width + 1) + 2 * math.log2(width) + 6


@pytest.mark.no_cover
@given(support=SUPPORTS, limit=st.integers(0, 480), width=st.integers(1, 60))
def test_any_pattern_of_records_is_searched_right(support: set[int], limit: int, width: int) -> None:
    """No assumption about gaps, no failures: the last key, proven, within the bound, and no key asked twice."""
    seen = within(support, limit)
    found = find_last(looking_at(seen, width), limit=limit, width=width, budget=1000)
    assert found.last == max(seen, default=None)
    assert found.proven
    assert found.reason == ""
    assert len(found.probes) <= bound(limit, width)
    assert all(0 <= key <= limit for key in found.probes)


@given(support=SUPPORTS, limit=st.integers(0, 480), width=st.integers(1, 60), slack=st.integers(0, 9))
def test_a_gap_that_is_vouched_for_is_enough(support: set[int], limit: int, width: int, slack: int) -> None:
    """`gap` is the longest run without a record before the last one: the answer is the same, and it is proven."""
    seen = within(support, limit)
    places = [-1, *sorted(seen)]
    longest = max((after - before - 1 for before, after in itertools.pairwise(places)), default=0)
    found = find_last(looking_at(seen, width), limit=limit, width=width, gap=longest + slack, budget=1000)
    assert found.last == max(seen, default=None)
    assert found.proven


@given(
    support=SUPPORTS,
    limit=st.integers(0, 480),
    width=st.integers(1, 60),
    gap=st.one_of(st.none(), st.integers(0, 500)),
    failing=st.sets(st.integers(0, 480), max_size=60),
    budget=st.integers(0, 40),
)
def test_failures_and_a_small_budget_never_make_a_wrong_proof(
    support: set[int], limit: int, width: int, gap: int | None, failing: set[int], budget: int
) -> None:
    """A proven answer is right; an unproven one says why, and is one that records do reach."""
    seen = within(support, limit)
    found = find_last(looking_at(seen, width, failing.__contains__), limit=limit, width=width, gap=gap, budget=budget)
    assert len(found.probes) <= budget
    assert found.proven == (found.reason == "")
    if found.last is not None:
        assert any(key >= found.last for key in seen)
    if found.proven and gap is None:
        assert found.last == max(seen, default=None)
    if found.proven and gap is not None and found.last is not None:
        assert found.last in seen
        assert not seen & set(range(found.last + 1, found.last + gap + 2))


@given(
    first_day=st.integers(0, 180),
    closed=st.sets(st.integers(0, 180), max_size=30),
    hole=st.integers(0, 180),
    narrow=st.booleans(),
)
def test_half_a_year_of_days_takes_fewer_than_50_probes(
    first_day: int, closed: set[int], hole: int, narrow: bool
) -> None:
    """Closed days and a ten-day gap anywhere: with windows of four weeks, or single days and that gap vouched for."""
    seen = set(range(first_day + 1)) - set(range(hole, hole + 10))
    if narrow:
        found = find_last(looking_at(seen), limit=183, gap=10)
        assert found.proven
    else:
        seen -= closed
        found = find_last(looking_at(seen, 27), limit=183, width=27)
    assert found.last == max(seen, default=None)
    assert len(found.probes) < (50 if narrow else 25)


def test_it_gallops_bisects_and_sweeps() -> None:
    """0, 1, 2, 4, 8 … outward, halves between, then every key of the gap that is vouched for, furthest first."""
    found = find_last(looking_at(range(12)), limit=1000, gap=3)
    assert list(found.probes) == [0, 1, 2, 4, 8, 16, 12, 10, 11, 15, 14, 13]
    assert found.last == 11
    assert found.outcomes == {Outcome.SUCCESS: 7, Outcome.NO_RECORD: 5}


def test_a_gap_misleads_the_gallop_but_not_the_answer() -> None:
    """Keys 4 and 8 are in a gap: galloping ends there, the sweep finds the rest, and galloping goes on from it."""
    seen = {*range(4), *range(10, 100)}
    assert find_last(looking_at(seen), limit=1000, gap=6).last == 99
    assert find_last(looking_at(seen), limit=1000, gap=5, budget=40).last == 3, "one key short of the assumption"


def test_logarithmic_where_no_gap_is_met() -> None:
    """A million keys without assumptions would be a million probes; with a gap vouched for it is a few dozen."""
    found = find_last(looking_at(range(700_001)), limit=1_000_000, gap=9, budget=60)
    assert (found.last, found.proven) == (700_000, True)
    assert len(found.probes) <= 2 * math.log2(700_000) + 10 + 3


def test_a_key_that_no_window_can_show_leaves_the_answer_open_unless_records_lie_beyond() -> None:
    """Every window over key 50 fails: what windows up to 49 show is known, and a record beyond makes 50 matter not."""
    found = find_last(looking_at(range(30), 28, lambda key: key <= 50 < key + 28), limit=183, width=28)
    assert not found.proven
    assert found.last == 22, "the window 22 … 49 has a record; every window that begins later and tells more fails"
    assert "failed" in found.reason
    beyond = find_last(looking_at(range(100), 28, lambda key: key <= 50 < key + 28), limit=183, width=28)
    assert (beyond.last, beyond.proven) == (99, True)


def test_a_few_keys_that_fail_for_ever_are_left_and_named() -> None:
    """Single keys cannot be seen otherwise: the search goes on without them, and does not call the answer proven."""
    found = find_last(looking_at(range(12), failing={13, 14}.__contains__), limit=1000, gap=3)
    assert (found.last, found.proven) == (11, False)
    assert found.reason == "a failed probe could not be replaced by another"


def test_a_window_that_fails_once_is_covered_by_another() -> None:
    """The probe for key 28 fails, its neighbour answers: proven all the same."""
    found = find_last(looking_at(range(10), 28, {28, 140}.__contains__), limit=183, width=28)
    assert (found.last, found.proven) == (9, True)
    assert found.outcomes[Outcome.FAILED] >= 1


def test_whoever_is_out_of_order_is_not_asked_for_ever() -> None:
    """Every probe fails: after ten in a row it stops, knows nothing, and says so."""
    found = find_last(looking_at((), failing=lambda _: True), limit=1000)
    assert (found.last, found.proven, len(found.probes)) == (None, False, PATIENCE)
    assert found.reason == "10 probes in a row failed"


@pytest.mark.parametrize("affordable", range(12))
def test_a_budget_that_runs_out_leaves_what_is_known(affordable: int) -> None:
    """By its own count or by the probe's word, the search ends; a lower bound stays, unproven."""
    look = looking_at(range(12))
    made: list[int] = []

    def probe(key: int) -> Outcome:
        if len(made) == affordable:
            raise BudgetSpentError
        made.append(key)
        return look(key)

    raised = find_last(probe, limit=1000, gap=3)
    counted = find_last(looking_at(range(12)), limit=1000, gap=3, budget=affordable)
    assert raised == counted
    assert not counted.proven
    assert counted.reason == "the budget ran out"
    assert counted.last == max((key for key in made if key < 12), default=None)


@pytest.mark.parametrize("wrong", [{"width": 0}, {"patience": 0}, {"limit": -1}, {"gap": -1}, {"budget": -1}], ids=str)
def test_nonsense_is_refused(wrong: dict[str, int]) -> None:
    """Before anything is asked."""
    with pytest.raises(ValueError, match="at least"):
        find_last(looking_at(()), **{"limit": 9, **wrong})


WALKS = {
    "to the end": ({"start": 2, "end": 5}, "....", [2, 3, 4, 5]),
    "backwards": ({"start": 5, "end": 2}, "....", [5, 4, 3, 2]),
    "one key": ({"start": 3, "end": 3}, ".", [3]),
    "at most so many": ({"start": 0, "end": 99, "most": 3}, "...", [0, 1, 2]),
    "empty ones in a row": ({"start": 0, "end": 99, "stop_after": 2}, ".-.--.", [0, 1, 2, 3, 4]),
    "a failure is not empty": ({"start": 0, "end": 6, "stop_after": 2}, "-!-!-!.", [0, 1, 2, 3, 4, 5, 6]),
    "the nearer bound counts": ({"start": 0, "end": 99, "most": 2, "stop_after": 3}, "----", [0, 1]),
}


@pytest.mark.parametrize(("bounds", "said", "visited"), WALKS.values(), ids=WALKS)
def test_a_walk_is_bounded(bounds: dict[str, int], said: str, visited: list[int]) -> None:
    """BM-11: by its end, by a number of keys, by keys in a row without a record; a failed one is not one of those."""
    words = {".": Outcome.SUCCESS, "-": Outcome.NO_RECORD, "!": Outcome.FAILED}
    outcomes = iter(words[letter] for letter in said)
    calls: list[int] = []

    def visit(key: int) -> Outcome:
        calls.append(key)
        return next(outcomes)

    walked = list(traverse(visit, **bounds))
    assert [key for key, _ in walked] == calls == visited
    assert [outcome for _, outcome in walked] == [words[letter] for letter in said[: len(visited)]]


def test_a_walk_visits_nothing_before_it_is_asked_for() -> None:
    """Whoever stops taking from it spends nothing more."""
    calls: list[int] = []
    walk = traverse(lambda key: calls.append(key) or Outcome.SUCCESS, start=0, end=9)
    next(walk)
    next(walk)
    assert calls == [0, 1]


@pytest.mark.parametrize("bounds", [{"most": 0}, {"stop_after": 0}])
def test_a_walk_of_nothing_is_refused(bounds: dict[str, int]) -> None:
    """Zero is a mistake, not a bound."""
    with pytest.raises(ValueError, match="at least 1"):
        list(traverse(lambda _: Outcome.SUCCESS, start=0, end=9, **bounds))
