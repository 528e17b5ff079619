"""The mode of a session: whether plans need approval, switched at will, but not while a job executes (BX-03, BX-04)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sonnys_pipeline.ledger.models import JobMode


class SessionModeManager:
    """One session's mode; safe for use by several threads.

    Locks count: with two jobs executing, both have to end before the mode can be switched.
    """

    def __init__(self, mode: JobMode = JobMode.CONFIRM) -> None:
        """Begin unlocked.

        Raises:
            ValueError: for an unknown mode.
        """
        self._mode = JobMode(mode)
        self._locks = 0
        self._guard = threading.Lock()

    @property
    def mode(self) -> JobMode:
        """`confirm`: what was approved runs, or nothing; `auto`: runs unasked."""
        return self._mode

    @property
    def is_locked(self) -> bool:
        """Whether a job executes."""
        return self._locks > 0

    def set_mode(self, mode: JobMode) -> None:
        """Switch.

        Raises:
            ValueError: while locked, or for an unknown mode; the mode stays.
        """
        wanted = JobMode(mode)
        with self._guard:
            if self._locks:
                raise ValueError(f"a job executes in mode {self._mode}: switch to {wanted} when it has ended")
            self._mode = wanted

    def lock(self) -> None:
        """Keep the mode as it is until `unlock`."""
        with self._guard:
            self._locks += 1

    def unlock(self) -> None:
        """Let it be switched again; does nothing where it is not locked."""
        with self._guard:
            self._locks = max(0, self._locks - 1)

    @contextmanager
    def locked(self) -> Iterator[JobMode]:
        """Locked while inside, whatever ends it."""
        self.lock()
        try:
            yield self._mode
        finally:
            self.unlock()
