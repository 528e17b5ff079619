"""The interface that the marts use, and DuckDB's side of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, TypeAlias

import duckdb
import pyarrow as pa

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.landed_rows import landed_rows
from sonnys_pipeline.lake.sql import Rows, open_rows, open_tables, run


class Session(Protocol):
    """Tables and views of one computation. Queries are DuckDB's SQL, as far as `dialect.py` translates it."""

    def register(self, name: str, table: pa.Table) -> None:
        """Give a small table a name."""

    def define(self, name: str, query: str) -> None:
        """Define a view."""

    def keep(self, name: str, query: str) -> None:
        """Define a view that several later queries read, so its rows are computed only once.

        Replaces an earlier one of this name.
        """

    def fetch(self, query: str) -> pa.Table:
        """The rows of a query, in its order; for as many as a mart has."""

    def fetch_many(self, query: str) -> pa.Table:
        """The same for as many rows as tickets have lines: the engine keeps no copy of them."""

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """The same for a few rows, as values of Python."""


class EngineRows(Protocol):
    """Rows of `transactions` that only their own engine reads."""

    engine: Engine

    def open_rows(self, *, all_columns: bool) -> AbstractContextManager[Session]:
        """A session with the view `transactions`: all columns in the order of the files, or those of `KPI_INPUT`."""


#: Rows that the marts count: DuckDB reads all kinds but `EngineRows`.
CountedRows: TypeAlias = Rows | EngineRows


class Engine(Protocol):
    """Reads landed rows and runs the marts' SQL."""

    def rows(self, lake: Lake, days: Sequence[str], with_states: Collection[str]) -> CountedRows:
        """As `landed_rows`, of which `with_states` are the days whose states are read."""

    def open_tables(self, tables: Mapping[str, pa.Table]) -> AbstractContextManager[Session]:
        """A session with tables of this process, by their names."""


class DuckDBEngine:
    """DuckDB in this process, the default."""

    def rows(self, lake: Lake, days: Sequence[str], with_states: Collection[str]) -> CountedRows:
        """Rows that are read lazily. Raises LakeError if a file cannot be read."""
        return landed_rows(lake, days, with_states)

    @contextmanager
    def open_tables(self, tables: Mapping[str, pa.Table]) -> Iterator[Session]:
        """As `lake.sql.open_tables`."""
        with open_tables(tables) as connection:
            yield _DuckDBSession(connection)


#: The default.
DUCKDB = DuckDBEngine()


class _DuckDBSession:
    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def register(self, name: str, table: pa.Table) -> None:
        self._connection.register(name, table)

    def define(self, name: str, query: str) -> None:
        run(self._connection, f"CREATE TEMP VIEW {name} AS {query}")

    def keep(self, name: str, query: str) -> None:
        run(self._connection, f"CREATE OR REPLACE TEMP TABLE {name} AS {query}")

    def fetch(self, query: str) -> pa.Table:
        # `sql` plans a query to know its columns, and again to run it. Of a table that costs little.
        self.keep("fetched", query)
        return self._connection.table("fetched").to_arrow_table()

    def fetch_many(self, query: str) -> pa.Table:
        return self._connection.sql(query).to_arrow_table()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        return run(self._connection, query).fetchall()


@contextmanager
def open_session(rows: CountedRows, *, all_columns: bool = False) -> Iterator[Session]:
    """A session with the view `transactions` of these rows, on the engine that reads them.

    With `all_columns`, it has those that no mart counts, too, and the rows are in the order of the files.
    """
    if hasattr(rows, "open_rows"):
        with rows.open_rows(all_columns=all_columns) as session:
            yield session
        return
    with open_rows(rows) as connection:
        yield _DuckDBSession(connection)


def engine_of(rows: CountedRows) -> Engine:
    """The engine that reads rows, for other tables that are joined with them."""
    return getattr(rows, "engine", DUCKDB)
