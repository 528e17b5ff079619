"""Which catalog a lake has, written down in the lake itself, and connections to it.

`.iceberg/lake.json` makes a folder a lake of Iceberg tables. It names the catalog without user and password, so that no
program takes a lake whose catalog is elsewhere for an empty one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from pyiceberg.catalog import Catalog, MetastoreCatalog, load_catalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NamespaceAlreadyExistsError, ValidationException
from sqlalchemy import URL, Engine, NullPool, create_engine, select
from sqlalchemy.exc import DBAPIError

from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError
from sonnys_pipeline.lake.iceberg import MARKER
from sonnys_pipeline.lake.iceberg.options import Iceberg
from sonnys_pipeline.lake.storage.folder import FolderStorage, make_folder
from sonnys_pipeline.runtime.postgres import is_postgres, open_engine

#: The lake's folder for its catalog, hidden from readers of the lake.
FOLDER = ".iceberg"
#: Name of the catalog: in SQL catalogs that of its rows, for REST that of pyiceberg's own settings.
CATALOG = "sonnys"
_IN_LAKE = "catalog.sqlite"
#: Property of a namespace: the root of the lake whose tables it has.
_LAKE = "sonnys.lake"
#: Seconds that a statement waits for another writer of the SQLite file.
_BUSY = 30.0
#: pyiceberg's setting for the class that accesses files.
_FILES = {"py-io-impl": "sonnys_pipeline.lake.iceberg.files.SyncedFileIO"}

#: Characters of an error that are shown: pyiceberg's may quote all of a table's metadata.
_LONGEST = 300

_opened_with: dict[str, Iceberg] = {}


@dataclass(frozen=True)
class Marker:
    """What `.iceberg/lake.json` says: the catalog, without secrets, and the tables' namespace in it."""

    catalog: str
    namespace: str


def options_of(root: Path, wanted: Iceberg | None) -> Iceberg:
    """The options to open a lake with; `wanted` must agree with the marker, if there is one.

    Without `wanted` the lake must have a marker. A catalog elsewhere is then known only if this process has opened the
    lake with its options.

    Raises:
        LakeError: the lake has another catalog, or one that is not known here.
    """
    marker = read_marker(root)
    if wanted is None:
        known = _opened_with.get(str(root))
        if marker is not None and (known is None or _marker_of(known) != marker):
            if marker.catalog != _IN_LAKE:
                raise LakeError(
                    f"the catalog of {root} is {marker.catalog}, and how to connect to it is not known here; open the "
                    "lake as `Workspace.of().lake` (`sonnys_pipeline.backfill.workspace`)"
                )
            known = Iceberg(namespace=marker.namespace)
        return known or Iceberg()
    if marker is not None and _marker_of(wanted) != marker:
        now = _marker_of(wanted)
        raise LakeError(
            f"the tables of {root} are in the catalog {marker.catalog}, namespace {marker.namespace}, and the settings "
            f"name {now.catalog}, namespace {now.namespace}; set SONNYS_ICEBERG_CATALOG (and the account) as before, "
            "or name another SONNYS_DATA_URL"
        )
    _opened_with[str(root)] = wanted
    return wanted


def read_marker(root: Path) -> Marker | None:
    """What a lake's marker says; None for a lake of plain Parquet or a new one. Raises LakeError if it is damaged."""
    path = root / MARKER
    try:
        return Marker(**json.loads(path.read_bytes()))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, OSError) as error:
        raise LakeError(f"{path} cannot be read ({error}); restore it from a backup") from error


def catalog_of(root: Path, options: Iceberg, *, create: bool) -> Catalog | None:
    """The catalog with the lake's namespace; None if the lake is new and is not to be created.

    Raises:
        LakeError: the catalog was lost, or the namespace has the tables of another lake.
        UnreachableLakeError: it does not answer.
    """
    marker = read_marker(root)
    if marker is None and not create:
        return None
    file = root / FOLDER / _IN_LAKE
    if marker is not None and not options.catalog and not file.exists():
        raise LakeError(f"{file}, the catalog of {root}, is gone; restore it from a backup: it says what is landed")
    with answering(root):
        if not options.catalog:
            make_folder(file.parent)
        catalog = _open(options.catalog or str(file), os.getpid())
        is_there = catalog.namespace_exists(options.namespace)
        if marker is not None and not is_there:
            raise LakeError(
                f"the catalog {marker.catalog} has no namespace {marker.namespace}, and {root} has its files; restore "
                "the catalog from a backup"
            )
        if marker is None:
            if not is_there:
                with _unless_just_made():
                    catalog.create_namespace(options.namespace, {_LAKE: str(root)})
            other = catalog.load_namespace_properties(options.namespace).get(_LAKE)
            if other != str(root):
                raise LakeError(
                    f"namespace {options.namespace} of {_marker_of(options).catalog} has the tables of "
                    f"{other or 'another program'}, not of {root}; name another SONNYS_ICEBERG_CATALOG"
                )
            content = json.dumps(asdict(_marker_of(options))).encode()
            FolderStorage(root).put(root / MARKER, lambda place: place.write(content))
        return catalog


def metadata_location(catalog: Catalog, namespace: str, table: str) -> str | None:
    """Where a table's metadata is now, in one query; None without a table, or if the catalog is not a SQL one."""
    if not isinstance(catalog, SqlCatalog):
        return None
    with catalog.engine.connect() as connection:
        return connection.scalar(
            select(IcebergTables.metadata_location).where(
                IcebergTables.catalog_name == catalog.name,
                IcebergTables.table_namespace == namespace,
                IcebergTables.table_name == table,
            )
        )


@contextmanager
def answering(root: Path) -> Iterator[None]:
    """Errors of a catalog as errors of the lake, except those of missing files and tables and of lost races."""
    try:
        yield
    except (LakeError, FileNotFoundError, CommitFailedException, ValidationException):
        raise
    except Exception as error:
        said = " ".join(str(error).split("\n")[0].split())[:_LONGEST] or type(error).__name__
        raise UnreachableLakeError(
            f"the Iceberg catalog of {root} cannot be used ({said}); check SONNYS_ICEBERG_CATALOG and that the catalog "
            "can be reached and written, then run it again: nothing landed was touched"
        ) from error


@contextmanager
def _unless_just_made() -> Iterator[None]:
    try:
        yield
    except NamespaceAlreadyExistsError:
        return  # another process was faster


def _marker_of(options: Iceberg) -> Marker:
    if not options.catalog:
        return Marker(_IN_LAKE, options.namespace)
    parts = urlsplit(options.catalog)
    scheme = "postgresql" if is_postgres(options.catalog) else parts.scheme
    return Marker(f"{scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}", options.namespace)


@lru_cache(maxsize=64)
def _open(where: str, process: int) -> Catalog:  # noqa: ARG001 - connections must not be shared with a forked process
    """A catalog by the path of its SQLite file, or by its URL."""
    if "://" not in where:
        url = URL.create("sqlite", database=where)
        return SqlTables(create_engine(url, poolclass=NullPool, connect_args={"timeout": _BUSY}))
    if is_postgres(where):
        return SqlTables(open_engine(where, variable="SONNYS_ICEBERG_CATALOG", application="iceberg"))
    return load_catalog(CATALOG, type="rest", uri=where, **_FILES)


class SqlTables(SqlCatalog):
    """pyiceberg's SQL catalog on an engine of ours, so that no password is in its properties."""

    def __init__(self, engine: Engine) -> None:
        MetastoreCatalog.__init__(self, CATALOG, **_FILES)
        self.engine = engine
        try:
            self._init_catalog()
        except DBAPIError:  # another process made its tables meanwhile
            self._init_catalog()
