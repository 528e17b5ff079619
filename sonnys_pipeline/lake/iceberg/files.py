"""pyiceberg's access to the files of table metadata, in a folder and in an object store.

In a folder they are synced to the disk before the catalog names them, readable by owner and group only. In an object
store they go through the lake's own storage, so that credentials, retries and errors are those of landed files.
"""

from __future__ import annotations

import io
import os
from collections import OrderedDict
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, TypeAlias

from pyiceberg.io import PY_IO_IMPL, FileIO, InputFile, OutputFile
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO
from pyiceberg.typedef import Properties

from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.storage.folder import FolderStorage, LakePath, make_folder
from sonnys_pipeline.lake.storage.objects import ObjectStorage

#: Property with the files of a lake.
_FILES = "sonnys.files"
#: Property with the metadata files that this process wrote last, and how many it keeps: a commit writes three.
_WRITTEN = "sonnys.written"
_MOST_WRITTEN = 32
#: What keeps the files of a lake of tables.
Files: TypeAlias = FolderStorage | ObjectStorage


def files_of(root: str | Path) -> Files:
    """The files below a folder or URL. Raises LakeError as `ObjectStorage`."""
    return FolderStorage(root) if isinstance(root, Path) else ObjectStorage(root, has_tables=True)


def path_of(files: Files, location: str) -> LakePath:
    """The path of a file that a catalog names by path or URL. Raises LakeError for one outside the store's lake."""
    if files.is_local:
        return Path(location.removeprefix("file://"))
    start = f"{str(files.root).rstrip('/')}/"
    if not location.startswith(start):
        raise LakeError(
            f"the catalog names {location}, which is outside {files.root}; name the lake by SONNYS_DATA_URL as before"
        )
    return files.root / location.removeprefix(start)


def access(files: Files) -> dict[str, Any]:
    """A catalog's properties, by which pyiceberg reads and writes files; they are kept in no table."""
    if isinstance(files, FolderStorage):
        return {PY_IO_IMPL: f"{__name__}.{SyncedFileIO.__name__}"}
    return {PY_IO_IMPL: f"{__name__}.{StoredFileIO.__name__}", _FILES: files, _WRITTEN: Written()}


class SyncedFileIO(PyArrowFileIO):
    """Files of a folder, read by Arrow."""

    def new_output(self, location: str) -> PyArrowFile:
        """A file to be written."""
        scheme, host, path = self.parse_location(location)
        return _SyncedFile(location=location, path=path, fs=self.fs_by_scheme(scheme, host))


class _SyncedFile(PyArrowFile):
    def create(self, overwrite: bool = False) -> _Stream:
        place = Path(self._path)
        make_folder(place.parent)
        flags = os.O_CREAT | os.O_WRONLY | (os.O_TRUNC if overwrite else os.O_EXCL)
        return _Stream(os.open(place, flags, 0o640), "wb")


class _Stream(io.FileIO):
    """An open file; closing it waits until the disk has it."""

    def close(self) -> None:
        if not self.closed:
            os.fsync(self.fileno())
        super().close()


class Written:
    """Content of the objects written last: reading them after a commit sends no request.

    No object ever changes, since names are unique.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, location: str) -> bytes | None:
        """The content of an object, if it is kept."""
        with self._lock:
            return self._kept.get(location)

    def keep(self, location: str, content: bytes) -> None:
        """Keep an object; the oldest one is dropped."""
        with self._lock:
            self._kept[location] = content
            while len(self._kept) > _MOST_WRITTEN:
                self._kept.popitem(last=False)

    def drop(self, location: str) -> None:
        """An object is deleted."""
        with self._lock:
            self._kept.pop(location, None)


class StoredFileIO(FileIO):
    """Objects, each written by one upload and read by one request: metadata files are small."""

    def __init__(self, properties: Properties) -> None:
        super().__init__(properties)
        self._files: Files = properties[_FILES]
        self._written: Written = properties[_WRITTEN]

    def new_input(self, location: str) -> StoredFile:
        """An object to be read."""
        return StoredFile(self._files, location, self._written)

    def new_output(self, location: str) -> StoredFile:
        """An object to be written."""
        return StoredFile(self._files, location, self._written)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Delete an object, if it exists."""
        name = location if isinstance(location, str) else location.location
        self._written.drop(name)
        self._files.remove(path_of(self._files, name))


class StoredFile(InputFile, OutputFile):
    """An object."""

    def __init__(self, files: Files, location: str, written: Written) -> None:
        super().__init__(location)
        self._files = files
        self._written = written
        self._path = path_of(files, location)
        self._size: int | None = None

    def __len__(self) -> int:
        """Size in bytes; of an object that was just written, without a request."""
        return self._files.size(self._path) if self._size is None else self._size

    def exists(self) -> bool:
        """Whether it is there."""
        return self._files.version(self._path) is not None

    def open(self, seekable: bool = True) -> io.BytesIO:  # noqa: ARG002 - pyiceberg's
        """The whole content."""
        kept = self._written.get(self.location)
        return io.BytesIO(self._files.content(self._path) if kept is None else kept)

    def to_input_file(self) -> StoredFile:
        """Itself."""
        return self

    def create(self, overwrite: bool = False) -> io.BytesIO:  # noqa: ARG002 - names are unique: nothing is replaced
        """A buffer that is uploaded when it is closed."""
        return _Upload(self)

    def save(self, content: bytes) -> None:
        """Upload the whole object. Raises UnwritableLakeError."""
        self._files.put(self._path, lambda file: file.write(content))
        self._size = len(content)
        self._written.keep(self.location, content)


class _Upload(io.BytesIO):
    def __init__(self, file: StoredFile) -> None:
        super().__init__()
        self._file = file

    def close(self) -> None:
        if not self.closed:
            content = self.getvalue()
            super().close()
            self._file.save(content)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """After an error nothing is uploaded."""
        if kind is None:
            self.close()
        else:
            super().close()
