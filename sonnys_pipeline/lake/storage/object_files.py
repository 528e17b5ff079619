"""Open objects as Arrow reads them: only the footer and the parts that are needed."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs


class ObjectFile(io.RawIOBase):
    """An open object; a failed read is repeated."""

    def __init__(self, opened: Any, retried: Callable[[Callable[[], Any]], Any]) -> None:  # noqa: ANN401 - a driver's
        self._opened = opened
        self._retried = retried
        self._size = int(retried(lambda: opened.size))
        self._place = 0

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Position of the next byte."""
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Set the position; nothing is fetched."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        self._place = max(0, start + offset)
        return self._place

    def read(self, size: int | None = -1) -> bytes:
        """The next bytes, in one request."""
        start, left = self._place, max(0, self._size - self._place)
        wanted = left if size is None or size < 0 else min(size, left)

        def once() -> bytes:
            self._opened.seek(start)
            found: bytes = self._opened.read(wanted)
            return found

        found = self._retried(once) if wanted else b""
        self._place = start + len(found)
        return found

    def close(self) -> None:
        """Nothing to release."""
        self._opened.close()
        super().close()


class ObjectHandler(pafs.FSSpecHandler):  # type: ignore[misc] # pyarrow ships no complete type information
    """Gives Arrow our open files."""

    def __init__(self, driver: Any, open_one: Callable[[str], ObjectFile]) -> None:  # noqa: ANN401 - a driver's
        super().__init__(driver)
        self._open_one = open_one

    def open_input_file(self, path: str) -> pa.PythonFile:
        """A file for random access."""
        return pa.PythonFile(self._open_one(path), mode="r")


class ObjectDataset(ds.FileSystemDataset):  # type: ignore[misc] # as above
    """A dataset whose files Python reads, safe for DuckDB.

    pyarrow's `Scanner.to_reader` starts the scan and keeps Python's lock: it may wait for a thread of Arrow that waits
    for the lock to read a file, and the process hangs for ever. `to_batches` releases the lock.
    """

    @classmethod
    def of(cls, dataset: ds.FileSystemDataset) -> ObjectDataset:
        """The same files."""
        return cls(list(dataset.get_fragments()), dataset.schema, dataset.format, dataset.filesystem)

    def scanner(self, **options: Any) -> ds.Scanner:  # noqa: ANN401 - pyarrow's
        """As pyarrow's, with a safe `to_reader`."""
        return _Scanner(super().scanner(**options))


class _Scanner:
    def __init__(self, scanner: ds.Scanner) -> None:
        self._scanner = scanner

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever a scanner has
        return getattr(self._scanner, name)

    def to_reader(self) -> pa.RecordBatchReader:
        return pa.RecordBatchReader.from_batches(self._scanner.projected_schema, self._batches())

    def _batches(self) -> Iterator[pa.RecordBatch]:
        yield from self._scanner.to_batches()
