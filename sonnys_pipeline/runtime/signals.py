"""SIGTERM and SIGINT: the first asks for a checkpoint, the second exits at once (BM-04)."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def graceful(stop: Callable[[str], None]) -> Iterator[list[int]]:
    """Call `stop` on the first signal; end the process on the second. Outside of the main thread, signals do as usual.

    Yields a list that gets the first signal's number; the exit code is 128 more than that.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return

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
