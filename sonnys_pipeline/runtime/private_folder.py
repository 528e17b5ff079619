"""Folders and files that their owner alone can read: state of the pipeline, in which personal data may lie."""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

_OTHERS = 0o077


class ForeignFolderError(OSError):
    """A folder that somebody else could have prepared, or can look into; `strerror` says why."""

    def __init__(self, reason: str) -> None:
        """Build the error; the system has no number for it."""
        super().__init__(0, reason)


def private_folder(folder: Path) -> Path:
    """Make a folder, and those above it that are missing, for their owner alone; one that is ours is closed to others.

    A folder of root's is as good as ours, unless everybody may use it: volumes of containers are such.

    Returns:
        The folder.

    Raises:
        ForeignFolderError: when it belongs to another user.
        OSError: when it cannot be made, or closed.
    """
    for one in reversed(list(takewhile(lambda above: not above.exists(), (folder, *folder.parents)))):
        one.mkdir(mode=0o700, exist_ok=True)
    found = folder.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(20, "it is not a directory")
    if found.st_uid == os.geteuid():
        if found.st_mode & _OTHERS:
            folder.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS)
    elif found.st_uid != 0:
        raise ForeignFolderError(f"it belongs to user {found.st_uid}, and this is user {os.geteuid()}")
    elif found.st_mode & 0o007:
        raise ForeignFolderError(f"it is root's and open to everybody (mode {stat.S_IMODE(found.st_mode):o})")
    return folder


def write_private_file(path: Path, content: str) -> None:
    r"""Put a file for its owner alone in its place in one step; a link in that place is replaced, never followed.

    Half a character, which UTF-8 cannot write, is written as `\ud83d`: in JSON that is how it is spelt.

    Raises:
        OSError: when it cannot be written; what was there before is still there.
    """
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    flags = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY
    try:
        with os.fdopen(os.open(beside, flags, 0o600), "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


class StateUnwritableError(Exception):
    """A file of the state folder cannot be written: audit or quarantine; what is landed stays landed."""


@contextmanager
def writable_state(path: Path) -> Iterator[None]:
    """What fails inside because of the disk or of rights names the file, and what to do."""
    try:
        yield
    except OSError as error:
        raise StateUnwritableError(
            f"cannot write {path} ({error.strerror or error}); free space, mend its rights, or name another "
            "folder in SONNYS_STATE_DIR, then run it again: nothing landed was touched"
        ) from error
