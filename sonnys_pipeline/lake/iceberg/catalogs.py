"""Which catalog a lake has, written down in the lake itself, and connections to it.

`.iceberg/lake.json` makes a folder or bucket a lake of Iceberg tables. It names the catalog without user and password,
so that no program takes a lake whose catalog is elsewhere for an empty one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from pyiceberg.catalog import Catalog, MetastoreCatalog, load_catalog
from pyiceberg.catalog.sql import IcebergTables, SqlCatalog
from pyiceberg.exceptions import CommitFailedException, NamespaceAlreadyExistsError, ValidationException
from sqlalchemy import URL, Engine, NullPool, create_engine, select
from sqlalchemy.exc import DBAPIError

from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError
from sonnys_pipeline.lake.iceberg import MARKER
from sonnys_pipeline.lake.iceberg.files import Files, access
from sonnys_pipeline.lake.iceberg.options import OPENED, SQLITE, Iceberg
from sonnys_pipeline.lake.storage.folder import LakePath, make_folder
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
#: Name of a landed file in a lake of plain Parquet.
LANDED = re.compile(r"(?P<asset>[^./][^/]*)/(?:date=(?P<day>\d{4}-\d{2}-\d{2})/)?part-0\.parquet")
#: Characters of an error that are shown: pyiceberg's may quote all of a table's metadata.
_LONGEST = 300


@dataclass(frozen=True)
class Marker:
    """What `.iceberg/lake.json` says: the catalog, without secrets, and the tables' namespace in it."""

    catalog: str
    namespace: str


def options_of(files: Files, wanted: Iceberg | None) -> Iceberg:
    """The options to open a lake with; `wanted` must agree with the marker, which only a folder is asked for here.

    Without `wanted` the lake must have a marker. A catalog elsewhere is then known only if this process has opened the
    lake with its options.

    Raises:
        LakeError: the lake has another catalog, or one that is not known here; or an object store has none.
    """
    root = str(files.root).rstrip("/")
    if wanted is not None and not files.is_local and not wanted.catalog:
        raise LakeError(
            f"{root} cannot hold the catalog of its tables in a file, since it is an object store; set "
            "SONNYS_ICEBERG_CATALOG to the URL of a PostgreSQL database or REST catalog, or open the lake as "
            "`Workspace.of().lake` (`sonnys_pipeline.backfill.workspace`)"
        )
    marker = read_marker(files) if files.is_local else None
    if wanted is not None:
        _refuse_another(files, marker, wanted)
        OPENED[root] = wanted
        return wanted
    known = OPENED.get(root)
    if marker is not None and (known is None or _marker_of(known) != marker):
        if marker.catalog != _IN_LAKE:
            raise LakeError(
                f"the catalog of {root} is {marker.catalog}, and how to connect to it is not known here; open the "
                "lake as `Workspace.of().lake` (`sonnys_pipeline.backfill.workspace`)"
            )
        known = Iceberg(namespace=marker.namespace)
    return known or Iceberg()


def read_marker(files: Files) -> Marker | None:
    """What a lake's marker says; None for a lake of plain Parquet or a new one.

    Raises:
        LakeError: it is damaged.
        UnreachableLakeError: the store does not answer.
    """
    path = files.root / MARKER
    try:
        return Marker(**json.loads(files.content(path)))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, OSError) as error:
        raise LakeError(f"{path} cannot be read ({error}); restore it from a backup") from error


def catalog_of(files: Files, options: Iceberg, *, create: bool) -> Catalog | None:
    """The catalog with the lake's namespace; None if the lake is new and is not to be created.

    Raises:
        LakeError: the lake has another catalog or plain files, the catalog was lost, or the namespace has the tables of
            another lake.
        UnreachableLakeError: it does not answer.
    """
    root, marker = files.root, read_marker(files)
    _refuse_another(files, marker, options)
    if marker is None and not files.is_local:
        _refuse_plain(files)
    if marker is None and not create:
        return None
    file = _file_of(files, options)
    if marker is not None and file is not None and not file.exists():
        raise LakeError(
            f"{file}, the catalog of {root}, is gone; restore it from a backup: it says what is landed"
            + ("" if files.is_local else ". Another machine needs SONNYS_ICEBERG_CATALOG: docs/iceberg.md")
        )
    with answering(root):
        if file is not None:
            make_folder(file.parent)
        catalog = _open(str(file or options.catalog), files)
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
            files.put(root / MARKER, lambda place: place.write(content))
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
def answering(root: LakePath) -> Iterator[None]:
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


def _refuse_another(files: Files, marker: Marker | None, wanted: Iceberg) -> None:
    now = _marker_of(wanted)
    if marker is not None and now != marker:
        raise LakeError(
            f"the tables of {files.root} are in the catalog {marker.catalog}, namespace {marker.namespace}, and the "
            f"settings name {now.catalog}, namespace {now.namespace}; set SONNYS_ICEBERG_CATALOG (and the account) as "
            "before, or name another SONNYS_DATA_URL"
        )


def _refuse_plain(files: Files) -> None:
    if any(LANDED.fullmatch(name) for name in files.below(files.root)):
        raise LakeError(
            f"{files.root} is a lake of plain Parquet files; set SONNYS_LAKE_FORMAT=parquet, or name another "
            "SONNYS_DATA_URL and land the days there"
        )


def _marker_of(options: Iceberg) -> Marker:
    if not options.catalog:
        return Marker(_IN_LAKE, options.namespace)
    if options.catalog.startswith(SQLITE):  # its folder may be mounted elsewhere on another day
        return Marker(f"{SQLITE}{Path(options.catalog).name}", options.namespace)
    parts = urlsplit(options.catalog)
    scheme = "postgresql" if is_postgres(options.catalog) else parts.scheme
    return Marker(f"{scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}", options.namespace)


def _file_of(files: Files, options: Iceberg) -> Path | None:
    """The catalog's SQLite file; None for a catalog behind a server."""
    if not options.catalog:
        return Path(str(files.root)) / FOLDER / _IN_LAKE
    return Path(options.catalog.removeprefix(SQLITE)) if options.catalog.startswith(SQLITE) else None


def _open(where: str, files: Files) -> Catalog:
    """A catalog by the path of its SQLite file, or by its URL."""
    if "://" not in where:
        url = URL.create("sqlite", database=where)
        return SqlTables(create_engine(url, poolclass=NullPool, connect_args={"timeout": _BUSY}), files)
    if is_postgres(where):
        return SqlTables(open_engine(where, variable="SONNYS_ICEBERG_CATALOG", application="iceberg"), files)
    return load_catalog(CATALOG, type="rest", uri=where, **access(files))


class SqlTables(SqlCatalog):
    """pyiceberg's SQL catalog on an engine of ours, so that no password is in its properties."""

    def __init__(self, engine: Engine, files: Files) -> None:
        MetastoreCatalog.__init__(self, CATALOG, **access(files))
        self.engine = engine
        try:
            self._init_catalog()
        except DBAPIError:  # another process made its tables meanwhile
            self._init_catalog()
