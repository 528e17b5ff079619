"""Files of table metadata: synced to the disk before the catalog names them, readable by owner and group only."""

from __future__ import annotations

import io
import os
from pathlib import Path

from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

from sonnys_pipeline.lake.storage.folder import make_folder


class SyncedFileIO(PyArrowFileIO):
    """pyiceberg's access to files, which reads as Arrow does."""

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
