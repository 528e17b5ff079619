"""Directories and files that only their owner can read: state of the pipeline, which may hold personal data."""

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
    """A directory that another user could have prepared or can read; `strerror` says why."""

    def __init__(self, reason: str) -> None:
        super().__init__(0, reason)


def private_folder(folder: Path) -> Path:
    """Make a directory and its missing parents for their owner only; closes an existing one of ours to others.

    A directory of root counts as ours unless it is open to everybody, as volumes of containers are. `OSError` when it
    cannot be made or closed; `ForeignFolderError` when it belongs to another user.
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
        raise ForeignFolderError(f"it belongs to root and is open to everybody (mode {stat.S_IMODE(found.st_mode):o})")
    return folder


def write_private_file(path: Path, content: str | bytes) -> None:
    r"""Write a file for its owner only, atomically; a link at that path is replaced, never followed.

    Text is written as UTF-8; surrogates, which UTF-8 cannot encode, are written as in JSON, such as `\ud83d`.
    After an `OSError` the old file is unchanged.
    """
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    flags = os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_WRONLY
    try:
        with os.fdopen(os.open(beside, flags, 0o600), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode(errors="backslashreplace"))
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


class StateUnwritableError(Exception):
    """A file of the state directory (audit or quarantine) cannot be written; landed days stay."""


@contextmanager
def writable_state(path: Path) -> Iterator[None]:
    """Raise an `OSError` of the block as `StateUnwritableError`, with file and remedy."""
    try:
        yield
    except OSError as error:
        raise StateUnwritableError(
            f"cannot write {path} ({error.strerror or error}); free space, fix its permissions, or name another "
            "directory in SONNYS_STATE_DIR, then run it again: nothing landed was touched"
        ) from error
