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
#: Characters that the values of a column need to be legible, and those between two columns. A result whose columns do
#: not fit, each with its whole name, is printed row by row.
_COLUMN, _BETWEEN = 7, 3
#: Rows that a terminal shows of a table, and of one that is printed row by row: more scroll away, and take minutes.
_MOST, _MOST_BY_ROW = 40, 10
#: Digits of a float in a table, after the point or, below one, in all: without the tail of a sum of binary fractions.
_DIGITS = 6
#: Characters of a column of names, at most, that is never folded.
_NAME = 32


def content_of(result: pa.Table, kind: str, width: int, *, whole: bool = True) -> bytes:
    """A result in one of FORMATS; `width` in characters is for tables, and so is `whole`: all rows, or the first ones.

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
    text = {"csv": _csv, "json": _json}[kind](result) if kind != "table" else _table(result, width, whole=whole)
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


def _table(result: pa.Table, width: int, *, whole: bool) -> str:
    """A table; row by row, a line for each column, if the columns do not fit. Floats are rounded."""
    from pyarrow import types

    text = io.StringIO()
    screen = Screen(file=text, width=width, highlight=False, markup=False)
    names = result.column_names
    by_row = sum(max(len(name), _COLUMN) + _BETWEEN for name in names) > width
    shown = result.num_rows if whole else min(result.num_rows, _MOST_BY_ROW if by_row else _MOST)
    rows = _rows(result.slice(0, shown))
    if by_row:
        for number, row in enumerate(rows, 1):
            one = Table("column", f"row {number}", box=box.SIMPLE)
            for name, value in zip(names, row, strict=True):
                one.add_row(name, _shown(value))
            screen.print(one)
    else:
        table = Table(box=box.SIMPLE)
        for place, field in enumerate(result.schema):
            is_number = types.is_integer(field.type) or types.is_floating(field.type)
            table.add_column(
                field.name,
                justify="right" if is_number or types.is_decimal(field.type) else "left",
                overflow="fold",
                no_wrap=place == 0 and max([0, *(len(_shown(row[0])) for row in rows)]) <= _NAME,
            )
        for row in rows:
            table.add_row(*(_shown(value) for value in row))
        screen.print(table)
    if shown < result.num_rows:
        screen.print(
            f"{result.num_rows:,} rows; the first {shown} are shown. Ask for fewer, or write all with --format csv "
            "--out FILE."
        )
    else:
        screen.print(f"{shown:,} row{'' if shown == 1 else 's'}")
    return text.getvalue()


def _csv_cell(value: Any) -> str:  # noqa: ANN401 - any value of Arrow
    return no_formula(value) if isinstance(value, str) else _cell(value)


def _cell(value: Any) -> str:  # noqa: ANN401 - any value of Arrow
    if value is None:
        return ""
    return json.dumps(value, default=str, ensure_ascii=False) if isinstance(value, list | dict) else str(value)


def _shown(value: Any) -> str:  # noqa: ANN401 - any value of Arrow
    if not isinstance(value, float):
        return _cell(value)
    return f"{value:.{_DIGITS}g}" if abs(value) < 1 else f"{round(value, _DIGITS):.15g}"
