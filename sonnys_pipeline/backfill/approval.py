"""Session mode: whether plans need approval. It cannot be switched while a job executes (BX-03, BX-04)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sonnys_pipeline.ledger.models import JobMode


class SessionModeManager:
    """One session's mode, at first `confirm`; thread-safe. Locks count: the mode stays while any job executes."""

    def __init__(self, mode: JobMode = JobMode.CONFIRM) -> None:
        self._mode = JobMode(mode)
        self._locks = 0
        self._guard = threading.Lock()

    @property
    def mode(self) -> JobMode:
        """`confirm`: only an approved plan runs; `auto`: runs without approval."""
        return self._mode

    @property
    def is_locked(self) -> bool:
        """Whether a job executes."""
        return self._locks > 0

    def set_mode(self, mode: JobMode) -> None:
        """Switch the mode; `ValueError` while locked, or for an unknown mode."""
        wanted = JobMode(mode)
        with self._guard:
            if self._locks:
                raise ValueError(
                    f"the mode cannot change to {wanted} while a job executes in mode "
                    f"{self._mode}; try again when it has ended"
                )
            self._mode = wanted

    def lock(self) -> None:
        """Keep the mode until `unlock`."""
        with self._guard:
            self._locks += 1

    def unlock(self) -> None:
        """Release one lock, if there is one."""
        with self._guard:
            self._locks = max(0, self._locks - 1)

    @contextmanager
    def locked(self) -> Iterator[JobMode]:
        """Hold a lock inside a `with` block."""
        self.lock()
        try:
            yield self._mode
        finally:
            self.unlock()
