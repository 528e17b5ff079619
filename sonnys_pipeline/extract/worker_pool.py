"""Requests in the background, answers in the order in which they come."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Answer(Generic[T]):
    """What became of one call: a value or an error, and the clock when it was known."""

    key: object
    value: T | None
    error: Exception | None


class Exchange(Protocol):
    """Runs calls beside the caller; tests put a virtual clock behind it."""

    most_at_once: int

    def start(self, key: object, call: Callable[[], object]) -> None:
        """Begin a call; its answer will carry the key."""
        ...

    def wait(self, seconds: float | None) -> list[Answer[object]]:
        """Answers that have come; waits for the first one, up to so many seconds (`None`: for ever)."""
        ...

    def wake(self) -> None:
        """Make a wait return; safe to call from a signal handler."""
        ...

    def close(self) -> None:
        """Start nothing more and wait for nothing; answers on their way are dropped."""
        ...


class ThreadExchange:
    """Calls in daemon threads: a slow answer never keeps the process from leaving."""

    def __init__(self, threads: int) -> None:
        """Make room for so many calls at once; threads start when they are first needed."""
        self.most_at_once = threads
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._closed = False
        self._lock = threading.Lock()
        # SimpleQueue, because a signal handler may put into it while the same thread waits on it.
        self._calls: queue.SimpleQueue[tuple[object, Callable[[], object]] | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer[object] | None] = queue.SimpleQueue()

    def start(self, key: object, call: Callable[[], object]) -> None:
        """Hand the call to a thread; beyond the limit it waits for one to become free.

        Raises:
            RuntimeError: after `close`; nobody would take the call up.
        """
        if self._closed:
            raise RuntimeError("this exchange is closed; every load needs one of its own")
        with self._lock:
            if self._idle > 0:
                self._idle -= 1
            elif len(self._threads) < self.most_at_once:
                thread = threading.Thread(target=self._work, name=f"exchange-{len(self._threads)}", daemon=True)
                self._threads.append(thread)
                thread.start()
        self._calls.put((key, call))

    def wait(self, seconds: float | None) -> list[Answer[object]]:
        """Answers that have come; waits for the first."""
        found: list[Answer[object]] = []
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
        """Make a wait return."""
        self._answers.put(None)

    def close(self) -> None:
        """Let threads end after the call that they are in; calls that wait for a thread are never made."""
        self._closed = True
        for _ in self._threads:
            self._calls.put(None)

    def _work(self) -> None:
        while (task := self._calls.get()) is not None and not self._closed:
            key, call = task
            try:
                answer: Answer[object] = Answer(key, call(), None)
            except Exception as error:  # noqa: BLE001 - handed to the caller, who knows what to do about it
                answer = Answer(key, None, error)
            with self._lock:
                self._idle += 1
            self._answers.put(answer)
