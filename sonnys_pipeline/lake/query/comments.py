"""What tables and columns mean, as comments of a database, which `duckdb_columns()` and tools show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

import duckdb

from sonnys_pipeline.lake.storage.folder import DAY

#: What a history's view and macro hold, of its table.
PRESENT = "Present rows of {table}."
OF_A_DAY = "Rows of {table} that held on a day, such as '2026-11-10'."


class Meaning(NamedTuple):
    """What a table holds, and what its columns mean, by name."""

    table: str
    columns: Mapping[str, str]


#: By the table's name, without a schema.
Meanings = Mapping[str, Meaning]


def comment_on(
    connection: duckdb.DuckDBPyConnection, kind: Literal["TABLE", "VIEW", "MACRO TABLE"], place: str, text: str
) -> None:
    """Set the comment of a table, view or macro; `place` is its quoted name."""
    connection.execute(f"COMMENT ON {kind} {place} IS {_text(text)}")


def comment_on_columns(connection: duckdb.DuckDBPyConnection, place: str, columns: Mapping[str, str]) -> None:
    """Set the comments of those columns that the table or view has; the day has one in any case."""
    known = {DAY: "Day that the row was landed with, which is part of its file's path.", **columns}
    for name in connection.sql(f"FROM {place} LIMIT 0").columns:
        if name in known:
            quoted = '"' + name.replace('"', '""') + '"'
            connection.execute(f"COMMENT ON COLUMN {place}.{quoted} IS {_text(known[name])}")


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
