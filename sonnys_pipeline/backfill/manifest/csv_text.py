"""CSV with its exact text kept, so that records and cells can be written again unchanged.

The `csv` module loses how values were written; here quoting, spaces, blank lines, line ends, BOM and bytes that are not
UTF-8 stay. Quotes are `"`, doubled inside a quoted cell, and open a cell only at its first character, as in the `csv`
module and in spreadsheets.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

DELIMITERS = (",", ";", "\t", "|")
_BOM = codecs.BOM_UTF8.decode()
_LINE_END = re.compile(r"\r\n|\r|\n")
#: Bytes that are not UTF-8, in `surrogateescape` form.
_UNDECODED = re.compile("[\udc80-\udcff]")
#: A first line that tells Excel the delimiter.
_SEP_LINE = re.compile(r'("?)sep=(.)\1(?:\r\n|\r|\n|\Z)', re.IGNORECASE)


class MalformedCsvError(ValueError):
    """Text that is not CSV, or whose delimiter is unclear; `line` from 1, `fault` with the remedy."""

    def __init__(self, line: int, fault: str) -> None:
        super().__init__(line, fault)
        self.line, self.fault = line, fault


@dataclass(frozen=True)
class CsvRecord:
    """One record, verbatim.

    Attributes:
        line: its first line in the file, from 1; a quoted cell may span several.
        cells: between the delimiters, quotes included.
        end: the line end; may be empty at the end of the file.
    """

    line: int
    cells: tuple[str, ...]
    end: str

    @property
    def is_blank(self) -> bool:
        """Whether it is empty or only spaces."""
        return len(self.cells) == 1 and not self.cells[0].strip(" \t")

    @property
    def values(self) -> tuple[str, ...]:
        """The cells without quotes."""
        return tuple(map(cell_value, self.cells))


@dataclass(frozen=True)
class CsvText:
    """A whole file.

    Attributes:
        prefix: BOM and Excel's `sep=` line, if present.
        delimiter: one of `DELIMITERS`.
        records: all of them, blank lines included.
        is_utf8: whether all bytes are UTF-8; others are kept as surrogates.
    """

    prefix: str
    delimiter: str
    records: tuple[CsvRecord, ...] = field(repr=False)
    is_utf8: bool

    @classmethod
    def parse(cls, content: bytes, key_columns: Collection[str]) -> CsvText:
        """Parse a file; `MalformedCsvError` for a NUL byte, a misplaced quote, or two possible delimiters.

        The delimiter is that of a `sep=` line, else the one that gives the header one of `key_columns` (lower-case
        names), else a comma.
        """
        if (nul := content.find(b"\0")) >= 0:
            line = 1 + len(re.findall(rb"\r\n|\r|\n", content[:nul]))
            raise MalformedCsvError(line, "has a NUL byte; save the file as CSV in UTF-8 (not UTF-16, not a workbook)")
        text = content.decode("utf-8", "surrogateescape")
        prefix = _BOM if text.startswith(_BOM) else ""
        separated = _SEP_LINE.match(text, len(prefix))
        first_line = 1
        if separated:
            prefix += separated[0]
            first_line = 2
            if separated[2] not in DELIMITERS:
                raise MalformedCsvError(1, f"the delimiter {separated[2]!r} is not supported; use a comma, ;, tab or |")
        body = text[len(prefix) :]
        delimiter = separated[2] if separated else _delimiter_of(body, key_columns)
        records = tuple(split_records(body, delimiter, first_line))
        return cls(prefix, delimiter, records, is_utf8=not _UNDECODED.search(text))

    def to_bytes(self, records: Iterable[CsvRecord]) -> bytes:
        """The file with these records; with its own records, the original bytes."""
        parts = [self.prefix]
        for record in records:
            parts += (self.delimiter.join(record.cells), record.end)
        return "".join(parts).encode("utf-8", "surrogateescape")

    def cell(self, value: str) -> str:
        """A value as a new cell, quoted only if necessary.

        Characters that the file's encoding may not hold (all but ASCII if it is not UTF-8) are escaped as in Python.
        """
        value = value.encode("utf-8" if self.is_utf8 else "ascii", "backslashreplace").decode()
        if any(letter in value for letter in (self.delimiter, '"', "\r", "\n")):
            return '"' + value.replace('"', '""') + '"'
        return value


def cell_value(cell: str) -> str:
    """A cell's value: without its quotes, otherwise complete."""
    if not cell.startswith('"'):
        return cell
    inside, _, after = cell[1:].rpartition('"')
    return inside.replace('""', '"') + after


def split_records(text: str, delimiter: str, first_line: int = 1) -> Iterator[CsvRecord]:
    """The records of a text, which joined are the text again; `MalformedCsvError` for a misplaced quote."""
    plain = re.compile(f"[^{re.escape(delimiter)}\r\n]*")
    position, line = 0, first_line
    while position < len(text):
        cells: list[str] = []
        starts_at = line
        while True:
            stop = _cell_end(text, position, plain, line)
            cell = text[position:stop]
            cells.append(cell)
            if cell.startswith('"'):
                line += len(_LINE_END.findall(cell))
            position = stop + 1
            if not text.startswith(delimiter, stop):
                break
        end = _LINE_END.match(text, stop)
        yield CsvRecord(starts_at, tuple(cells), end[0] if end else "")
        position = end.end() if end else stop
        line += 1


def _cell_end(text: str, position: int, plain: re.Pattern[str], line: int) -> int:
    if text.startswith('"', position):
        close = text.find('"', position + 1)
        while close >= 0 and text.startswith('"', close + 1):
            close = text.find('"', close + 2)
        if close < 0:
            raise MalformedCsvError(line, "a quote opens here and never closes; close it, or double it to mean itself")
        opened, position = position, close + 1
        rest = plain.match(text, position)
        if rest and rest[0].strip(" \t"):
            line += len(_LINE_END.findall(text, opened, close))
            raise MalformedCsvError(line, "there is text after a closing quote; double the quotes inside a quoted cell")
    found = plain.match(text, position)
    return found.end() if found else position


def _delimiter_of(body: str, key_columns: Collection[str]) -> str:
    """The delimiter that gives the header a key column, else the one with most columns, for messages."""
    headers: dict[str, tuple[str, ...]] = {}
    faults: list[MalformedCsvError] = []
    for delimiter in DELIMITERS:
        try:
            header = next((record for record in split_records(body, delimiter) if not record.is_blank), None)
        except MalformedCsvError as fault:
            faults.append(fault)
            continue
        headers[delimiter] = header.values if header else ()
    if not headers:
        raise faults[0]
    found = {
        delimiter: names
        for delimiter, names in headers.items()
        if not {name.strip(" ").casefold() for name in names}.isdisjoint(key_columns)  # a tab is no padding here
    }
    several = [delimiter for delimiter, names in found.items() if len(names) > 1]
    if len(several) > 1:
        possible = " or ".join(map(repr, several))
        raise MalformedCsvError(
            1, f"the delimiter could be {possible}; say which in a first line of its own: sep={several[0]}"
        )
    if several or found:
        return (several or list(found))[0]
    return max(headers, key=lambda delimiter: len(headers[delimiter]))
