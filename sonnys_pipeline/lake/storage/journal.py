"""Replace several files as one: a journal names staged copies until the files are in place (KT-02).

A commit stages new files below `.staged`, then writes the journal: from that moment on, readers take the staged files.
Then they are copied into place and the journal is emptied. The next holder of the write lock finishes a commit that was
interrupted. Readers compare the id of the last commit before and after reading several files (`Lake.consistently`).
"""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import BinaryIO, TypeVar

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.storage.folder import LakePath, Readable, Storage, name_below

T = TypeVar("T")
R = TypeVar("R")

#: Assets whose files may be replaced as one, under the lock of the first; for others no journal is read.
TOGETHER = ("transactions", "transactions_raw", "transaction_states", "transaction_states_raw", "transaction_changes")
#: Hidden from readers of the lake.
STAGED = ".staged"
_JOURNAL = "journal.json"


@dataclass(frozen=True)
class Journal:
    """The last commit.

    Attributes:
        commit: its id; empty before the first one.
        staged: files that are not in place yet: path → staged path, both below the root; null for a removed file.
    """

    commit: str = ""
    staged: Mapping[str, str | None] = field(default_factory=dict)


def read_journal(storage: Storage) -> Journal:
    """The last commit. Raises LakeError if the journal is damaged."""
    path = storage.root / STAGED / _JOURNAL
    try:
        return Journal(**json.loads(storage.content(path)))
    except (FileNotFoundError, NotADirectoryError):
        return Journal()
    except (ValueError, TypeError) as error:
        raise LakeError(
            f"{path} is damaged ({error}), so it is unknown whether files have to be put in place from {STAGED}; "
            "restore it, or delete it and read the last days again"
        ) from error


def current_place(storage: Storage, journal: Journal, path: LakePath) -> LakePath:
    """Where the current version of a file is. Raises FileNotFoundError if the last commit removed it."""
    name = _name(storage, path)
    if name not in journal.staged:
        return path
    staged = journal.staged[name]
    if staged is None:
        raise FileNotFoundError(f"{path} was removed")
    place = storage.root / staged
    return place if storage.version(place) is not None else path  # in place since the journal was read


def places(storage: Storage, journal: Journal, paths: Sequence[LakePath]) -> list[LakePath]:
    """Where libraries can open the current versions of files; a path itself if there is none."""
    found = []
    for path in paths:
        try:
            found.append(storage.place(current_place(storage, journal, path)))
        except FileNotFoundError:
            found.append(path)
    return found


def commit(storage: Storage, files: Mapping[LakePath, bytes | None]) -> None:
    """Replace files (None: remove) as one. Needs the write lock, and no commit before that is unfinished.

    Raises:
        UnwritableLakeError: before the journal is written, nothing has changed; after it, the next writer finishes.
    """
    leftovers = [storage.root / STAGED / name for name in storage.below(storage.root / STAGED) if name != _JOURNAL]
    for leftover in leftovers:
        storage.remove(leftover)
    this = uuid.uuid4().hex
    staged: dict[str, str | None] = {}
    for path, content in files.items():
        asset, *folders, last = (name := _name(storage, path)).split("/")
        # The day stays in the path, from which lazy readers take it.
        staged[name] = None if content is None else "/".join([STAGED, *folders, f"{this}-{asset}-{last}"])
        if content is not None:
            storage.put(storage.root / str(staged[name]), _writing(content))
    _write(storage, Journal(this, staged))
    finish(storage)


def finish(storage: Storage) -> None:
    """Put the files of an unfinished commit in place; repeating it is harmless. Needs the write lock."""
    journal = read_journal(storage)
    if not journal.staged:
        return
    for name, staged in journal.staged.items():
        if staged is None:
            storage.remove(storage.root / name)
        else:
            storage.put(storage.root / name, _writing(storage.content(storage.root / staged)))
    _write(storage, Journal(journal.commit))
    for staged in journal.staged.values():
        if staged is not None:
            storage.remove(storage.root / staged)


class Group:
    """A storage that keeps new files in memory until they are committed; it reads them as if they were written.

    Since its owner holds the write lock, it asks only once whether a file is there.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self.root = storage.root
        self.is_local = storage.is_local
        self.files: dict[LakePath, bytes | None] = {}
        self._versions: dict[LakePath, str | None] = {}
        #: Whether the files belong together; else each is put in place by itself, in order.
        self.as_one = False

    def commit(self) -> None:
        """Write what was put and removed."""
        if self.as_one:
            commit(self._storage, self.files)
            return
        for path, content in self.files.items():
            if content is None:
                self._storage.remove(path)
            else:
                self._storage.put(path, _writing(content))

    def put(self, path: LakePath, write: Callable[[BinaryIO], object]) -> int:
        """Keep a file; returns its size in bytes."""
        held = io.BytesIO()
        write(held)
        self.files[path] = held.getvalue()
        return len(held.getvalue())

    def remove(self, path: LakePath) -> None:
        """Keep that a file is to be removed."""
        self.files[path] = None

    def place(self, path: LakePath) -> LakePath:
        """Where the file was before."""
        return self._storage.place(path)

    def version(self, path: LakePath) -> str | None:
        """Of a kept file: its size."""
        if path not in self.files:
            if path not in self._versions:
                self._versions[path] = self._storage.version(path)
            return self._versions[path]
        kept = self.files[path]
        return None if kept is None else f"uncommitted-{len(kept)}"

    def size(self, path: LakePath) -> int:
        """Size in bytes."""
        return len(self.content(path)) if path in self.files else self._storage.size(path)

    def content(self, path: LakePath) -> bytes:
        """The whole file."""
        if path not in self.files:
            return self._storage.content(path)
        kept = self.files[path]
        if kept is None:
            raise FileNotFoundError(f"{path} was removed")
        return kept

    def metadata(self, path: LakePath) -> pq.FileMetaData:
        """The footer of a Parquet file."""
        if path in self.files:
            return pq.read_metadata(pa.BufferReader(self.content(path)))
        if self.version(path) is None:
            raise FileNotFoundError(f"{path} is not there")
        return self._storage.metadata(path)

    def opened(self, path: LakePath) -> Readable:
        """Input for `pq.ParquetFile`."""
        return pa.BufferReader(self.content(path)) if path in self.files else self._storage.opened(path)

    def dataset(
        self, paths: Sequence[LakePath], folder: LakePath, schema: pa.Schema, *, by_day: bool = False
    ) -> ds.Dataset:
        """Files as they were before."""
        return self._storage.dataset(paths, folder, schema, by_day=by_day)

    def below(self, folder: LakePath) -> list[str]:
        """Files as they were before."""
        return self._storage.below(folder)

    def each(self, look: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """As the storage does."""
        return self._storage.each(look, items)

    def snapshot(self) -> Storage:
        """Itself."""
        return self

    def forget_versions(self, before: datetime) -> int:
        """As the storage does."""
        return self._storage.forget_versions(before)

    def probe(self) -> None:
        """As the storage does."""
        self._storage.probe()

    def hurry(self) -> None:
        """As the storage does."""
        self._storage.hurry()


def _name(storage: Storage, path: LakePath) -> str:
    return name_below(storage.root, path) or path.as_posix()


def _write(storage: Storage, journal: Journal) -> None:
    storage.put(storage.root / STAGED / _JOURNAL, _writing(json.dumps(asdict(journal)).encode()))


def _writing(content: bytes) -> Callable[[BinaryIO], object]:
    return lambda file: file.write(content)
