"""Who may write an asset just now: one writer at a time, so that a file can be read and replaced in one step.

A folder is locked by files beside it. An object store has no locks; whoever opens one for writing gives it some of
another kind (`postgres.py` beside this, `backfill/workspace.py`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from filelock import FileLock

from sonnys_pipeline.lake.errors import UnwritableLakeError
from sonnys_pipeline.lake.storage.folder import make_folder

#: How long a writer waits for another one, in seconds; each holds a lock for the time that a file takes.
LOCK_TIMEOUT = 120.0


class Locks(Protocol):
    """Locks by name, each held by one writer; whoever dies holds none any more."""

    def holding(self, name: str) -> AbstractContextManager[None]:
        """Hold a lock while inside.

        Raises:
            UnwritableLakeError: when it cannot be had.
        """

    def hurry(self) -> None:
        """Wait no longer for a server that is away, since the run is to end; safe to call from a signal handler."""


class FileLocks:
    """Locks that the system keeps on files in a folder: for all processes of one machine."""

    def __init__(self, folder: str | os.PathLike[str], *, of: str = "") -> None:
        """Lock in this folder; `of` tells locks of several lakes apart that share it."""
        self._folder = Path(folder)
        self._prefix = f"{hashlib.sha256(of.encode()).hexdigest()[:12]}-" if of else ""

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        """Hold the lock of a name while inside."""
        path = self._folder / f"{self._prefix}{name}.lock"
        try:
            make_folder(path.parent)
            lock = FileLock(path, mode=0o640, timeout=LOCK_TIMEOUT)
            lock.acquire(poll_interval=0.01)
        except OSError as error:  # filelock's Timeout is one, too
            raise UnwritableLakeError(
                f"cannot lock {path} ({error.strerror or error}); mend the rights of {self._folder.parent}, or end the "
                "program that holds the lock, then run it again: nothing landed was touched"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def hurry(self) -> None:
        """A lock is held for the time that a file takes."""
