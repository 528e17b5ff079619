"""RS-02: calls that wait for a network, several at the same time."""

import threading
from collections.abc import Iterator

import pytest

from sonnys_pipeline.runtime.in_flight import in_flight


def test_results_are_in_the_order_of_the_items() -> None:
    """The first call ends last."""
    last = threading.Event()

    def call(number: int) -> int:
        if number == 0:
            assert last.wait(30)
        if number == 3:
            last.set()
        return number * 10

    assert list(in_flight(call, range(4), 4)) == [0, 10, 20, 30]


@pytest.mark.parametrize("at_once", [1, 3])
def test_as_many_calls_as_allowed_run_at_once(at_once: int) -> None:
    """Each waits for the others of its group, so fewer would never end; one more would be counted."""
    running, most, lock, group = 0, 0, threading.Lock(), threading.Barrier(at_once)

    def call(_: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        group.wait(30)
        with lock:
            running -= 1

    assert len(list(in_flight(call, range(48), at_once))) == 48
    assert most == at_once


def test_the_first_failure_leaves_out_calls_that_have_not_begun() -> None:
    begun = []

    def call(number: int) -> None:
        begun.append(number)
        raise ValueError(str(number))

    with pytest.raises(ValueError, match="0"):
        list(in_flight(call, range(10_000), 2))
    assert len(begun) < 10_000


def test_a_caller_that_has_enough_leaves_out_the_rest() -> None:
    begun: list[int] = []

    def first(results: Iterator[None]) -> None:
        next(results)

    first(in_flight(begun.append, range(10_000), 2))
    assert 0 in begun
    assert len(begun) < 10_000
