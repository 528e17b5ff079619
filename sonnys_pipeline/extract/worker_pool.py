"""Runs requests in background threads and returns responses in the order of arrival."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class CallResult(Generic[T]):
    """Result of one call: a value or an error."""

    key: object
    value: T | None
    error: Exception | None


class WorkerPool(Protocol):
    """Runs calls in the background; tests use one with a virtual clock."""

    size: int

    def start(self, key: object, call: Callable[[], object]) -> None:
        """Begin a call; its result will carry the key."""
        ...

    def wait(self, seconds: float | None) -> list[CallResult[object]]:
        """Results so far; waits for the first, up to `seconds` (`None`: for ever)."""
        ...

    def wake(self) -> None:
        """Make `wait` return; safe to call from a signal handler."""
        ...

    def close(self) -> None:
        """Drop calls that have not started, and pending results."""
        ...


class ThreadWorkerPool:
    """Daemon threads, so that a slow response never keeps the process from exiting."""

    def __init__(self, threads: int) -> None:
        """`threads`: calls at once; threads start when first needed."""
        self.size = threads
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._closed = False
        self._lock = threading.Lock()
        # SimpleQueue, because a signal handler may put into it while the same thread waits on it.
        self._calls: queue.SimpleQueue[tuple[object, Callable[[], object]] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[CallResult[object] | None] = queue.SimpleQueue()

    def start(self, key: object, call: Callable[[], object]) -> None:
        """Hand the call to a thread; beyond the limit it waits for a free one. Raises RuntimeError after `close`."""
        if self._closed:
            raise RuntimeError("this worker pool is closed; create one for each load")
        with self._lock:
            if self._idle > 0:
                self._idle -= 1
            elif len(self._threads) < self.size:
                thread = threading.Thread(target=self._work, name=f"pool-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._calls.put((key, call))

    def wait(self, seconds: float | None) -> list[CallResult[object]]:
        """Results so far; waits for the first."""
        found: list[CallResult[object]] = []
        deadline = None if seconds is None else time.monotonic() + seconds
        while True:
            try:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                answer = self._answers.get(timeout=left) if not found else self._answers.get_nowait()
            except queue.Empty:
                return found
            if answer is None:  # woken
                return found
            found.append(answer)

    def wake(self) -> None:
        """Make `wait` return."""
        self._answers.put(None)

    def close(self) -> None:
        """End threads after their current call; queued calls are never made."""
        self._closed = True
        for _ in self._threads:
            self._calls.put(None)

    def _work(self) -> None:
        while (task := self._calls.get()) is not None and not self._closed:
            key, call = task
            try:
                answer: CallResult[object] = CallResult(key, call(), None)
            except Exception as error:  # noqa: BLE001 - handed to the caller, who knows what to do about it
                answer = CallResult(key, None, error)
            with self._lock:
                self._idle += 1
            self._answers.put(answer)
