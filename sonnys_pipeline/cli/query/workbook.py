"""Results of queries as the sheets of an XLSX file."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa

from sonnys_pipeline.lake.query.statements import QueryError
from sonnys_pipeline.runtime.quoting import printable

#: Rows of a sheet below its heading, and characters of a cell and of a sheet's name: the limits of the format.
MOST_ROWS = 1_048_575
_MOST_TEXT = 32_767
_MOST_NAME = 31
#: Characters of the widest column; longer text stays in its cell.
_WIDEST = 40
#: Dollars have two digits; a float may be dollars or a rate. LibreOffice shows a boolean without a format as 1.
_FORMATS = {
    "day": "yyyy-mm-dd",
    "instant": "yyyy-mm-dd hh:mm:ss",
    "money": "#,##0.00",
    "number": "#,##0.00##",
    "truth": '"TRUE";"TRUE";"FALSE"',
    "bold": "",
}


def workbook_of(tables: Mapping[str, pa.Table]) -> bytes:
    """A sheet for each table, by name: numbers, days and instants (in UTC) as such, lists as JSON, null as no cell.

    Text is written as text, whatever it looks like. Raises QueryError for more than a sheet takes.
    """
    import xlsxwriter

    content = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(content, options) as book:
        formats = {name: book.add_format({"num_format": shown} if shown else {}) for name, shown in _FORMATS.items()}
        formats["bold"].set_bold()
        for name, table in tables.items():
            if table.num_rows > MOST_ROWS:
                raise QueryError(
                    f"{name} has {table.num_rows:,} rows, and a sheet takes {MOST_ROWS:,}; choose fewer days with "
                    "--from and --to, or write --duckdb"
                )
            sheet = book.add_worksheet(name.rpartition(".")[2][:_MOST_NAME] if len(name) > _MOST_NAME else name)
            sheet.freeze_panes(1, 0)
            sheet.repeat_rows(0)
            sheet.set_landscape()
            for column, field in enumerate(table.schema):
                sheet.write_string(0, column, field.name, formats["bold"])
                values = table.column(column).to_pylist()
                for line, value in enumerate(values, start=1):
                    _write(sheet, (line, column), value, formats)
                widest = max([len(field.name), *(len(str(value)) for value in values[:100])])
                sheet.set_column(column, column, min(widest + 2, _WIDEST))
    return content.getvalue()


def _write(sheet: Any, place: tuple[int, int], value: Any, formats: Mapping[str, Any]) -> None:  # noqa: ANN401 - xlsxwriter has no types
    if value is None:
        return
    if isinstance(value, bool):
        sheet.write_boolean(*place, value, formats["truth"])
    elif isinstance(value, int):
        sheet.write_number(*place, value)
    elif isinstance(value, float | Decimal):
        sheet.write_number(*place, float(value), formats["money" if isinstance(value, Decimal) else "number"])
    elif isinstance(value, datetime):
        plain = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        sheet.write_datetime(*place, plain, formats["instant"])
    elif isinstance(value, date):
        sheet.write_datetime(*place, value, formats["day"])
    else:
        text = value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
        if len(text) > _MOST_TEXT:
            raise QueryError(f"a cell has {len(text):,} characters, and one takes {_MOST_TEXT:,}; use --duckdb")
        sheet.write_string(*place, printable(text, _MOST_TEXT))
