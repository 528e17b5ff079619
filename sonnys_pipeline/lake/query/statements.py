"""Run single SQL statements on views of landed files, without any way to write (EC-02).

DuckDB gets the files as Arrow datasets, which this process opens. So its own access to files, the network and
extensions is switched off, for folders and object stores alike, and the configuration is locked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.storage.folder import DAY

_CLOSED: dict[str, Any] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "temp_directory": "",  # large sorts must not spill into files
}
_READING = frozenset({duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN})
_FILE = "part-0.parquet"


class QueryError(LakeError):
    """A SQL statement is refused or fails; the message has DuckDB's reason and hint, in one line."""


class Queries:
    """Statements on the landed tables of one lake, or of several, each in a schema."""

    def __init__(self, lakes: Mapping[str, Lake]) -> None:
        """Nothing is read yet. `lakes` by schema; a lake under the empty name has its tables without a schema."""
        self._lakes = lakes

    def tables(self) -> dict[str, list[str]]:
        """Names of the landed tables by schema, sorted. Raises UnreachableLakeError."""
        return {schema: _landed(lake) for schema, lake in self._lakes.items()}

    def run(self, statement: str) -> pa.Table:
        """The result of one statement; each file is read as it is landed now, no row of a moved day twice.

        Raises:
            QueryError: it is not a query, or DuckDB refuses it.
            LakeError: a landed file cannot be read.
        """
        if any(kind not in _READING for kind in _kinds(statement)):
            raise QueryError(
                "only queries are run (SELECT, FROM, WITH, SHOW, DESCRIBE, SUMMARIZE, EXPLAIN); "
                "to keep a result, use --out FILE"
            )
        lakes = list(self._lakes.values())

        def read(rest: Sequence[Lake]) -> pa.Table:
            # A commit in any of the lakes repeats the read.
            return rest[0].consistently(lambda: read(rest[1:])) if rest else self._run(statement)

        return read(lakes)

    def _run(self, statement: str) -> pa.Table:
        with duckdb.connect(config=_CLOSED) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET python_enable_replacements = false")
            connection.execute("SET lock_configuration = true")
            for schema, lake in self._lakes.items():
                self._create_views(connection, schema, lake, statement.lower())
            try:
                return connection.sql(statement).to_arrow_table()
            except duckdb.CatalogException as error:
                raise QueryError(f"{_one_line(error)} SHOW TABLES lists what is landed") from error
            except (duckdb.Error, pa.ArrowException, OSError) as error:
                raise QueryError(_one_line(error)) from error

    def _create_views(self, connection: duckdb.DuckDBPyConnection, schema: str, lake: Lake, text: str) -> None:
        """A view of each table that the statement mentions, or of all: reading a table's footers takes time."""
        names = _landed(lake)
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


def split(script: str) -> list[str]:
    """The statements of a script. Raises QueryError if it cannot be parsed."""
    try:
        return [one.query.strip() for one in duckdb.extract_statements(script)]
    except duckdb.Error as error:
        raise QueryError(_one_line(error)) from error


def _kinds(statement: str) -> list[duckdb.StatementType]:
    try:
        return [one.type for one in duckdb.extract_statements(statement)]
    except duckdb.Error as error:
        raise QueryError(_one_line(error)) from error


def _landed(lake: Lake) -> list[str]:
    """Assets with rows: `asset/part-0.parquet` or `asset/date=…/part-0.parquet`."""
    parts = [path.split("/") for path in lake.storage.below(lake.root)]
    return sorted(
        {
            one[0]
            for one in parts
            if one[-1] == _FILE
            and not one[0].startswith(".")
            and (len(one) == 2 or (len(one) == 3 and one[1].startswith("date=")))
        }
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _one_line(error: Exception) -> str:
    """DuckDB's reason and its hint, without the quoted statement below them."""
    return " ".join(str(error).split("\n\nLINE ")[0].split())
