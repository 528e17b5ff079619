"""A folder or bucket whose landed files are the data files of Iceberg tables.

Callers name a file by the path that it has in a lake of plain Parquet, `{asset}/date=YYYY-MM-DD/part-0.parquet`. Each
version of it is a file of its own below `{asset}/data`, which no writer touches again; the table's current snapshot
says which one is meant. All other files, such as pages and the journal, are files as in plain Parquet.
"""

from __future__ import annotations

import io
import logging
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeVar

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.iceberg.catalogs import LANDED
from sonnys_pipeline.lake.iceberg.expiry import DATA, METADATA, expire, is_due
from sonnys_pipeline.lake.iceberg.options import Iceberg
from sonnys_pipeline.lake.iceberg.tables import tables_of
from sonnys_pipeline.lake.locks.files import Locks
from sonnys_pipeline.lake.storage.folder import FolderStorage, LakePath, Readable, name_below
from sonnys_pipeline.lake.storage.footers import FOOTERS
from sonnys_pipeline.runtime.processes import file_writer

logger = logging.getLogger(__name__)
T = TypeVar("T")
R = TypeVar("R")

_FILE = "part-0.parquet"


class IcebergStorage:
    """The storage of a lake in a folder or an object store."""

    def __init__(self, root: str | Path, wanted: Iceberg | None, locks: Locks | None = None) -> None:
        """A folder's marker is read. `locks` are for the commits of tables in an object store.

        Raises LakeError if the lake has another catalog than `wanted`, or one unknown here.
        """
        self.tables = tables_of(root, wanted)
        self._files = self.tables.files
        self.root: LakePath = self._files.root
        self.is_local = self._files.is_local
        if wanted is not None and not isinstance(self._files, FolderStorage):
            self._files.calm()
            self.tables.locks = locks or self.tables.locks
        #: Present instant, aware UTC, by which versions expire.
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def put(self, path: LakePath, write: Callable[[BinaryIO], object]) -> int:
        """Write a file under a new name, then make it the current one by one commit.

        A file whose commit failed or was interrupted is removed with the expired ones, since it may be committed.
        """
        if (landed := self._landed(path)) is None:
            return self._files.put(path, write)
        asset, day = landed
        folder = self.root / asset / DATA
        place = (folder / f"date={day}" if day else folder) / f"{file_writer()}-{uuid.uuid4().hex}.parquet"
        held = io.BytesIO()
        write(held)
        size = self._files.put(place, lambda file: file.write(held.getbuffer()))
        self.tables.replace(asset, day, place, pq.read_metadata(held), size)
        self._expire(asset)
        return size

    def remove(self, path: LakePath) -> None:
        """Remove a file from its table; it is deleted when that version expires."""
        if (landed := self._landed(path)) is None:
            self._files.remove(path)
        else:
            self.tables.remove(*landed)

    def place(self, path: LakePath) -> LakePath:
        """The current version's own path; the given one if none is landed."""
        if (landed := self._landed(path)) is None:
            return path
        current = self.tables.current(landed[0])
        file = current.files.get(landed[1]) if current else None
        return path if file is None else self.tables.path_of(file)

    def version(self, path: LakePath) -> str | None:
        """The name of the current version's file, which no other has; of landed files the table alone is asked."""
        if self._landed(path) is None:
            return self._files.version(path)
        place = self.place(path)
        return place.stem if place != path else None

    def size(self, path: LakePath) -> int:
        """Bytes on disk."""
        return self._read(path, self._files.size)

    def content(self, path: LakePath) -> bytes:
        """The whole file."""
        return self._read(path, self._files.content)

    def metadata(self, path: LakePath) -> pq.FileMetaData:
        """Read from the file's end; from an object store once in a process, since a version is never changed."""
        return self._read(path, self._files.metadata if self.is_local else self._footer)

    def opened(self, path: LakePath) -> Readable:
        """As the files are opened without tables."""
        return self._read(path, self._files.opened)

    def dataset(
        self, paths: Sequence[LakePath], folder: LakePath, schema: pa.Schema, *, by_day: bool = False
    ) -> ds.Dataset:
        """The current files, read as those without tables are."""
        return self._files.dataset([self.place(path) for path in paths], folder, schema, by_day=by_day)

    def below(self, folder: LakePath) -> list[str]:
        """As in a lake of plain Parquet, and the files of earlier versions; without the metadata of tables."""
        inside = PurePosixPath(name_below(self.root, folder) or "").parts
        tables = self.tables.names()
        there, current = [], set()
        for asset in tables if not inside else [name for name in tables if name == inside[0]]:
            now = self.tables.current(asset)
            for day, file in now.files.items() if now else ():
                path = PurePosixPath(asset, f"date={day}", _FILE) if day else PurePosixPath(asset, _FILE)
                current.add(name_below(self.root, self.tables.path_of(file)))
                if path.parts[: len(inside)] == inside:
                    there.append(PurePosixPath(*path.parts[len(inside) :]).as_posix())
        for name in self._files.below(folder):
            parts = (*inside, *name.split("/"))
            is_metadata = parts[0] in tables and parts[1:2] == (METADATA,)
            if not is_metadata and "/".join(parts) not in current:
                there.append(name)
        return there

    def each(self, look: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """As the files do."""
        return self._files.each(look, items)

    def snapshot(self) -> IcebergStorage:
        """Itself: the catalog is asked each time."""
        return self

    def forget_versions(self, before: datetime) -> int:
        """Delete the versions that were replaced before an instant; returns the number of deleted files."""
        return sum(expire(self.tables, asset, before) for asset in self.tables.names())

    def probe(self) -> None:
        """As without tables; and ask the catalog, if the lake has one yet."""
        self._files.probe()
        self.tables.names()

    def hurry(self) -> None:
        """Stop waiting for an object store that is away."""
        self._files.hurry()

    def _expire(self, asset: str) -> None:
        """Expire by the policy, when there is enough to do. The file is landed already: trouble is only logged."""
        before = self.now() - timedelta(days=self.tables.keep_days)
        now = self.tables.current(asset)
        if now is not None and is_due(now.table, before):
            try:
                expire(self.tables, asset, before)
            except LakeError as error:
                logger.warning("earlier versions of %s stay until another file of it is landed: %s", asset, error)

    def _landed(self, path: LakePath) -> tuple[str, str | None] | None:
        """Asset and day of a landed file; None for any other path."""
        found = LANDED.fullmatch(name_below(self.root, path) or "")
        return (found["asset"], found["day"]) if found else None

    def _footer(self, place: LakePath) -> pq.FileMetaData:
        footer = FOOTERS.get(str(place))
        if footer is None:
            footer = self._files.metadata(place)
            FOOTERS.keep(str(place), footer)
        return footer

    def _read(self, path: LakePath, read: Callable[[LakePath], R]) -> R:
        """Read the current version; again if it was replaced and deleted just before."""
        place = self.place(path)
        try:
            return read(place)
        except FileNotFoundError:
            if (now := self.place(path)) == place:
                raise
            return read(now)
