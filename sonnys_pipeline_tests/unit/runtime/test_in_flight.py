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
def test_no_more_calls_than_allowed_run_at_once(at_once: int) -> None:
    running, most, lock = 0, 0, threading.Lock()

    def call(_: int) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1

    assert len(list(in_flight(call, range(50), at_once))) == 50
    assert 1 <= most <= at_once


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
