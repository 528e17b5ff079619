"""Write tables as one CSV file or as the sheets of an XLSX file, for their owner only.

Text from the API must not become a formula. In a CSV file, cells that a spreadsheet would take for one begin with an
apostrophe; in an XLSX file, text is written as text, whatever it looks like.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from sonnys_pipeline.report.export.tables import Label, Row, Table, labels_of
from sonnys_pipeline.report.measures import Unit
from sonnys_pipeline.runtime.private_folder import write_private_file
from sonnys_pipeline.runtime.quoting import no_formula, printable

_SUFFIXES = (".csv", ".xlsx")
#: Number formats of a spreadsheet.
_KINDS = {
    Unit.COUNT: "count", Unit.NUMBER: "number", Unit.MONEY: "dollars", Unit.PRICE: "dollars", Unit.SHARE: "fraction",
}  # fmt: skip
_FORMATS = {
    Unit.COUNT: "#,##0",
    Unit.NUMBER: "#,##0.0",
    Unit.MONEY: "$#,##0.00",
    Unit.PRICE: "$#,##0.00",
    Unit.SHARE: "0.0%",
}
_DATE_FORMAT = "yyyy-mm-dd"
#: Characters of the widest column of a sheet; longer text stays in its cell.
_WIDEST = 40


class ExportError(Exception):
    """A file cannot be written; the message says which, and what to do."""


def refuse_other_files(path: Path) -> None:
    """Raise ExportError for a name that says neither CSV nor XLSX."""
    if path.suffix.lower() not in _SUFFIXES:
        raise ExportError(f"--export {path}: the name must end in .csv or .xlsx")


def write_tables(tables: Sequence[Table], path: Path) -> None:
    """Write a `.csv` or `.xlsx` file atomically.

    Raises:
        ExportError: another suffix, or the file cannot be written.
    """
    refuse_other_files(path)
    content = _csv(tables).encode() if path.suffix.lower() == ".csv" else _xlsx(tables)
    try:
        write_private_file(path, content)
    except OSError as error:
        raise ExportError(
            f"cannot write {path} ({error.strerror or error}); name a file in a directory that you can write to"
        ) from error


def _csv(tables: Sequence[Table]) -> str:
    """All tables below each other in one form: a line for each value, null as an empty cell.

    Shares are fractions, money is in dollars. A row without values (a finding) is one line.
    """
    names = list(labels_of(tables))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["table", *names, "measure", "unit", "value", "reason"])
    for table in tables:
        for row in table.rows:
            labels = dict(zip(table.labels, row.labels, strict=True))
            about = [_safe(table.name), *(_cell(labels.get(name, "")) for name in names)]
            for measure, unit, value in _values(table, row):
                writer.writerow([*about, _safe(measure), unit, value, _safe(row.reason if not value else "")])
    return text.getvalue()


def _values(table: Table, row: Row) -> Iterator[tuple[str, str, str]]:
    if not table.values:
        yield "", "", ""
    for (name, unit), value in zip(table.values, row.values, strict=True):
        kind = _KINDS[unit]
        yield name, kind, "" if value is None else _plain(value)


def _cell(label: Label) -> str:
    return _safe(label) if isinstance(label, str) else str(label)


def _safe(text: str) -> str:
    return no_formula(printable(text))


def _plain(value: Decimal) -> str:
    """Digits and a point, exact to six places."""
    return f"{round(value, 6).normalize():f}"


def _xlsx(tables: Sequence[Table]) -> bytes:
    import xlsxwriter  # noqa: PLC0415 - 60 ms that only an export needs

    content = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_numbers": False, "strings_to_urls": False}
    with xlsxwriter.Workbook(content, options) as book:
        formats = {unit: book.add_format({"num_format": shown}) for unit, shown in _FORMATS.items()}
        bold, day = book.add_format({"bold": True}), book.add_format({"num_format": _DATE_FORMAT})
        for table in tables:
            sheet = book.add_worksheet(table.name)
            heads = [*table.labels, *(name for name, _ in table.values), "reason"]
            for column, head in enumerate(heads):
                sheet.write_string(0, column, head, bold)
            for line, row in enumerate(table.rows, start=1):
                for column, label in enumerate(row.labels):
                    _write(sheet, (line, column), label, day)
                for column, ((_, unit), value) in enumerate(
                    zip(table.values, row.values, strict=True), start=len(row.labels)
                ):
                    if value is not None:
                        sheet.write_number(line, column, float(value), formats[unit])
                if row.reason:
                    sheet.write_string(line, len(heads) - 1, printable(row.reason))
            sheet.freeze_panes(1, len(table.labels))
            for column, head in enumerate(heads):
                sheet.set_column(column, column, _width(table, column, head))
    return content.getvalue()


def _write(sheet: Any, place: tuple[int, int], label: Label, day: Any) -> None:  # noqa: ANN401 - xlsxwriter has no types
    if isinstance(label, date):
        sheet.write_datetime(*place, label, day)
    elif isinstance(label, int):
        sheet.write_number(*place, label)
    else:
        sheet.write_string(*place, printable(label))


def _width(table: Table, column: int, head: str) -> int:
    shown = [len(str(row.labels[column])) for row in table.rows] if column < len(table.labels) else []
    return min(_WIDEST, max([10, len(head), *shown]) + 2)
