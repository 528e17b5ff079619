"""What the lake asks of the place where its files lie, and the folder as the place that it is by default.

A storage knows whole files by their paths: it puts one in its place in one step, tells one state of it from another,
reads parts of it. An object store answers the same questions in `objects.py`.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from upath import UPath

from sonnys_pipeline.lake.errors import UnwritableLakeError
from sonnys_pipeline.runtime.processes import file_writer, is_dead_writer

#: Where a file lies: in a folder, or as an object of a store. `str` of it is what people are told.
LakePath: TypeAlias = Path | UPath
#: What a reader of Parquet takes a file's rows from.
Readable: TypeAlias = Any

T = TypeVar("T")
R = TypeVar("R")

#: Column that holds the partition's day in what is read.
DAY = "date"
#: Folder at the root of files that are not in their place yet: what lies below an asset's folder is whole (RB-04).
UNFINISHED = ".unfinished"
#: Their names: of the place, of the writer, and a number; earlier versions had such files beside the data.
_UNFINISHED_NAME = re.compile(r"\..+\.(?P<writer>\w+-\d+)\.[0-9a-f]{32}\.tmp")
#: Seconds after which an unfinished file of another machine counts as left behind; writing one takes less than one.
_ABANDONED_AFTER = 3600.0
_HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


class Storage(Protocol):
    """Files in one place, each whole or not there.

    Attributes:
        root: under it all of them lie.
    """

    root: LakePath

    @property
    def is_local(self) -> bool:
        """Whether the paths are files of this machine, which any library opens by itself."""

    def put(self, path: LakePath, write: Callable[[BinaryIO], object]) -> int:
        """Put a file in its place in one step, in the place of what was there; its size in bytes.

        Raises:
            UnwritableLakeError: when it cannot be written; what was there before is still there.
        """

    def remove(self, path: LakePath) -> None:
        """Remove a file; one that is not there is fine.

        Raises:
            UnwritableLakeError: when it cannot be removed.
        """

    def version(self, path: LakePath) -> str | None:
        """Tells one state of a file from another without reading it; `None` where there is none.

        Raises:
            OSError: when it cannot be looked at.
            UnreachableLakeError: when the store stays away, here as in all that follow.
        """

    def size(self, path: LakePath) -> int:
        """Bytes of a file.

        Raises:
            FileNotFoundError: when it is not there.
        """

    def content(self, path: LakePath) -> bytes:
        """All bytes of a file.

        Raises:
            FileNotFoundError: when it is not there.
            OSError: when it cannot be read.
        """

    def metadata(self, path: LakePath) -> pq.FileMetaData:
        """The footer of a Parquet file.

        Raises:
            FileNotFoundError: when it is not there.
            OSError, pa.ArrowException: when it cannot be read.
        """

    def opened(self, path: LakePath) -> Readable:
        """What `pq.ParquetFile` takes, so that only what is needed is read; use it as a context manager.

        Raises:
            FileNotFoundError: when it is not there.
        """

    def dataset(
        self, paths: Sequence[LakePath], folder: LakePath, schema: pa.Schema, *, by_day: bool = False
    ) -> ds.Dataset:
        """Parquet files of an asset's folder as one dataset of this schema, read when its rows are asked for.

        Args:
            paths: of the files, in the order of the rows.
            folder: the asset's; only below it is a path looked at for the day.
            schema: of the rows.
            by_day: whether they get a first column `date`, the partition's day.

        Raises:
            OSError, pa.ArrowException: when a file cannot be read.
        """

    def below(self, folder: LakePath) -> list[str]:
        """Paths of all files below a folder, relative to it, in no order; none where there is no folder.

        Raises:
            OSError: when a folder cannot be listed.
        """

    def each(self, look: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """What `look` says of each, in order; some at once where looking means waiting."""

    def snapshot(self) -> Storage:
        """The same place as it is now, for a look at many files: an object store is then asked for lists."""

    def probe(self) -> None:
        """Try everything that a lake needs of the place: put a file, read it back, list and remove it.

        Raises:
            UnwritableLakeError: when one of these fails; the message says which, why, and what to do.
        """

    def hurry(self) -> None:
        """Wait no longer for a store that is away, since the run is to end; safe to call from a signal handler."""


def is_url(root: str | os.PathLike[str]) -> bool:
    """Whether a root names an object store, not a folder."""
    return isinstance(root, str) and bool(_HAS_SCHEME.match(root))


class FolderStorage:
    """A folder: a file is written in a hidden folder of its own, synced, and renamed into its place."""

    is_local = True

    def __init__(self, root: str | os.PathLike[str]) -> None:
        """Point at a folder; nothing is made yet."""
        self.root: LakePath = Path(root).absolute()
        self._swept: set[Path] = set()

    def put(self, path: LakePath, write: Callable[[BinaryIO], object]) -> int:
        """Write a file elsewhere and rename it into its place, durably; what killed writers have left goes."""
        place = _local(path)
        try:
            self._remove_leftovers(place)
            try:
                size = self._write(place, _local(self.root) / UNFINISHED, write)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                # The asset's folder is a mount or a link to another file system: only beside its place can it be
                # renamed from.
                size = self._write(place, place.parent, write)
            _sync_folder(place.parent)
        except OSError as error:
            raise UnwritableLakeError(
                f"cannot write {path} ({error.strerror or error}); free space or fix the permissions of {self.root}, "
                "then run it again: nothing landed was touched"
            ) from error
        return size

    def _write(self, place: Path, folder: Path, write: Callable[[BinaryIO], object]) -> int:
        """Write in this folder, and rename from there."""
        unfinished = folder / _unfinished_name(place)
        make_folder(folder)
        with _removed_on_failure(unfinished):
            # Customer names and plates are inside: readable by owner and group, not by everybody.
            with os.fdopen(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640), "wb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
                size = os.fstat(file.fileno()).st_size
            make_folder(place.parent)
            unfinished.replace(place)
        return size

    def _remove_leftovers(self, place: Path) -> None:
        """Remove unfinished files whose writers are gone; beside an asset's data they are looked for once."""
        root = _local(self.root)
        folders = [root / UNFINISHED]
        asset = root / place.relative_to(root).parts[0]
        if asset not in self._swept:
            folders.append(asset)
            self._swept.add(asset)
        for folder in folders:
            with contextlib.suppress(OSError):  # what cannot be tidied keeps no day from landing
                for name in self.below(folder):
                    _remove_if_left(folder / name)

    def remove(self, path: LakePath) -> None:
        """Remove a file, and its folder unless something else lies there."""
        place = _local(path)
        try:
            place.unlink(missing_ok=True)
        except OSError as error:
            raise UnwritableLakeError(
                f"cannot remove {path} ({error.strerror or error}); fix its permissions"
            ) from error
        with contextlib.suppress(OSError):
            place.parent.rmdir()

    def version(self, path: LakePath) -> str | None:
        """Time of the last change, and size."""
        try:
            found = _local(path).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return f"{found.st_mtime_ns}-{found.st_size}"

    def size(self, path: LakePath) -> int:
        """Bytes on disk."""
        return _local(path).stat().st_size

    def content(self, path: LakePath) -> bytes:
        """All of it."""
        return _local(path).read_bytes()

    def metadata(self, path: LakePath) -> pq.FileMetaData:
        """From the file's end."""
        return pq.read_metadata(path)

    def opened(self, path: LakePath) -> Readable:
        """Arrow opens files by itself, and maps none into memory."""
        return pa.OSFile(str(path))

    def dataset(
        self, paths: Sequence[LakePath], folder: LakePath, schema: pa.Schema, *, by_day: bool = False
    ) -> ds.Dataset:
        """Files that Arrow opens by itself."""
        return dataset_of([str(path) for path in paths], str(folder), schema, by_day=by_day)

    def below(self, folder: LakePath) -> list[str]:
        """Every file, however deep; but what the file system itself has found, where the lake is a disk of its own."""
        top, found = str(folder), []
        for above, folders, names in os.walk(top, onerror=_raise_unless_gone):
            folders[:] = [name for name in folders if name != "lost+found"]
            found += [Path(above, name).relative_to(top).as_posix() for name in names]
        return found

    def each(self, look: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """One after the other: a disk answers at once."""
        return [look(item) for item in items]

    def snapshot(self) -> FolderStorage:
        """A folder is always as it is now."""
        return self

    def probe(self) -> None:
        """Written, synced and renamed, as a landed day is."""
        unfinished = _local(self.root) / UNFINISHED
        probe = unfinished / _unfinished_name(unfinished / "probe")
        try:
            self.put(probe, lambda file: file.write(b"sonnys doctor\n"))
        finally:
            with contextlib.suppress(NotADirectoryError):  # nothing of it can lie below a file; `put` has said so
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
    """Make a folder of the lake, and those above it that are missing, durably; all for owner and group alone.

    Raises:
        OSError: when one cannot be made.
    """
    missing = list(takewhile(lambda one: not one.exists(), (folder, *folder.parents)))
    for one in reversed(missing):
        one.mkdir(mode=0o750, exist_ok=True)
        _sync_folder(one.parent)


def _remove_if_left(path: Path) -> None:
    """Remove a file if it is an unfinished one whose writer is gone."""
    written_by = _UNFINISHED_NAME.fullmatch(path.name)
    if written_by is None:
        return
    with contextlib.suppress(OSError):  # its writer may finish it at this moment
        if is_dead_writer(written_by["writer"]) or time.time() - path.stat().st_mtime > _ABANDONED_AFTER:
            path.unlink()


def _unfinished_name(place: Path) -> str:
    return f".{place.name}.{file_writer()}.{uuid.uuid4().hex}.tmp"


def _raise_unless_gone(error: OSError) -> None:
    """A folder that is not there, or was removed while the others were listed, has no files."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError):
        raise error


def _local(path: LakePath) -> Path:
    """A path of this machine."""
    return path if isinstance(path, Path) else Path(str(path))


@contextlib.contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Make names in a folder durable: a rename, or a folder that was made there."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
