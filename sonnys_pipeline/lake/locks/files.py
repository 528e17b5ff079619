"""Per-asset write locks, so that a file can be read and replaced in one step.

A directory is locked by files beside it. An object store has no locks; its opener passes other ones (`postgres.py`,
`backfill/workspace.py`).
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

#: How long a writer waits for another one, in seconds; a lock is held while one file is written.
LOCK_TIMEOUT = 120.0


#: A lake's folder of locks, hidden from readers of the lake.
LOCKS = ".locks"


class Locks(Protocol):
    """Locks by name, each held by one writer; they are freed when it dies."""

    def holding(self, name: str) -> AbstractContextManager[None]:
        """Hold a lock inside a `with` block. Raises UnwritableLakeError if it cannot be acquired."""

    def hurry(self) -> None:
        """Stop waiting for a server that is away, since the run is to end; safe to call from a signal handler."""


class FileLocks:
    """Locks on files in a directory, for all processes of one machine; `of` separates lakes that share it."""

    def __init__(self, folder: str | os.PathLike[str], *, of: str = "") -> None:
        self._folder = Path(folder)
        self._prefix = f"{hashlib.sha256(of.encode()).hexdigest()[:12]}-" if of else ""

    @contextmanager
    def holding(self, name: str) -> Iterator[None]:
        """Hold a lock inside a `with` block."""
        path = self._folder / f"{self._prefix}{name}.lock"
        try:
            make_folder(path.parent)
            lock = FileLock(path, mode=0o640, timeout=LOCK_TIMEOUT)
            lock.acquire(poll_interval=0.01)
        except OSError as error:  # filelock's Timeout is one, too
            raise UnwritableLakeError(
                f"cannot lock {path} ({error.strerror or error}); fix the permissions of {self._folder.parent}, or end "
                "the program that holds the lock, then run it again: nothing landed was touched"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def hurry(self) -> None:
        """Nothing to do: these locks are held briefly."""
