"""Where files lie, how they get there, how they are read (DESIGN, decisions 5 and 6).

Layout: `{root}/{asset}/date=YYYY-MM-DD/part-0.parquet` for partitioned assets, `{root}/{asset}/part-0.parquet` for
others. A file is written beside its place and renamed into it: readers see the old day or the new one, never a part.

Belongs here: paths, atomic writing, reading whole files, a file's own facts. Does not belong here: reading parts of
them in other forms (`reading.py`), and what the rows mean.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock

from sonnys_pipeline.lake.errors import LakeError, NotLandedError, RowsWouldVanishError, UnwritableLakeError
from sonnys_pipeline.lake.writers import file_writer, is_dead_writer

_FILE = "part-0.parquet"
_PARTITION = "date="
#: Column that holds the partition's day in what is read.
_DAY = "date"
_FACTS_PREFIX = "sonnys."
_UNFINISHED = ".tmp"
_DAY_NAME = re.compile(r"\d{4}-\d{2}-\d{2}")
#: Seconds after which an unfinished file of another machine counts as left behind; writing one takes less than one.
_ABANDONED_AFTER = 3600.0
#: Folder of locks, hidden from whatever reads the lake; a lock is held for the time that a file takes.
_LOCKS = ".locks"
_LOCK_TIMEOUT = 120.0
#: Rows that are skipped or read together. Files are sorted by site, so one of 20 is read 2.4 times as fast as from
#: a single group of 16,000 rows, for 7 % more bytes.
_ROW_GROUP = 8192


@dataclass(frozen=True)
class LandedFile:
    """One file in its place.

    Attributes:
        path: where.
        rows: how many rows it holds.
        size: bytes on disk.
    """

    path: Path
    rows: int
    size: int


class Lake:
    """A folder of Parquet datasets, one an asset."""

    def __init__(self, root: str | Path) -> None:
        """Point at a root; nothing is read or made yet."""
        self.root = Path(root).absolute()

    def path(self, asset: str, partition: str | None = None) -> Path:
        """Where the file of an asset (and day) lies, landed or not."""
        folder = self.root / asset
        return (folder / f"{_PARTITION}{partition}" if partition else folder) / _FILE

    def land(
        self,
        asset: str,
        table: pa.Table,
        *,
        partition: str | None = None,
        facts: Mapping[str, str] | None = None,
        may_empty: bool = True,
    ) -> LandedFile:
        """Put a table in its place, in one rename; repeating it changes nothing but the file's age.

        Args:
            asset: whose file.
            table: all rows of the file; an empty table is landed too, with its columns. A column `date` of the
                partition's day is left out, since whoever reads the file gets it from the path.
            partition: the day, `YYYY-MM-DD`; `None` for assets without partitions.
            facts: kept in the file's own metadata.
            may_empty: whether no rows may take the place of landed rows.

        Raises:
            RowsWouldVanishError: when they may not, and would.
            LakeError: when a partition has a column `date` with other days than its own.
            UnwritableLakeError: when the disk does not take it; what was there before is still there.
        """
        path = self.path(asset, partition)
        if not may_empty and table.num_rows == 0 and path.exists() and (landed := self.rows(asset, partition)):
            raise RowsWouldVanishError(
                f"{asset} {partition or ''}: {landed} rows are landed and the new read has none; they stay. "
                f"If the day is really empty now, delete {path} and run it again."
            )
        if partition is not None and _DAY in table.column_names:
            table = _without_day(asset, table, partition)
        prefixed = {f"{_FACTS_PREFIX}{name}": value for name, value in (facts or {}).items()}
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **prefixed})
        self._put(path, lambda file: pq.write_table(table, file, compression="zstd", row_group_size=_ROW_GROUP))
        return LandedFile(path, table.num_rows, path.stat().st_size)

    def land_page(self, asset: str, name: str, text: str, *, partition: str) -> Path:
        """Put a page that people read in its place, in one rename, as UTF-8: `{root}/{asset}/date={partition}/{name}`.

        Raises:
            UnwritableLakeError: when the disk does not take it; what was there before is still there.
        """
        path = self.path(asset, partition).with_name(name)
        self._put(path, lambda file: file.write(text.encode()))
        return path

    def _put(self, path: Path, write: Callable[[BinaryIO], object]) -> None:
        """Write a file beside its place and rename it into it, durably."""
        beside = path.with_name(f".{path.name}.{file_writer()}.{uuid.uuid4().hex}{_UNFINISHED}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            with _removed_on_failure(beside):
                # Customer names and plates are inside: readable by owner and group, not by everybody.
                with os.fdopen(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640), "wb") as file:
                    write(file)
                    file.flush()
                    os.fsync(file.fileno())
                beside.replace(path)
            _sync_folder(path.parent)
        except OSError as error:
            raise UnwritableLakeError(
                f"cannot write {path} ({error.strerror or error}); free space or mend the rights of {self.root}, "
                "then run it again: nothing landed was touched"
            ) from error

    @contextlib.contextmanager
    def writing(self, asset: str) -> Iterator[None]:
        """Keep other writers of an asset out while inside, so that a file can be read and replaced in one step.

        Raises:
            UnwritableLakeError: when the lock cannot be had.
        """
        path = self.root / _LOCKS / f"{asset}.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            lock = FileLock(path, mode=0o640, timeout=_LOCK_TIMEOUT)
            lock.acquire(poll_interval=0.01)
        except OSError as error:  # filelock's Timeout is one, too
            raise UnwritableLakeError(
                f"cannot lock {path} ({error.strerror or error}); mend the rights of {self.root}, or end the program "
                "that holds the lock, then run it again: nothing landed was touched"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def remove_leftovers(self, asset: str, partition: str) -> list[Path]:
        """Remove unfinished files of writers that are gone (killed in mid-write); readers never see them anyway.

        Returns:
            What was removed.
        """
        removed = []
        for path in self.path(asset, partition).parent.glob(f".{_FILE}.*{_UNFINISHED}"):
            ours_and_dead = is_dead_writer(path.name.removeprefix(f".{_FILE}.").split(".")[0])
            with contextlib.suppress(FileNotFoundError):  # its writer may finish it at this moment
                if ours_and_dead or time.time() - path.stat().st_mtime > _ABANDONED_AFTER:
                    path.unlink()
                    removed.append(path)
        return removed

    def read(
        self, asset: str, partitions: Sequence[str] | None = None, columns: Sequence[str] | None = None
    ) -> pa.Table:  # fmt: skip
        """Rows of an asset; for partitioned ones with the day as a first column `date`.

        Args:
            asset: which.
            partitions: which days, in the order of the result; `None` for an asset without partitions.
            columns: which columns, `date` aside; left out, all.

        Raises:
            NotLandedError: when a file is not there; it names the days.
            LakeError: when a file is there but is not readable Parquet, or has not all of the columns.
        """
        wanted = None if columns is None else list(columns)
        if partitions is None:
            return self._read_file(asset, None, wanted)
        missing = [key for key in partitions if not self.path(asset, key).exists()]
        if missing:
            raise NotLandedError(
                f"{asset}: not landed: {', '.join(missing)}; materialize {'it' if len(missing) == 1 else 'them'} first"
            )
        tables = []
        for key in partitions:
            table = self._read_file(asset, key, wanted)
            days = pa.repeat(pa.scalar(date.fromisoformat(key), pa.date32()), table.num_rows)
            tables.append(table.add_column(0, _DAY, days).replace_schema_metadata(None))
        return pa.concat_tables(tables)

    def rows(self, asset: str, partition: str | None = None) -> int:
        """How many rows a landed file holds, from its footer alone."""
        return int(self._metadata(asset, partition).num_rows)

    def facts(self, asset: str, partition: str | None = None) -> dict[str, str]:
        """What was written into a landed file about itself."""
        pairs = self._metadata(asset, partition).metadata or {}
        decoded = {key.decode(): value.decode() for key, value in pairs.items() if key != b"ARROW:schema"}
        return {
            name.removeprefix(_FACTS_PREFIX): value for name, value in decoded.items() if name.startswith(_FACTS_PREFIX)
        }

    def partitions(self, asset: str) -> list[str]:
        """Days that are landed, in order; folders that only look like one (`date=backup`) are none."""
        names = (
            path.parent.name.removeprefix(_PARTITION) for path in (self.root / asset).glob(f"{_PARTITION}*/{_FILE}")
        )
        return sorted(name for name in names if _DAY_NAME.fullmatch(name))

    def _metadata(self, asset: str, partition: str | None) -> pq.FileMetaData:
        with self._readable(asset, partition) as path:
            return pq.read_metadata(path)

    def _read_file(self, asset: str, partition: str | None, columns: list[str] | None) -> pa.Table:
        # ParquetFile, not read_table: the latter would read `date=` out of the path as a dictionary column.
        with self._readable(asset, partition) as path, pq.ParquetFile(path) as file:
            there = file.schema_arrow.names
            unknown = sorted(set(columns or ()) - set(there))
            if unknown:  # ParquetFile would leave them out without a word
                raise LakeError(f"{path} has no column {', '.join(unknown)}; it has {', '.join(there)}")
            return file.read(columns)

    @contextlib.contextmanager
    def _readable(self, asset: str, partition: str | None) -> Iterator[Path]:
        path = self.path(asset, partition)
        try:
            yield path
        except FileNotFoundError as error:
            raise NotLandedError(f"{asset} {partition or ''}: not landed ({path}); materialize it first") from error
        except (pa.ArrowException, OSError) as error:
            raise LakeError(
                f"{path} cannot be read as Parquet ({error}); restore it or materialize it again"
            ) from error


def _without_day(asset: str, table: pa.Table, partition: str) -> pa.Table:
    days = pc.unique(table[_DAY]).to_pylist()
    if days not in ([], [date.fromisoformat(partition)]):
        raise LakeError(
            f"{asset} {partition}: its column {_DAY} has other days than the partition's; rename the column, or land "
            "the rows of each day in its own partition"
        )
    return table.drop_columns(_DAY)


@contextlib.contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
