"""Results of queries as a terminal's table, CSV, JSON or Parquet."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table

from sonnys_pipeline.cli.output import Screen
from sonnys_pipeline.runtime.quoting import no_formula

if TYPE_CHECKING:
    import pyarrow as pa

FORMATS = ("table", "csv", "json", "parquet")
#: Characters that a column needs to be legible; a result with more columns than fit is printed row by row.
_COLUMN = 10


def content_of(result: pa.Table, kind: str, width: int) -> bytes:
    """A result in one of FORMATS; `width` in characters is for tables.

    Raises ValueError if JSON or Parquet would lose one of two columns of the same name.
    """
    names = result.column_names
    if kind in ("json", "parquet") and len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two columns are called {twice}; rename one with AS")
    if kind == "parquet":
        import pyarrow.parquet as pq

        file = io.BytesIO()
        pq.write_table(result, file)
        return file.getvalue()
    text = {"csv": _csv, "json": _json}[kind](result) if kind != "table" else _table(result, width)
    return text.encode(errors="backslashreplace")


def _rows(result: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(column.to_pylist() for column in result.columns), strict=True))


def _csv(result: pa.Table) -> str:
    """Null is an empty cell; lists and structs are JSON. Text that looks like a formula begins with an apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(map(no_formula, result.column_names))
    writer.writerows([_csv_cell(value) for value in row] for row in _rows(result))
    return text.getvalue()


def _json(result: pa.Table) -> str:
    """One document: `columns` in order, and `rows` as objects; decimals and times are strings."""
    document = {"columns": result.column_names, "rows": result.to_pylist()}
    return json.dumps(document, indent=2, default=str) + "\n"


def _table(result: pa.Table, width: int) -> str:
    """A table; row by row, a line for each column, if the columns do not fit."""
    from pyarrow import types

    text = io.StringIO()
    screen = Screen(file=text, width=width, highlight=False, markup=False)
    rows, names = _rows(result), result.column_names
    if len(names) * _COLUMN > width:
        for number, row in enumerate(rows, 1):
            one = Table("column", f"row {number}", box=box.SIMPLE)
            for name, value in zip(names, row, strict=True):
                one.add_row(name, _cell(value))
            screen.print(one)
    else:
        table = Table(box=box.SIMPLE)
        for field in result.schema:
            is_number = types.is_integer(field.type) or types.is_floating(field.type)
            table.add_column(
                field.name,
                justify="right" if is_number or types.is_decimal(field.type) else "left",
                overflow="fold",
            )
        for row in rows:
            table.add_row(*(_cell(value) for value in row))
        screen.print(table)
    screen.print(f"{len(rows):,} row{'' if len(rows) == 1 else 's'}")
    return text.getvalue()


def _csv_cell(value: Any) -> str:  # noqa: ANN401 - any value of Arrow
    return no_formula(value) if isinstance(value, str) else _cell(value)


def _cell(value: Any) -> str:  # noqa: ANN401 - any value of Arrow
    if value is None:
        return ""
    return json.dumps(value, default=str, ensure_ascii=False) if isinstance(value, list | dict) else str(value)
