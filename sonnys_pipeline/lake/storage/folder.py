"""The storage that the lake needs, and a directory as its default implementation.

A storage holds whole files by path: it replaces a file in one step, tells its versions apart, and reads parts of it. An
object store does the same in `objects.py`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from upath import UPath

from sonnys_pipeline.lake.errors import UnwritableLakeError
from sonnys_pipeline.lake.storage.footers import LOCAL_FOOTERS
from sonnys_pipeline.runtime.processes import file_writer, is_dead_writer

#: Path of a file in a directory, or of an object; `str` of it is shown to people.
LakePath: TypeAlias = Path | UPath
#: What a Parquet reader accepts as a file.
Readable: TypeAlias = Any

T = TypeVar("T")
R = TypeVar("R")

#: Column with the partition's day in rows that are read.
DAY = "date"
#: Directory at the root for unfinished files, so that every file below an asset's directory is whole (RB-04).
UNFINISHED = ".unfinished"
#: Name of an unfinished file: target, writer, random number; earlier versions put them beside the data.
_UNFINISHED_NAME = re.compile(r"\..+\.(?P<writer>\w+-\d+)\.[0-9a-f]{32}\.tmp")
#: Seconds after which an unfinished file of another machine counts as abandoned; writing one takes less than one.
_ABANDONED_AFTER = 3600.0
_HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Storage(Protocol):
    """Files below `root`, each whole or absent.

    Methods that read raise `FileNotFoundError` for a missing file, `OSError` or `pa.ArrowException` for one that cannot
    be read, and `UnreachableLakeError` when the store stays away; those that write or remove, `UnwritableLakeError`.
    """

    root: LakePath

    @property
    def is_local(self) -> bool:
        """Whether paths are files of this machine, which any library can open."""

    def put(self, path: LakePath, write: Callable[[BinaryIO], object]) -> int:
        """Write or replace a file in one step; returns its size in bytes. When it fails, the old file stays."""

    def remove(self, path: LakePath) -> None:
        """Remove a file, if it exists."""

    def place(self, path: LakePath) -> LakePath:
        """Where the current version of a file is, for libraries that open paths; most storages keep it at its path."""

    def version(self, path: LakePath) -> str | None:
        """Identifies a version of a file without reading it; `None` if there is no file."""

    def size(self, path: LakePath) -> int:
        """Size in bytes."""

    def content(self, path: LakePath) -> bytes:
        """The whole file."""

    def metadata(self, path: LakePath) -> pq.FileMetaData:
        """The footer of a Parquet file."""

    def opened(self, path: LakePath) -> Readable:
        """Input for `pq.ParquetFile` that reads only what is needed; use it as a context manager."""

    def dataset(
        self, paths: Sequence[LakePath], folder: LakePath, schema: pa.Schema, *, by_day: bool = False
    ) -> ds.Dataset:
        """A lazy dataset of an asset's files, in the order of `paths`; `by_day` adds the day as first column `date`."""

    def below(self, folder: LakePath) -> list[str]:
        """Relative paths of all files below a folder, unordered; none if it does not exist."""

    def each(self, look: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """`look` applied to each item, in order; concurrently where it waits for a network."""

    def snapshot(self) -> Storage:
        """The storage as it is now, for many reads: an object store then uses listings."""

    def forget_versions(self, before: datetime) -> int:
        """Delete versions that were replaced before an instant, where a format keeps them; returns how many files."""

    def probe(self) -> None:
        """Test all rights that a lake needs: write a file, read it back, list and remove it. Errors say what to do."""

    def hurry(self) -> None:
        """Stop waiting for a store that is away, since the run is to end; safe to call from a signal handler."""


def is_url(root: str | os.PathLike[str]) -> bool:
    """Whether a root names an object store instead of a directory."""
    return isinstance(root, str) and bool(_HAS_SCHEME.match(root))


def name_below(root: LakePath, path: LakePath) -> str | None:
    """A path below a root, with `/`; empty for the root itself, None for one elsewhere.

    The URL of a whole bucket ends with `/`, that of a folder in it does not.
    """
    name, start = path.as_posix(), f"{root.as_posix().rstrip('/')}/"
    if name.startswith(start):
        return name.removeprefix(start)
    return "" if f"{name}/" == start else None


class FolderStorage:
    """A directory: a file is written in a hidden directory, synced, and renamed into place."""

    is_local = True

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root: LakePath = Path(root).absolute()
        self._swept: set[Path] = set()

    def put(self, path: LakePath, write: Callable[[BinaryIO], object]) -> int:
        """Write a file, rename it into place durably, and remove leftovers of killed writers."""
        place = _local(path)
        try:
            self._remove_leftovers(place)
            try:
                size = self._write(place, _local(self.root) / UNFINISHED, write)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                # The asset's directory is on another file system: a rename works only within it.
                size = self._write(place, place.parent, write)
            _sync_folder(place.parent)
        except OSError as error:
            raise UnwritableLakeError(
                f"cannot write {path} ({error.strerror or error}); free space or fix the permissions of {self.root}, "
                "then run it again: nothing landed was touched"
            ) from error
        return size

    def _write(self, place: Path, folder: Path, write: Callable[[BinaryIO], object]) -> int:
        unfinished = folder / _unfinished_name(place)
        make_folder(folder)
        with _removed_on_failure(unfinished):
            # Contains customer names and plates: readable by owner and group only.
            with os.fdopen(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640), "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
                size = os.fstat(file.fileno()).st_size
            make_folder(place.parent)
            unfinished.replace(place)
        return size

    def _remove_leftovers(self, place: Path) -> None:
        """Remove unfinished files of dead writers; beside an asset's data it looks only once."""
        root = _local(self.root)
        folders = [root / UNFINISHED]
        asset = root / place.relative_to(root).parts[0]
        if asset not in self._swept:
            folders.append(asset)
            self._swept.add(asset)
        for folder in folders:
            with contextlib.suppress(OSError):  # a leftover that cannot be removed must not stop a day from landing
                for name in self.below(folder):
                    _remove_if_left(folder / name)

    def remove(self, path: LakePath) -> None:
        """Remove a file, and its directory if that is then empty."""
        place = _local(path)
        try:
            place.unlink(missing_ok=True)
        except OSError as error:
            raise UnwritableLakeError(
                f"cannot remove {path} ({error.strerror or error}); fix its permissions"
            ) from error
        with contextlib.suppress(OSError):
            place.parent.rmdir()

    def place(self, path: LakePath) -> LakePath:
        """The path itself."""
        return path

    def version(self, path: LakePath) -> str | None:
        """Modification time and size."""
        try:
            found = _local(path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return f"{found.st_mtime_ns}-{found.st_size}"

    def size(self, path: LakePath) -> int:
        """Bytes on disk."""
        return _local(path).stat().st_size

    def content(self, path: LakePath) -> bytes:
        """The whole file."""
        return _local(path).read_bytes()

    def metadata(self, path: LakePath) -> pq.FileMetaData:
        """Read from the file's end; cached per version of the file."""
        found = _local(path).stat()
        # Whatever replaces or changes the file changes one of these, also where somebody sets back its time.
        key = f"{path} {found.st_ino}-{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}"
        footer = LOCAL_FOOTERS.get(key)
        if footer is None:
            footer = pq.read_metadata(path)
            LOCAL_FOOTERS.keep(key, footer)
        return footer

    def opened(self, path: LakePath) -> Readable:
        """The path: Arrow opens it without memory mapping."""
        return pa.OSFile(str(path))

    def dataset(
        self, paths: Sequence[LakePath], folder: LakePath, schema: pa.Schema, *, by_day: bool = False
    ) -> ds.Dataset:
        """The files, opened by Arrow."""
        return dataset_of([str(path) for path in paths], str(folder), schema, by_day=by_day)

    def below(self, folder: LakePath) -> list[str]:
        """Every file at any depth, except what a file system itself puts at the root of a disk."""
        top, found = str(folder), []
        for above, folders, names in os.walk(top, onerror=_raise_unless_gone):
            folders[:] = [name for name in folders if name != "lost+found"]
            inside = above[len(top) :].strip(os.sep).replace(os.sep, "/")
            found += [f"{inside}/{name}" if inside else name for name in names]
        return found

    def each(self, look: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """One after the other: a disk answers at once."""
        return [look(item) for item in items]

    def snapshot(self) -> FolderStorage:
        """Itself: a directory is always current."""
        return self

    def forget_versions(self, before: datetime) -> int:  # noqa: ARG002 - nothing is kept
        """None is kept."""
        return 0

    def written_at(self, path: LakePath) -> float:
        """When a file was written, in seconds since 1970."""
        return _local(path).stat().st_mtime

    def probe(self) -> None:
        """Write, sync and rename a file, as for a landed day."""
        unfinished = _local(self.root) / UNFINISHED
        probe = unfinished / _unfinished_name(unfinished / "probe")
        try:
            self.put(probe, lambda file: file.write(b"sonnys doctor\n"))
        finally:
            with contextlib.suppress(NotADirectoryError):  # `put` has reported it
                probe.unlink(missing_ok=True)

    def hurry(self) -> None:
        """Nothing here waits."""


def dataset_of(
    files: Sequence[str], folder: str, schema: pa.Schema, *, by_day: bool, filesystem: pafs.FileSystem | None = None
) -> ds.Dataset:
    """Files of an asset's folder as Arrow's dataset; by day with a first column `date`."""
    day = pa.schema([(DAY, pa.date32())])
    return ds.dataset(
        files,
        schema=pa.unify_schemas([day, schema]) if by_day else schema,
        format="parquet",
        filesystem=filesystem,
        partitioning=ds.partitioning(day, flavor="hive") if by_day else None,
        partition_base_dir=folder,
    )


def make_folder(folder: Path) -> None:
    """Make a directory of the lake and its missing parents, durably, for owner and group only."""
    missing = list(takewhile(lambda one: not one.exists(), (folder, *folder.parents)))
    for one in reversed(missing):
        one.mkdir(mode=0o750, exist_ok=True)
        _sync_folder(one.parent)


def _remove_if_left(path: Path) -> None:
    written_by = _UNFINISHED_NAME.fullmatch(path.name)
    if written_by is None:
        return
    with contextlib.suppress(OSError):  # its writer may be finishing it now
        if is_dead_writer(written_by["writer"]) or time.time() - path.stat().st_mtime > _ABANDONED_AFTER:
            path.unlink()


def _unfinished_name(place: Path) -> str:
    return f".{place.name}.{file_writer()}.{uuid.uuid4().hex}.tmp"


def _raise_unless_gone(error: OSError) -> None:
    """A missing directory, or one removed during the listing, has no files."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _local(path: LakePath) -> Path:
    return path if isinstance(path, Path) else Path(str(path))


@contextlib.contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
