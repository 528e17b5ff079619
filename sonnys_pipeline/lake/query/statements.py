"""Run single SQL statements on views of landed files, without any way to write, and copy tables (EC-02).

DuckDB gets the files as Arrow datasets, which this process opens. So its own access to files, the network and
extensions is switched off, for folders and object stores alike, and the configuration is locked.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import date
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TypeVar

import duckdb
import pyarrow as pa

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.query.comments import OF_A_DAY, PRESENT, Meanings, comment_on, comment_on_columns
from sonnys_pipeline.lake.scans import landed_assets
from sonnys_pipeline.lake.storage.folder import DAY

R = TypeVar("R")

#: Oldest version of DuckDB that opens a saved database: drivers of BI tools are behind the newest one.
OPENED_BY = "v1.0.0"
_CLOSED: dict[str, Any] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "temp_directory": "",  # large sorts must not spill into files
}
_READING = frozenset({duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN})


class QueryError(LakeError):
    """A SQL statement is refused or fails; the message has DuckDB's reason and hint, in one line."""


class Queries:
    """Statements on the landed tables of one lake, or of several, each in a schema."""

    def __init__(self, lakes: Mapping[str, Lake], meanings: Callable[[], Meanings] = dict) -> None:
        """Nothing is read yet. `lakes` by schema; a lake under the empty name has its tables without a schema.

        `meanings` become comments in a saved database, and where a statement asks for comments.
        """
        self._lakes = lakes
        self._meanings = cache(meanings)

    def refuse_inside(self, file: Path) -> None:
        """Refuse to write a file among landed ones. Raises QueryError."""
        for lake in self._lakes.values():
            if lake.storage.is_local and file.resolve().is_relative_to(Path(str(lake.root)).resolve()):
                raise QueryError(f"{file} is in {lake.root}, where only landed files belong; name a file elsewhere")

    def tables(self) -> dict[str, list[str]]:
        """Names of the landed tables by schema, sorted. Raises UnreachableLakeError."""
        return {schema: landed_assets(lake) for schema, lake in self._lakes.items()}

    def run(self, statement: str) -> pa.Table:
        """The result of one statement; each file is read as it is landed now, no row of a moved day twice.

        Raises:
            QueryError: it is not a query, or DuckDB refuses it.
            LakeError: a landed file cannot be read.
        """
        if any(one.type not in _READING for one in _parsed(statement)):
            raise QueryError(
                "only queries are run (SELECT, FROM, WITH, SHOW, DESCRIBE, SUMMARIZE, EXPLAIN); "
                "to keep a result, use --out FILE"
            )
        return self._consistently(lambda: self._run(statement))

    def save(self, path: Path, chosen: Collection[str] = ()) -> dict[str, int]:
        """Write tables as a DuckDB database file for its owner only, atomically; rows by table.

        Tables, not views: the file can be opened elsewhere, without the lake, its credentials or an extension, and has
        no row of a moved day twice.

        Args:
            path: replaced if it exists.
            chosen: names such as `site_day_kpis` or `north.sites`; none for all but the archives (`…_raw`).

        Raises:
            QueryError: a table is not landed, or DuckDB cannot write the file.
            OSError: the directory cannot be written.
            LakeError: a landed file cannot be read.
        """
        found = {
            f"{schema}.{name}" if schema else name: (schema, name)
            for schema, names in self.tables().items()
            for name in names
        }
        wanted = list(chosen) or [name for name in found if not name.endswith("_raw")]
        if unknown := [name for name in wanted if name not in found]:
            raise QueryError(f"{', '.join(unknown)}: not landed; landed are {', '.join(found) or 'no tables'}")
        if not wanted:
            raise QueryError("no table is landed; land a day first")
        with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as private:
            places = [found[name] for name in dict.fromkeys(wanted)]
            number = iter(range(1_000_000))
            file, rows = self._consistently(lambda: self._save(Path(private, f"{next(number)}.duckdb"), places))
            file.chmod(0o600)
            file.replace(path)
        return dict(zip(dict.fromkeys(wanted), rows, strict=True))

    def rows_of(self, table: str, first: date | None = None, last: date | None = None) -> pa.Table:
        """A table, or those of its rows whose day is between two, both included; by `business_date`, else `date`.

        Raises:
            QueryError: the table is not landed, or has no days though some are asked for.
            LakeError: a landed file cannot be read.
        """
        found = {
            f"{schema}.{name}" if schema else name: _place(schema, name)
            for schema, names in self.tables().items()
            for name in names
        }
        if table not in found:
            raise QueryError(f"{table}: not landed; landed are {', '.join(found) or 'no tables'}")
        if first is None and last is None:
            return self.run(f"FROM {found[table]}")
        columns = self.run(f"DESCRIBE FROM {found[table]}")["column_name"].to_pylist()
        day = next((name for name in ("business_date", DAY) if name in columns), None)
        if day is None:
            raise QueryError(f"{table} has no days; leave out --from and --to")
        begin, end = first or date.min, last or date.max
        return self.run(f"FROM {found[table]} WHERE {day} BETWEEN DATE '{begin}' AND DATE '{end}'")

    def _save(self, file: Path, places: Sequence[tuple[str, str]]) -> tuple[Path, list[int]]:
        mentioned = " ".join(name.lower() for _, name in places)
        rows = []
        with duckdb.connect(config={**_CLOSED, "enable_external_access": True}) as connection:
            try:
                connection.execute("SET TimeZone = 'UTC'")
                place = str(file).replace("'", "''")
                connection.execute(f"ATTACH '{place}' AS saved (STORAGE_VERSION '{OPENED_BY}')")
                for schema, lake in self._lakes.items():
                    self._create_views(connection, schema, lake, mentioned)
                for schema, name in places:
                    source = _place(schema, name)
                    target = f"saved.{source}" if schema else f"saved.main.{source}"
                    if schema:
                        connection.execute(f"CREATE SCHEMA IF NOT EXISTS saved.{_quoted(schema)}")
                    connection.execute(f"CREATE TABLE {target} AS FROM {source}")
                    rows.append(connection.table(target).count("*").fetchall()[0][0])
                connection.execute("USE saved")
                for schema, name in places:
                    # In full: the views of the landed files are called alike, and would be found first.
                    within = f"saved.{_quoted(schema or 'main')}"
                    self._explain(connection, "TABLE", within, name)
                    if _is_history(connection, f"{within}.{_quoted(name)}"):
                        _add_history(connection, schema, name)
                        self._explain_history(connection, within, name)
                connection.execute("USE memory")
                connection.execute("DETACH saved")
            except (duckdb.Error, pa.ArrowException) as error:
                raise QueryError(_one_line(error)) from error
        return file, rows

    def _consistently(self, read: Callable[[], R]) -> R:
        """Repeat a read if files of any of the lakes were committed together meanwhile."""
        for lake in self._lakes.values():
            read = partial(lake.consistently, read)
        return read()

    def _run(self, statement: str) -> pa.Table:
        with duckdb.connect(config=_CLOSED) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET python_enable_replacements = false")
            connection.execute("SET lock_configuration = true")
            for schema, lake in self._lakes.items():
                self._create_views(connection, schema, lake, statement.lower())
            try:
                return _interruptible(connection, statement)
            except duckdb.CatalogException as error:
                raise QueryError(f"{_one_line(error)} SHOW TABLES lists what is landed") from error
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                raise QueryError(_one_line(error)) from error

    def _create_views(self, connection: duckdb.DuckDBPyConnection, schema: str, lake: Lake, text: str) -> None:
        """A view of each table that the statement mentions, or of all: reading a table's footers takes time."""
        names = landed_assets(lake)
        if schema:
            connection.execute(f"CREATE SCHEMA {_quoted(schema)}")
        for name in [one for one in names if one.lower() in text] or names:
            days = lake.partitions(name)
            keys: list[str | None] = [*days] or [None]
            columns = lake.columns(name, keys).schema
            paths = lake.current_paths(name, keys)
            dataset = lake.storage.dataset(
                paths, lake.root / name, columns, by_day=bool(days) and DAY not in columns.names
            )
            connection.register(f"{schema}__{name}" if schema else name, dataset)
            if schema:
                view = f"{_quoted(schema)}.{_quoted(name)}"
                connection.execute(f"CREATE VIEW {view} AS FROM {_quoted(f'{schema}__{name}')}")
            if "comment" in text:
                self._explain(connection, "VIEW", _quoted(schema) if schema else "", name)
            if {"valid_from", "valid_to", "is_current"} <= set(columns.names):
                _add_history(connection, schema, name)
                if "comment" in text:
                    self._explain_history(connection, _quoted(schema) if schema else "", name)

    def _explain(
        self, connection: duckdb.DuckDBPyConnection, kind: Literal["TABLE", "VIEW"], within: str, name: str
    ) -> None:
        """Comment on a table or view, and on its columns, if their meaning is known; `within` a quoted schema."""
        if meaning := self._meanings().get(name):
            place = f"{within}.{_quoted(name)}" if within else _quoted(name)
            comment_on(connection, kind, place, meaning.table)
            comment_on_columns(connection, place, meaning.columns)

    def _explain_history(self, connection: duckdb.DuckDBPyConnection, within: str, name: str) -> None:
        """Comment on the view and the macro of a history; `within` a quoted schema."""
        begin = f"{within}." if within else ""
        view, macro = (begin + _quoted(f"{name}{end}") for end in ("_now", "_as_of"))
        comment_on(connection, "VIEW", view, PRESENT.format(table=name))
        comment_on(connection, "MACRO TABLE", macro, OF_A_DAY.format(table=name))
        if meaning := self._meanings().get(name):
            comment_on_columns(connection, view, meaning.columns)


def split(script: str) -> list[str]:
    """The statements of a script. Raises QueryError if it cannot be parsed."""
    return [one.query.strip() for one in _parsed(script)]


def _parsed(script: str) -> list[duckdb.Statement]:
    try:
        return duckdb.extract_statements(script)
    except duckdb.Error as error:
        raise QueryError(_one_line(error)) from error


def _is_history(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    return {"valid_from", "valid_to", "is_current"} <= set(connection.table(table).columns)


def _add_history(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> None:
    """For a history: the view `…_now`, its present rows, and the macro `…_as_of(day)`, those of a day."""
    source, columns = _place(schema, name), "* EXCLUDE (valid_from, valid_to, is_current)"
    connection.execute(
        f"CREATE VIEW {_place(schema, f'{name}_now')} AS SELECT {columns} FROM {source} WHERE is_current"  # noqa: S608 - quoted names
    )
    connection.execute(
        f"CREATE MACRO {_place(schema, f'{name}_as_of')}(day) AS TABLE SELECT {columns} FROM {source} "  # noqa: S608 - likewise
        "WHERE coalesce(valid_from <= CAST(day AS DATE), true) AND coalesce(valid_to > CAST(day AS DATE), true)"
    )


def _place(schema: str, name: str) -> str:
    return f"{_quoted(schema)}.{_quoted(name)}" if schema else _quoted(name)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _one_line(error: Exception) -> str:
    """DuckDB's reason and its hint, without the quoted statement below them."""
    return " ".join(str(error).split("\n\nLINE ")[0].split())


def _interruptible(connection: duckdb.DuckDBPyConnection, statement: str) -> pa.Table:
    """The result of a statement; Ctrl-C ends it. In the main thread DuckDB may not notice Ctrl-C for minutes."""
    with ThreadPoolExecutor(1, "statement") as pool:
        running = pool.submit(lambda: connection.sql(statement).to_arrow_table())
        try:
            return running.result()
        except KeyboardInterrupt:
            while not running.done():  # DuckDB heeds it only once the statement has begun
                connection.interrupt()
                wait([running], timeout=0.1)
            raise
