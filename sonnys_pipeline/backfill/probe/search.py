"""How far something reaches: a search over ordered keys that gaps do not mislead, and a walk that ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

#: Failed probes in a row after which the search stops.
PATIENCE = 10


class Outcome(StrEnum):
    """What one look says (BM-08, BM-10)."""

    SUCCESS = "success"  # there is a record
    NO_RECORD = "no-record"  # there is none, and that is certain
    FAILED = "failed"  # unknown


class BudgetSpentError(Exception):
    """No request is left for a probe; ends a search."""


@dataclass(frozen=True)
class SearchResult:
    """Result of a search.

    Attributes:
        last: the furthest key known to be reached: it or one beyond has a record; `None` if none was seen.
        proven: whether `last` is the furthest key with a record (or `None`: no key has one), under the gap assumed.
        probes: every key asked for and its outcome, in order.
        reason: why it is not proven; empty if it is.
    """

    last: int | None
    proven: bool
    probes: Mapping[int, Outcome]
    reason: str = ""

    @property
    def outcomes(self) -> Mapping[Outcome, int]:
        """How many probes had each outcome."""
        return Counter(self.probes.values())


def find_last(
    probe: Callable[[int], Outcome],
    *,
    limit: int,
    width: int = 1,
    gap: int | None = None,
    budget: int = 200,
    patience: int = PATIENCE,
) -> SearchResult:
    """Find the furthest of the keys 0 … `limit` that has a record, 0 being the end that is known (BM-10).

    `probe(n)` says whether any of the keys n … n + `width` - 1 (cut off at `limit`) has one, or raises
    `BudgetSpentError`. Records may be missing in any pattern. Three steps:

    1. *Gallop*: 0, then `width`, 2·`width`, 4·`width` … ahead, while there are records.
    2. *Bisect* between the furthest success and the nearest no-record beyond it.
    3. *Sweep*: whatever lies beyond the furthest success and in no window of a no-record probe is asked for, furthest
       first. A success moves the answer outward, and 1 follows again.

    **Why the answer is right.** Let `last` be the furthest key whose probe was a success. Then some key from `last` on
    has a record, because a window begins at the key that it is asked for. The answer is called proven only if every
    key beyond `last`, up to `limit`, lies in the window of a no-record probe. So no key beyond `last` has a record, so
    `last` itself has it. Galloping and bisecting only choose what to ask for; a gap can mislead them, never the proof.
    With `gap` given, the caller vouches that no two neighbouring records (nor 0 and the first of them) have more than
    `gap` keys without one between them; then `gap` + 1 such keys beyond `last` prove the same, and those beyond need
    not be asked for.

    **Failed probes** are neither records nor their absence, and prove nothing. Another window over the same key is
    asked for instead, half as far below it each time. A key that no window settles leaves the answer unproven, unless
    a record turns up beyond it. After `patience` failed probes in a row the search stops.

    **What it costs.** No key is asked for twice, and never more than `budget` keys are. With L = `limit`, w = `width`,
    no failed probe and no `gap` given, at most ceil((L+1)/w) + 2·log2(L/w + 1) + 2·log2(w) + 6 probes: the sweep asks
    for disjoint windows, and after its first success everything beyond that window is settled, so that bisecting the
    window ends the search. With w = 1 that is linear in L, and nothing can be better: a lone record can hide anywhere.
    With `gap` given, each gap that galloping ran into costs ceil((`gap`+1)/w) and two logarithms; without such gaps
    it is 2·log2(`last`/w) + log2(w) + ceil((`gap`+1)/w) and a constant.
    """
    if width < 1 or patience < 1 or limit < 0 or budget < 0 or (gap is not None and gap < 0):
        raise ValueError("a search needs width and patience of at least 1, and a limit, gap and budget of at least 0")
    search = _Search(probe, limit, width, gap, budget, patience)
    try:
        search.run()
    except BudgetSpentError:
        return search.result("the budget ran out")
    except _OutOfOrderError:
        return search.result(f"{patience} probes in a row failed")
    return search.result("a failed probe could not be replaced by another")


class _OutOfOrderError(Exception):
    """Too many failed probes in a row."""


@dataclass
class _Search:
    """The state of `find_last`: what was asked, and the furthest success (-1: none yet)."""

    probe: Callable[[int], Outcome]
    limit: int
    width: int
    gap: int | None
    budget: int
    patience: int
    asked: dict[int, Outcome] = field(default_factory=dict)
    last: int = -1
    failed_in_a_row: int = 0

    def run(self) -> None:
        self.ask(0)
        while True:
            self.gallop()
            self.bisect()
            if not self.sweep():
                return

    def ask(self, key: int) -> Outcome:
        if self.failed_in_a_row >= self.patience:
            raise _OutOfOrderError
        if len(self.asked) >= self.budget:
            raise BudgetSpentError
        outcome = self.asked[key] = self.probe(key)
        self.failed_in_a_row = self.failed_in_a_row + 1 if outcome is Outcome.FAILED else 0
        if outcome is Outcome.SUCCESS:
            self.last = max(self.last, key)
        return outcome

    def pivot(self, key: int) -> Outcome:
        """A probe that only chooses where to continue: if it fails, its neighbours serve as well."""
        for near in (key, key + 1, key - 1):
            if self.last < near < self.wall() and near not in self.asked:
                outcome = self.ask(near)
                if outcome is not Outcome.FAILED:
                    return outcome
        return Outcome.FAILED

    def wall(self) -> int:
        """The nearest key beyond the furthest success whose window is empty; one past the limit if there is none."""
        walls = (key for key, said in self.asked.items() if said is Outcome.NO_RECORD and key > self.last)
        return min(walls, default=self.limit + 1)

    def gallop(self) -> None:
        base, ahead = self.last, self.width
        while self.last >= 0 and base + ahead < self.wall():
            if self.pivot(base + ahead) is not Outcome.SUCCESS:
                return
            ahead *= 2

    def bisect(self) -> None:
        """Halve the keys between the furthest success and the wall, by whole windows while there are many."""
        while self.last >= 0 and (span := self.wall() - self.last) > 1:
            windows = span // self.width if span > self.width else 0
            step = max(1, windows // 2) * self.width if windows else span // 2
            if self.pivot(self.last + step) is Outcome.FAILED:
                return  # the sweep needs no order

    def sweep(self) -> bool:
        """Ask for all unsettled keys, furthest first; returns whether a success moved the answer."""
        before = self.last
        while self.last == before and (key := self.next_unsettled()) is not None:
            self.ask(key)
        return self.last > before

    def next_unsettled(self) -> int | None:
        """The key whose window settles the furthest unsettled key; `None` when nothing is left to try."""
        for target in self.unsettled():
            # First the whole window below the target; after a failure half of it, and so on to the target alone.
            reach = self.width
            while reach:
                key = max(self.last + 1, target - reach + 1)
                if key not in self.asked:
                    return key
                reach //= 2
        return None

    def unsettled(self) -> Iterator[int]:
        """Keys that may have a record beyond the furthest success, furthest first."""
        empty = [key for key, said in self.asked.items() if said is Outcome.NO_RECORD]
        target = self.horizon()
        while target > self.last:
            covering = [key for key in empty if key <= target < key + self.width]
            if covering:
                target = min(covering) - 1
            else:
                yield target
                target -= 1

    def horizon(self) -> int:
        """The furthest key that has to be empty for the proof."""
        if self.gap is None:
            return self.limit
        # The furthest success vouches for one key of its window: all of that has to be settled, whatever the gap.
        window = self.last + self.width - 1 if self.last >= 0 else -1
        return min(self.limit, max(window, self.last + self.gap + 1))

    def result(self, reason: str) -> SearchResult:
        proven = next(self.unsettled(), None) is None
        last = self.last if self.last >= 0 else None
        return SearchResult(last, proven, self.asked, "" if proven else reason)


def traverse(
    visit: Callable[[int], Outcome], *, start: int, end: int, most: int | None = None, stop_after: int | None = None
) -> Iterator[tuple[int, Outcome]]:
    """Visit keys from `start` to `end`, both included, in either direction; yields each with its outcome (BM-11).

    It ends at `end`, after `most` keys, or after `stop_after` keys in a row without a record, whichever comes first;
    `None` means no such limit. A failed visit may have missed a record: it restarts that count. Keys are visited
    lazily.
    """
    if (most is not None and most < 1) or (stop_after is not None and stop_after < 1):
        raise ValueError("a traversal visits at least 1 key, and stops after at least 1 without a record")
    direction = 1 if end >= start else -1
    empty = 0
    for key in range(start, end + direction, direction)[:most]:
        outcome = visit(key)
        yield key, outcome
        empty = empty + 1 if outcome is Outcome.NO_RECORD else 0
        if empty == stop_after:
            return
