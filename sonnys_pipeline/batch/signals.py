"""SIGTERM and SIGINT: the first one asks for a checkpoint, the second one leaves at once (BM-04)."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def graceful(stop: Callable[[str], None]) -> Iterator[list[int]]:
    """Call `stop` on the first signal; end the process on the second.

    Yields:
        A list that holds the first signal's number once it has come; the exit code is 128 more than that.
    """
    received: list[int] = []

    def handle(number: int, _: FrameType | None) -> None:
        if received:
            os._exit(128 + number)
        received.append(number)
        stop(f"{signal.Signals(number).name} received")

    before = {number: signal.signal(number, handle) for number in _SIGNALS}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
