"""Read and write the lake's files (decisions 5 and 6), whatever format keeps them.

Layout: `{root}/{asset}/date=YYYY-MM-DD/part-0.parquet` for partitioned assets, `{root}/{asset}/part-0.parquet` for
others; the root is a folder or a URL in an object store. Readers see the old file or the new one, never a part.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from sonnys_pipeline.lake.columns import Columns, as_one, filled_columns, without_day
from sonnys_pipeline.lake.errors import LakeError, NotLandedError, RowsWouldVanishError, UnwritableLakeError
from sonnys_pipeline.lake.locks.files import LOCKS, FileLocks, Locks
from sonnys_pipeline.lake.storage.folder import DAY, LakePath
from sonnys_pipeline.lake.storage.journal import TOGETHER, Group, Journal, current_place, finish, places, read_journal
from sonnys_pipeline.lake.storage.opening import open_storage

if TYPE_CHECKING:
    from sonnys_pipeline.lake.iceberg.options import LakeFormat

R = TypeVar("R")

_FILE = "part-0.parquet"
_PARTITION = "date="
_METADATA_PREFIX = "sonnys."
_DAY_NAME = re.compile(r"\d{4}-\d{2}-\d{2}")
#: Rows skipped or read together. Files are sorted by site, so reading one of 20 sites is 2.4 times as fast as with a
#: single group of 16,000 rows, for 7 % more bytes.
_ROW_GROUP = 8192
#: Rows from which columns have dictionaries. In a file of 40 transactions these take a third of the time of writing and
#: of reading, and 6 % more bytes; from about 300 on they save bytes.
_DICTIONARIES_FROM = 300
#: Reads of several files, each disturbed by a commit, after which a reader gives up.
_READS = 20


@dataclass(frozen=True)
class LandedFile:
    """A written file; `size` in bytes."""

    path: LakePath
    rows: int
    size: int


class Lake:
    """Parquet datasets below one root (a folder, or the URL of an object store), one for each asset."""

    def __init__(
        self, root: str | os.PathLike[str], *, locks: Locks | None = None, lake_format: LakeFormat | None = None
    ) -> None:
        """Nothing is created yet.

        Args:
            root: a folder, or a URL such as `s3://bucket/prefix`.
            lake_format: the format that the lake must have, or that a new one gets; default its own, else Parquet.
            locks: write locks of assets. Default: lock files below a folder; none in an object store, where `writing`
                is then refused.

        Raises:
            LakeError: the kind of store is unknown, its driver is not installed, or the lake has another format.
        """
        self.storage = open_storage(root, lake_format, locks)
        self.root = self.storage.root
        self._locks = locks or (FileLocks(str(self.root / LOCKS)) if self.storage.is_local else None)
        self._group: Group | None = None
        self._is_snapshot = False
        self._snapshot_journal: Journal | None = None

    def path(self, asset: str, partition: str | None = None) -> LakePath:
        """Path of the file of an asset (and day), landed or not."""
        folder = self.root / asset
        return (folder / f"{_PARTITION}{partition}" if partition else folder) / _FILE

    def has(self, asset: str, partition: str | None = None) -> bool:
        """Whether a file is landed. Raises UnreachableLakeError if the store does not answer."""
        return self.version(asset, partition) is not None

    def version(self, asset: str, partition: str | None = None) -> str | None:
        """Version of a landed file, without reading it; None if not landed. Raises LakeError if it is unreadable."""
        try:
            with self._readable(asset, partition) as path:
                return self.storage.version(path)
        except NotLandedError:  # removed by a commit that is being finished
            return None

    def size(self, asset: str, partition: str | None = None) -> int:
        """Size of a landed file in bytes. Raises NotLandedError if it does not exist."""
        with self._readable(asset, partition) as path:
            return self.storage.size(path)

    def snapshot(self) -> Lake:
        """This lake as it is now, to examine many files: an object store is asked for lists, not for each file."""
        snapshot = copy(self)
        snapshot.storage = self.storage.snapshot()
        snapshot._is_snapshot = not self.storage.is_local  # noqa: SLF001 - a copy of our own
        return snapshot

    def hurry(self) -> None:
        """Stop waiting for an unreachable store or lock server; safe to call from a signal handler."""
        self.storage.hurry()
        if self._locks is not None:
            self._locks.hurry()

    def land(
        self,
        asset: str,
        table: pa.Table,
        *,
        partition: str | None = None,
        metadata: Mapping[str, str] | None = None,
        may_empty: bool = True,
    ) -> LandedFile:
        """Write a table atomically; repeating it is harmless.

        Args:
            asset: its name.
            table: all rows of the file; an empty table is landed, too. A column `date` with the partition's day is left
                out, since readers get it from the path.
            partition: the day, `YYYY-MM-DD`; `None` for assets without partitions.
            metadata: stored in the file's metadata.
            may_empty: whether an empty table may replace landed rows.

        Raises:
            RowsWouldVanishError: an empty table would replace landed rows.
            LakeError: the column `date` has days other than the partition's.
            UnwritableLakeError: the file cannot be written; the old one stays.
        """
        path = self.path(asset, partition)
        if not may_empty:
            self.refuse_vanishing(asset, table, partition)
        if partition is not None and DAY in table.column_names:
            table = without_day(table, partition, f"{asset} {partition}")
        prefixed = {f"{_METADATA_PREFIX}{name}": value for name, value in (metadata or {}).items()}
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **prefixed})
        write = partial(
            pq.write_table,
            table,
            compression="zstd",
            row_group_size=_ROW_GROUP,
            use_dictionary=table.num_rows >= _DICTIONARIES_FROM,
            write_page_checksum=True,
        )
        size = self.storage.put(path, write)
        return LandedFile(path, table.num_rows, size)

    def land_page(self, asset: str, name: str, text: str, *, partition: str | None) -> LakePath:
        """Write a page atomically, as UTF-8, beside a day's file or an asset's only one. Raises UnwritableLakeError."""
        path = self.path(asset, partition).with_name(name)
        self.storage.put(path, lambda file: file.write(text.encode()))
        return path

    def page(self, asset: str, name: str, *, partition: str) -> bytes | None:
        """Content of a page; None if there is none or it cannot be read. Raises UnreachableLakeError."""
        try:
            return self.storage.content(self.path(asset, partition).with_name(name))
        except OSError:
            return None

    def refuse_vanishing(self, asset: str, table: pa.Table, partition: str | None = None) -> None:
        """The check of `land(may_empty=False)`, to be made before. Raises RowsWouldVanishError."""
        path = self.path(asset, partition)
        if table.num_rows == 0 and self.has(asset, partition) and (landed := self.rows(asset, partition)):
            raise RowsWouldVanishError(
                f"{asset} {partition or ''}: {landed} rows are landed and the new read has none; they stay. "
                f"If the day is really empty now, delete {path} and run it again."
            )

    def remove(self, asset: str, partition: str) -> None:
        """Remove a day's file if it exists, and its folder if that is then empty. Raises UnwritableLakeError."""
        self.storage.remove(self.path(asset, partition))

    @contextlib.contextmanager
    def writing(self, asset: str) -> Iterator[None]:
        """Hold the write lock of an asset, to read and replace a file without other writers.

        Raises:
            UnwritableLakeError: the lock cannot be acquired, or there are no locks.
        """
        if self._locks is None:
            raise UnwritableLakeError(
                f"{self.root} was opened without locks, which an object store needs: open it as "
                "`Workspace.of().lake` (`sonnys_pipeline.backfill.workspace`), or pass `Lake(..., locks=...)`"
            )
        with self._locks.holding(asset):
            if asset == TOGETHER[0]:
                finish(self.storage)
            yield

    @contextlib.contextmanager
    def together(self) -> Iterator[Lake]:
        """Hold the write lock of `transactions`; what is landed in the yielded lake is written at the end.

        Readers then see all of it or nothing if `belong_together` was called, else one file after the other. After an
        exception nothing is written. Inside another `together` it joins that one.

        Raises:
            UnwritableLakeError: the lock cannot be acquired, or a file cannot be written.
        """
        if self._group is not None:
            yield self
            return
        with self.writing(TOGETHER[0]):
            staged = copy(self)
            staged.storage = staged._group = Group(self.storage)  # noqa: SLF001 - a copy of our own
            yield staged
            staged._group.commit()  # noqa: SLF001

    def belong_together(self) -> None:
        """Inside `together`: let readers see all of its files or nothing."""
        assert self._group is not None  # noqa: S101 - for callers inside `together`
        self._group.as_one = True

    def consistently(self, read: Callable[[], R]) -> R:
        """The result of reading several files, of which none was replaced as one with another meanwhile.

        `read` is repeated if files were committed together while it ran. Raises LakeError if that never ends.
        """
        for _ in range(_READS):
            before = self._journal()
            try:
                result = read()
            except Exception:
                if self._refreshed_journal() == before:
                    raise
            else:
                if self._refreshed_journal().commit == before.commit:
                    return result
        raise LakeError(f"files of {self.root} were replaced during each of {_READS} reads; try again later")

    def files(self, asset: str, partitions: Sequence[str], *, by_day: bool = False) -> Sequence[LakePath] | ds.Dataset:
        """Landed rows for the marts: paths of local files if their columns are alike, else a dataset of the files.

        Args:
            asset: a partitioned one.
            partitions: landed days, in the order of the rows.
            by_day: whether a dataset gets a first column `date` (paths contain it).

        Raises:
            NotLandedError: one of several days is not landed.
            LakeError: a file cannot be read, or files have incompatible types.
        """
        paths = self.current_paths(asset, partitions)
        if not paths or (self.storage.is_local and len(paths) == 1):
            return paths
        columns = self.columns(asset, partitions)
        if self.storage.is_local and columns.alike:
            return paths
        with self._readable(asset, partitions[0]):
            return self.storage.dataset(paths, self.root / asset, columns.schema, by_day=by_day)

    def current_paths(self, asset: str, partitions: Sequence[str | None]) -> list[LakePath]:
        """Paths of files to read now; those of a commit that is being finished are staged elsewhere for a moment."""
        return places(self.storage, self._journal(asset), [self.path(asset, key) for key in partitions])

    def read(
        self, asset: str, partitions: Sequence[str] | None = None, columns: Sequence[str] | None = None
    ) -> pa.Table:  # fmt: skip
        """Rows of an asset; partitioned ones get the day as a first column `date`.

        Columns are matched by name (`columns.py`): a day whose file lacks one has nulls in it.

        Args:
            asset: its name.
            partitions: days, in the order of the result; `None` for an asset without partitions.
            columns: names, without `date`. Default: all.

        Raises:
            NotLandedError: names the days that are not landed.
            LakeError: a file is not readable Parquet, no file has one of the columns, or files have incompatible types.
        """
        wanted = None if columns is None else list(columns)
        if partitions is None or len(partitions) == 1:  # a file has one version, and says if it is not there
            try:
                return self._read(asset, partitions, wanted)
            except LakeError as error:  # unless a commit was in between, it fails again below
                if isinstance(error, UnwritableLakeError):
                    raise
        return self.consistently(lambda: self._read(asset, partitions, wanted))

    def _read(self, asset: str, partitions: Sequence[str] | None, wanted: list[str] | None) -> pa.Table:
        keys: Sequence[str | None] = [None] if partitions is None else partitions
        if partitions is not None and len(keys) > 1 and (missing := self.missing(asset, partitions)):
            raise NotLandedError.of(asset, missing)
        read = self.storage.each(lambda key: self._read_file(asset, key, wanted), keys)
        there = sorted({name for _, names in read for name in names})
        if unknown := sorted(set(wanted or ()) - set(there)):  # ParquetFile leaves them out silently
            raise LakeError(f"{self.root / asset} has no column {', '.join(unknown)}; it has {', '.join(there)}")
        if partitions is None:
            return read[0][0]
        tables = []
        for key, (table, _) in zip(partitions, read, strict=True):
            days = pa.repeat(pa.scalar(date.fromisoformat(key), pa.date32()), table.num_rows)
            tables.append(table.add_column(0, DAY, days).replace_schema_metadata(None))
        rows = as_one(tables, [self.path(asset, key) for key in partitions])
        return rows if wanted is None else rows.select([DAY, *wanted])

    def missing(self, asset: str, partitions: Sequence[str]) -> list[str]:
        """The days that are not landed, in order."""
        there = self.storage.each(lambda key: self.has(asset, key), partitions)
        return [key for key, found in zip(partitions, there, strict=True) if not found]

    def rows(self, asset: str, partition: str | None = None) -> int:
        """Number of rows of a landed file, from its footer."""
        return int(self._metadata(asset, partition).num_rows)

    def metadata(self, asset: str, partition: str | None = None) -> dict[str, str]:
        """The metadata given to `land`."""
        pairs = self._metadata(asset, partition).metadata or {}
        decoded = {key.decode(): value.decode() for key, value in pairs.items() if key != b"ARROW:schema"}
        ours = {name: value for name, value in decoded.items() if name.startswith(_METADATA_PREFIX)}
        return {name.removeprefix(_METADATA_PREFIX): value for name, value in ours.items()}

    def filled(self, asset: str, partition: str | None = None) -> frozenset[str]:
        """Columns with a value in any row, from a file's footer; parts of lists are named like `items.sku`."""
        return filled_columns(self._metadata(asset, partition))

    def columns(self, asset: str, partitions: Sequence[str | None]) -> Columns:
        """The columns of landed files, from their footers.

        Raises:
            NotLandedError: a file is not landed.
            LakeError: a file is not readable Parquet, or files have incompatible types.
        """
        footers = self.storage.each(lambda key: self._metadata(asset, key), partitions)
        paths = [self.path(asset, key) for key in partitions]
        return Columns.of(paths, [footer.schema.to_arrow_schema() for footer in footers])

    def partitions(self, asset: str) -> list[str]:
        """Landed days, in order; other folders, such as `date=backup`, are ignored."""
        with self._readable(asset, None, Journal()):
            below = [path.split("/") for path in self.storage.below(self.root / asset)]
        names = {
            path[0].removeprefix(_PARTITION) for path in below if path[0].startswith(_PARTITION) and path[1:] == [_FILE]
        }
        for path, staged in self._journal(asset).staged.items():
            if path.startswith(f"{asset}/{_PARTITION}"):
                name = path.removeprefix(f"{asset}/{_PARTITION}").removesuffix(f"/{_FILE}")
                names = names - {name} if staged is None else names | {name}
        return sorted(name for name in names if _DAY_NAME.fullmatch(name))

    def _metadata(self, asset: str, partition: str | None) -> pq.FileMetaData:
        with self._readable(asset, partition) as path:
            return self.storage.metadata(path)

    def _read_file(
        self, asset: str, partition: str | None, columns: list[str] | None
    ) -> tuple[pa.Table, Sequence[str]]:
        """Rows of a file, with those of the columns that it has; and the names of all its columns."""
        # Not read_table: it would read `date=` in the path as a dictionary column.
        with (
            self._readable(asset, partition) as path,
            self.storage.opened(path) as source,
            pq.ParquetFile(source, pre_buffer=True) as file,
        ):
            there = file.schema_arrow.names
            return file.read(None if columns is None else [name for name in columns if name in there]), there

    @contextlib.contextmanager
    def _readable(self, asset: str, partition: str | None, journal: Journal | None = None) -> Iterator[LakePath]:
        path = self.path(asset, partition)
        try:
            yield current_place(self.storage, journal or self._journal(asset), path)
        except FileNotFoundError as error:
            raise NotLandedError.of(asset, [partition or str(path)]) from error
        except (pa.ArrowException, OSError) as error:
            raise LakeError(
                f"{path} cannot be read as Parquet ({error}); restore it or materialize it again"
            ) from error

    def _journal(self, asset: str = TOGETHER[0]) -> Journal:
        """The last commit; nothing for assets that are not part of one, and inside `together`, which has finished it.

        A snapshot of an object store asks once.
        """
        if asset not in TOGETHER or self._group is not None:
            return Journal()
        if not self._is_snapshot:
            return read_journal(self.storage)
        if self._snapshot_journal is None:
            self._snapshot_journal = read_journal(self.storage)
        return self._snapshot_journal

    def _refreshed_journal(self) -> Journal:
        """The last commit as it is now; an older snapshot is made anew."""
        if self._is_snapshot and (now := read_journal(self.storage)) != self._snapshot_journal:
            self._snapshot_journal, self.storage = now, self.storage.snapshot()
        return self._journal()
