"""Calls that wait for a network, several at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def in_flight(call: Callable[[T], R], items: Sequence[T], at_once: int) -> Iterator[R]:
    """The results of a call for each item, in their order, from at most `at_once` threads.

    Raises what the first failing call in that order raises. After that, and when the caller stops iterating, calls that
    have not begun are left out.
    """
    if at_once <= 1 or len(items) <= 1:
        yield from map(call, items)
        return
    with ThreadPoolExecutor(min(at_once, len(items)), "in-flight") as pool:
        yield from pool.map(call, items)
