"""Commits to the tables of a lake, and which file of a day is the current one.

A table has one file for each day, or one file if it has no days. The file lacks the column `date`: readers take it from
the partition, as Iceberg's specification says of columns with an identity transform.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from copy import copy
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from threading import Lock
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    NoSuchTableError,
    TableAlreadyExistsError,
    ValidationError,
    ValidationException,
)
from pyiceberg.io.pyarrow import UnsupportedPyArrowTypeException, _pyarrow_to_schema_without_ids
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema, assign_fresh_schema_ids
from pyiceberg.table import Table
from pyiceberg.transforms import IdentityTransform
from pyiceberg.typedef import Record

from sonnys_pipeline.lake.errors import LakeError, UnwritableLakeError
from sonnys_pipeline.lake.iceberg.catalogs import answering, catalog_of, metadata_location, options_of
from sonnys_pipeline.lake.iceberg.files import Files, files_of, path_of
from sonnys_pipeline.lake.iceberg.options import Iceberg
from sonnys_pipeline.lake.locks.files import LOCKS, FileLocks, Locks
from sonnys_pipeline.lake.storage.folder import DAY, LakePath

#: Snapshot property with the day whose file was replaced.
PARTITION = "sonnys.partition"
_EPOCH = date(1970, 1, 1)
_FIRST_PARTITION_FIELD = 1000
#: Attempts to commit, each lost to another writer of the table, or to read metadata that is being replaced.
TRIES = 20
_PROPERTIES = {
    # A commit is tried again here, where it is planned anew: a day must never get two files.
    "commit.retry.num-retries": "0",
    "commit.manifest-merge.enabled": "true",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
}


@dataclass(frozen=True)
class Current:
    """A table as it is now, its file of each day (None: of a table without days), and the files of each manifest."""

    table: Table
    files: Mapping[str | None, DataFile]
    manifests: Mapping[str, tuple[DataFile, ...]]

    def to_change(self) -> Table:
        """The table for one commit, which changes the object."""
        return copy(self.table)


class Tables:
    """The tables of one lake."""

    def __init__(self, files: Files, options: Iceberg) -> None:
        """Nothing is read yet."""
        self.files = files
        self.root = files.root
        self.keep_days = options.keep_days
        self._options = options
        self._known: dict[str, Current] = {}
        self._fitting: dict[str, tuple[int, pa.Schema]] = {}
        self._opened: Catalog | None = None
        self._lock = Lock()
        #: Locks of tables; without them, writers to an object store plan commits anew that they lose to each other.
        self.locks: Locks | None = FileLocks(str(self.root / LOCKS)) if files.is_local else None

    def names(self) -> list[str]:
        """Assets that have a table, landed or not."""
        catalog = self._catalog()
        if catalog is None:
            return []
        with answering(self.root):
            return [name for _, name in catalog.list_tables(self._options.namespace)]

    def current(self, asset: str) -> Current | None:
        """A table now; None if there is none. Raises LakeError."""
        catalog = self._catalog()
        return None if catalog is None else self._current(catalog, asset)

    def path_of(self, file: DataFile) -> LakePath:
        """Where a file of a table is."""
        return path_of(self.files, file.file_path)

    def replace(self, asset: str, day: str | None, place: LakePath, footer: pq.FileMetaData, size: int) -> None:
        """Make a written file the day's current one, in one commit.

        Raises:
            UnwritableLakeError: the catalog does not answer, or others write the table all the time.
            LakeError: the file's types are none of Iceberg's, or do not fit the table's.
        """
        catalog = self._catalog(create=True)
        assert catalog is not None  # noqa: S101 - it is created
        schema = _typed(footer.schema.to_arrow_schema(), f"{asset} {day or ''}".strip())

        def change() -> None:
            now = self._current(catalog, asset) or self._created(catalog, asset, schema, has_days=day is not None)
            if (day is not None) != bool(now.table.spec().fields):
                raise LakeError(f"{asset}: the table was made {'without' if day else 'with'} days; use another name")
            old = now.files.get(day)
            if old is not None and self.path_of(old) == place:
                return  # an attempt succeeded whose answer was lost
            with now.to_change().transaction() as commit:
                if self._fitting.get(asset) != (now.table.schema().schema_id, schema):
                    with _fitting(asset, day), commit.update_schema() as columns:
                        columns.union_by_name(schema)
                snapshot = commit.update_snapshot({PARTITION: day or ""})
                with snapshot.merge_append() if old is None else snapshot.overwrite() as files:
                    if old is not None:
                        files.delete_data_file(old)
                    files.append_data_file(_data_file(place, day, footer.num_rows, size, now.table))
            if (then := self._current(catalog, asset)) is not None:
                self._fitting[asset] = (then.table.schema().schema_id, schema)

        self._commit(asset, change)

    def remove(self, asset: str, day: str | None) -> None:
        """Remove a day's file from the table, if it has one. Raises UnwritableLakeError."""

        def change() -> None:
            now = self.current(asset)
            if now is None or day not in now.files:
                return
            with (
                now.to_change().transaction() as commit,
                commit.update_snapshot({PARTITION: day or ""}).overwrite() as files,
            ):
                files.delete_data_file(now.files[day])

        if (now := self.current(asset)) is not None and day in now.files:
            self._commit(asset, change)

    def writing(self, asset: str) -> AbstractContextManager[None]:
        """Hold the table's lock, if there are locks: writers wait instead of losing commits to each other."""
        return self.locks.holding(f"{asset}.table") if self.locks else nullcontext()

    def _catalog(self, *, create: bool = False) -> Catalog | None:
        """The catalog, looked for once; None as long as the lake is new and not to be created."""
        if self._opened is None:
            self._opened = catalog_of(self.files, self._options, create=create)
        return self._opened

    def _current(self, catalog: Catalog, asset: str) -> Current | None:
        for attempt in range(TRIES):
            with answering(self.root):
                where = metadata_location(catalog, self._options.namespace, asset)
                known = self._known.get(asset)
                if known is not None and where == known.table.metadata_location:
                    return known
                try:
                    table = catalog.load_table((self._options.namespace, asset))
                    if known is None or known.table.metadata_location != table.metadata_location:
                        known = _read(table, known)
                except NoSuchTableError:
                    return None
                except FileNotFoundError as gone:  # replaced and deleted since the catalog was asked
                    if attempt == TRIES - 1:
                        raise LakeError(
                            f"{asset}: metadata of the table is missing ({gone}); restore {self.root / asset} from a "
                            "backup"
                        ) from gone
                    continue
            with self._lock:
                self._known[asset] = known
            return known
        raise AssertionError  # the last attempt returns or raises

    def _created(self, catalog: Catalog, asset: str, schema: pa.Schema, *, has_days: bool) -> Current:
        day = [pa.field(DAY, pa.date32())] if has_days else []
        columns = assign_fresh_schema_ids(_pyarrow_to_schema_without_ids(pa.schema([*day, *schema])))
        spec = _by_day(columns) if has_days else PartitionSpec()
        with answering(self.root):
            try:
                table = catalog.create_table(
                    (self._options.namespace, asset),
                    columns,
                    location=str(self.root / asset),
                    partition_spec=spec,
                    properties={
                        **_PROPERTIES,
                        "schema.name-mapping.default": columns.name_mapping.model_dump_json(),
                    },
                )
            except TableAlreadyExistsError:
                table = catalog.load_table((self._options.namespace, asset))
        return _read(table, None)

    def _commit(self, asset: str, change: Callable[[], None]) -> None:
        """Plan and commit a change; again if another machine has committed meanwhile."""
        with self.writing(asset):
            for _ in range(TRIES):
                with suppress(CommitFailedException, ValidationException, FileNotFoundError), answering(self.root):
                    change()
                    return
        raise UnwritableLakeError(
            f"{asset}: other programs changed the table during each of {TRIES} attempts; stop them, then run it again: "
            "nothing landed was touched"
        )


def tables_of(root: str | Path, wanted: Iceberg | None) -> Tables:
    """The tables of a lake; what was read of them is kept for all that use it in this process.

    Raises LakeError if the lake has another catalog than `wanted`, or one unknown here.
    """
    return _tables(root, options_of(files_of(root), wanted), os.getpid())


@lru_cache(maxsize=64)
def _tables(root: str | Path, options: Iceberg, process: int) -> Tables:  # noqa: ARG001 - a fork needs new connections
    return Tables(files_of(root), options)


def day_of(file: DataFile) -> str | None:
    """The day of a file; None in a table without days."""
    if not len(file.partition):
        return None
    value: Any = file.partition[0]
    return (value if isinstance(value, date) else _EPOCH + timedelta(days=value)).isoformat()


def _read(table: Table, before: Current | None) -> Current:
    """A table's current files; manifests never change, so those that were read before are not read again."""
    known = before.manifests if before else {}
    snapshot = table.current_snapshot()
    manifests = {
        one.manifest_path: known.get(one.manifest_path)
        or tuple(entry.data_file for entry in one.fetch_manifest_entry(table.io, discard_deleted=True))
        for one in (snapshot.manifests(table.io) if snapshot else ())
    }
    return Current(table, {day_of(file): file for files in manifests.values() for file in files}, manifests)


def _data_file(place: LakePath, day: str | None, rows: int, size: int, table: Table) -> DataFile:
    """A file without statistics of its columns: their bounds would hold names and plates."""
    days = () if day is None else ((date.fromisoformat(day) - _EPOCH).days,)
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=str(place),
        file_format=FileFormat.PARQUET,
        partition=Record(*days),
        record_count=rows,
        file_size_in_bytes=size,
        spec_id=table.spec().spec_id,
    )


def _by_day(columns: Schema) -> PartitionSpec:
    return PartitionSpec(
        PartitionField(columns.find_field(DAY).field_id, _FIRST_PARTITION_FIELD, IdentityTransform(), DAY)
    )


def _typed(schema: pa.Schema, where: str) -> pa.Schema:
    """The columns as a table has them: each may be null, and those without a type are left out.

    Raises LakeError for a type that Iceberg does not have.
    """
    fields = [pa.field(one.name, _nullable(one.type)) for one in schema if not pa.types.is_null(one.type)]
    try:
        _pyarrow_to_schema_without_ids(pa.schema(fields))
    except (UnsupportedPyArrowTypeException, TypeError) as error:
        raise LakeError(f"{where}: Iceberg has no such type ({error}); land the column with another type") from error
    return pa.schema(fields)


@contextmanager
def _fitting(asset: str, day: str | None) -> Iterator[None]:
    try:
        yield
    except (ValueError, ValidationError) as error:  # pyiceberg's for types that cannot be widened
        raise LakeError(
            f"{asset} {day or ''}: the columns do not fit those of the table ({error}); land the day with the table's "
            "types"
        ) from error


def _nullable(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(one.name, _nullable(one.type)) for one in kind])
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.list_(_nullable(kind.value_type))
    return kind
