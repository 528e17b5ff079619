"""Results written back into the CSV that asked for them: atomically, and never over its owner's changes (BX-07).

The file is written to a temporary name and renamed, so readers see the old or the new one. Its mode stays, and its
owner where we may change it; a link stays a link. A hard link to the same file keeps the old content.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from sonnys_pipeline.backfill.manifest.manifest import Manifest, ManifestChangedError, ManifestError, RowKey, RowResult
from sonnys_pipeline.runtime.processes import file_writer, is_dead_writer

_PREFIX, _SUFFIX = ".sonnys-manifest.", ".tmp"
#: Attempts at a lock that another process holds for milliseconds, and the pause between them in seconds.
_LOCK_ATTEMPTS, _LOCK_PAUSE = 40, 0.05
#: Pause after a write, as a multiple of its duration: a file of 200,000 rows takes seconds, and writing should take at
#: most a twentieth of a run's time.
_REST = 19


class WriteBack:
    """Writes the results of one job into its manifest; removes temporary files of dead processes beside it."""

    def __init__(
        self,
        manifest: Manifest,
        job_id: str,
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._manifest, self._job_id, self._sleep, self._clock = manifest, job_id, sleep, clock
        self._not_before = clock()
        self._is_behind = False
        self._standing = manifest.content
        self._results: dict[RowKey, RowResult] = {}
        _remove_leftovers(manifest.path.resolve().parent)

    def note(self, results: Mapping[RowKey, RowResult]) -> None:
        """Write these results now, or with later ones where the file is large; call `flush` at the end."""
        self._results.update(results)
        self._is_behind = True
        if self._clock() >= self._not_before:
            self.flush()

    def flush(self) -> None:
        """Write what was noted and not yet written; errors as for `write`."""
        if self._is_behind:
            self.write({})

    def write(self, results: Mapping[RowKey, RowResult]) -> None:
        """Write these results with those of earlier calls, refused ones included; results of other rows are left out.

        Raises:
            ManifestChangedError: when the file is not what was last read or written here; it is left unchanged.
            ManifestError: when it cannot be written; it is unchanged.
        """
        begun = self._clock()
        self._results.update(results)
        self._is_behind = False
        content = self._manifest.with_results(self._results)
        path = self._manifest.path
        try:
            path.stat()  # says in the system's words what is wrong with a link, such as a loop
            target = path.resolve()
            with self._locked(target) as file:
                self._refuse_changed(file.read())
                if content != self._standing:
                    self._replace(target, content, os.fstat(file.fileno()))
        except FileNotFoundError as error:
            raise ManifestChangedError(
                f"{path} no longer exists and was not created again. Restore it, then run {self._remedy}"
            ) from error
        except OSError as error:
            raise ManifestError(
                f"{path} cannot be written ({error.strerror or error}); free space, or fix the permissions of it "
                f"and its folder, then run {self._remedy}"
            ) from error
        self._standing = content
        self._not_before = self._clock() + _REST * (self._clock() - begun)

    @property
    def _remedy(self) -> str:
        return f"`sonnys backfill write-back {self._job_id}`: the results are kept in the ledger"

    def _refuse_changed(self, content: bytes) -> None:
        if content != self._standing:
            raise ManifestChangedError(
                f"{self._manifest.path} was changed since it was read; it stays as it is. Look at the change, then run "
                f"{self._remedy}"
            )

    @contextmanager
    def _locked(self, target: Path) -> Iterator[BinaryIO]:
        """The open file, under a lock of its own: a lock file would stay in its owner's directory."""
        for _ in range(_LOCK_ATTEMPTS):
            with target.open("rb") as file:
                locked = _lock(file)
                # The previous holder has replaced the file: the new one must be locked.
                if locked and os.path.samestat(os.fstat(file.fileno()), target.stat()):
                    yield file
                    return
            if not locked:
                self._sleep(_LOCK_PAUSE)
        raise ManifestError(f"{target} is locked by another process; when that has ended, run {self._remedy}")

    def _replace(self, target: Path, content: bytes, old: os.stat_result) -> None:
        # A rename would replace even a read-only file.
        if not old.st_mode & 0o222 or not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, "it is read-only")
        beside = target.with_name(f"{_PREFIX}{file_writer()}.{uuid.uuid4().hex}{_SUFFIX}")
        try:
            with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                with suppress(PermissionError):  # giving away is for root, and some file systems have no modes
                    os.chown(beside, old.st_uid, old.st_gid)
                with suppress(PermissionError):
                    beside.chmod(stat.S_IMODE(old.st_mode))
                # Without it a power cut could leave an empty file in place of the owner's. The rename itself need not
                # be durable: the ledger has the result.
                os.fsync(file.fileno())
            # An editor takes no lock: check again at the last moment.
            self._refuse_changed(target.read_bytes())
            beside.replace(target)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise


def _lock(file: BinaryIO) -> bool:
    """Whether the lock is held, or the file system has none: then only the comparison protects the file."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _remove_leftovers(folder: Path) -> None:
    with suppress(OSError):  # a folder that cannot be listed or changed says so when the file is written
        for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
            if is_dead_writer(path.name.removeprefix(_PREFIX).split(".")[0]):
                path.unlink(missing_ok=True)
