"""Several loaders at once on one virtual clock: each runs in a thread of its own, and one at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from sonnys_pipeline_tests.support.virtual_clock import VirtualBudget, VirtualClock, VirtualWorkerPool


class SharedClock(VirtualClock):
    """A virtual clock of several actors: whoever sleeps hands over to the one that is to wake up first."""

    def __init__(self) -> None:
        super().__init__()
        self._turn = threading.Condition()
        self._wakes: dict[int, float] = {}

    def run(self, *actors: Callable[[], Any]) -> None:
        """Run actors until all have ended; errors of any of them are raised."""
        errors: list[BaseException] = []
        here = threading.Barrier(len(actors))

        def live(actor: Callable[[], Any]) -> None:
            with self._turn:
                self._wakes[threading.get_ident()] = self.seconds
            here.wait()
            try:
                self.sleep(0.0)
                actor()
            except BaseException as error:  # noqa: BLE001 - raised in the test's own thread
                errors.append(error)
            finally:
                with self._turn:
                    del self._wakes[threading.get_ident()]
                    self._turn.notify_all()

        threads = [threading.Thread(target=live, args=(actor,), daemon=True) for actor in actors]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]

    def sleep(self, seconds: float) -> None:
        """Let time pass for the calling actor; without others it just passes."""
        me = threading.get_ident()
        with self._turn:
            if me not in self._wakes:
                self.seconds += seconds
                return
            self._wakes[me] = self.seconds + seconds
            self._turn.notify_all()
            # Of actors that wake at the same instant, the one that has slept longest goes first.
            while min(self._wakes, key=lambda one: self._wakes[one]) != me:
                self._turn.wait()
            self.seconds = max(self.seconds, self._wakes[me])
            # Last in the order of equals, the next time.
            self._wakes[me] = self._wakes.pop(me)


class SharedWorkerPool(VirtualWorkerPool):
    """Workers whose answers arrive on a shared clock."""

    clock: SharedClock

    def wait(self, seconds):
        assert seconds is not None or self.under_way, "the loader would wait for ever"
        until = float("inf") if seconds is None else self.clock() + seconds
        if self.under_way:
            until = min(until, self.under_way[0][0])
        self.clock.sleep(max(0.0, until - self.clock()))
        return super().wait(0)


class SharedBudget(VirtualBudget):
    """The budget of all actors, which also tells how much of a block is used."""

    def permits_in_use(self):
        now = self.clock()
        return sum(now < departure + self.block for departure in self.departures)
