"""The manifest of a job made `--from-csv`: the requested days of a CSV, and the CSV with their results (BX-07).

The day is in a column `date` or `day`, an optional site in `site` or `site_code`; all other columns belong to the
file's owner and are not changed. Seven columns are ours: `RESULT_COLUMNS`.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from sonnys_pipeline.backfill.manifest.csv_text import CsvRecord, CsvText, MalformedCsvError
from sonnys_pipeline.backfill.manifest.days import day_reader
from sonnys_pipeline.ledger.models import JobRow, RowSpec, RowStatus
from sonnys_pipeline.runtime.quoting import sentence

#: Results of a row, in column order; see `RowResult`.
RESULT_COLUMNS = ("status", "rows", "requests", "hashes", "path", "loaded_at", "error")
#: Used when the owner has a column with one of these names.
PREFIXED_COLUMNS = tuple(f"sonnys_{name}" for name in RESULT_COLUMNS)
_DAY_COLUMNS = ("date", "day")
_SITE_COLUMNS = ("site", "site_code")
#: What spreadsheets take for the start of a formula, in narrow and wide letters: at the start of a cell and after any
#: possible delimiter, since the file may be opened in another dialect.
_FORMULA = re.compile("((?:^|[,;\t|])[ \"']*)(?=[=+\\-@\uff1d\uff0b\uff0d\uff20])")
#: Characters written of an error; the ledger has all of it.
_LONGEST_ERROR = 1000

#: Day and site, as in `RowSpec`.
RowKey = tuple[str, str | None]


class ManifestError(Exception):
    """A manifest cannot be read, used or written; one line with file, line and remedy. The file is unchanged."""


class ManifestChangedError(ManifestError):
    """The file is not what was read or last written: it is left unchanged, and the results are in the ledger."""


@dataclass(frozen=True)
class RowResult:
    """The result of one row.

    Attributes:
        status: `completed`, `failed`, `skipped` or `pending`.
        rows, path, loaded_at: landed transactions, their file, and when; `None` if not landed.
        requests: HTTP requests over all attempts.
        hashes: load jobs that delivered it, in order.
        error: `Code: message`, or why it was skipped; empty if nothing went wrong.
    """

    status: RowStatus
    rows: int | None = None
    requests: int = 0
    hashes: tuple[str, ...] = ()
    path: str | None = None
    loaded_at: datetime | None = None
    error: str = ""

    @cached_property
    def values(self) -> tuple[str, ...]:
        """One text per result column, on one line, none of which a spreadsheet would execute in any dialect.

        Error and hashes may contain text from the server: an apostrophe precedes a possible formula, an error ends
        after 1000 characters, and unprintable characters are escaped.
        """
        error = sentence(self.error)
        texts = (
            str(self.status),
            "" if self.rows is None else str(self.rows),
            str(self.requests),
            " ".join(self.hashes),
            self.path or "",
            f"{self.loaded_at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if self.loaded_at else "",
            error if len(error) <= _LONGEST_ERROR else f"{error[: _LONGEST_ERROR - 3]}...",
        )
        return tuple(_harmless(text) for text in texts)


def result_of(row: JobRow) -> RowResult:
    """The ledger's result of a row; a running row counts as pending."""
    return RowResult(
        status=RowStatus.PENDING if row.status is RowStatus.RUNNING else row.status,
        rows=row.rows,
        requests=row.requests,
        hashes=row.job_hashes,
        path=row.path,
        loaded_at=row.completed_at if row.status is RowStatus.COMPLETED else None,
        error=": ".join(part for part in (row.error_code, row.error_message) if part),
    )


@dataclass(frozen=True)
class Manifest:
    """A CSV of requested days as it was read: absolute `path` (a link stays a link) and its bytes."""

    path: Path
    content: bytes = field(repr=False)
    _text: CsvText = field(repr=False)
    _header: int  # index of its record
    _specs: tuple[RowSpec | None, ...] = field(repr=False)  # one per record; `None` for blank lines and the header
    _names: tuple[str, ...]
    _names_at: int | None  # column of the first of them, if the file has them

    @classmethod
    def read(cls, path: str | Path) -> Manifest:
        """Read a CSV; `ManifestError` if that fails, or days are missing, repeated or in no known form (`days.py`)."""
        path = Path(path).absolute()
        content = _read(path)
        try:
            text = CsvText.parse(content, _DAY_COLUMNS)
        except MalformedCsvError as error:
            raise ManifestError(f"{path}, line {error.line}: {error.fault}. Nothing was changed.") from error
        header = next((number for number, record in enumerate(text.records) if not record.is_blank), None)
        if header is None:
            raise ManifestError(
                f"{path}, line 1: the file is empty; write a line with the column name date, and below it one day "
                "per line. Nothing was changed."
            )
        names, names_at = _result_columns(path, text.records[header])
        specs = _specs(path, text.records, header)
        return cls(path, content, text, header, specs, names, names_at)

    @property
    def requests(self) -> list[RowSpec]:
        """The requested rows, in the order of the file."""
        return [spec for spec in self._specs if spec]

    def line_of(self, spec: RowSpec) -> int:
        """The line, from 1, that requests a row."""
        return self._text.records[self._specs.index(spec)].line

    def with_results(self, results: Mapping[RowKey, RowResult]) -> bytes:
        """The file with these results in its result columns, which are appended if missing.

        Rows without a result keep their cells or get empty ones; blank lines stay blank. Results of other rows are left
        out.
        """
        return self._text.to_bytes(self._with_result(number, results) for number in range(len(self._specs)))

    def _with_result(self, number: int, results: Mapping[RowKey, RowResult]) -> CsvRecord:
        record, spec = self._text.records[number], self._specs[number]
        result = results.get((spec.day, spec.site)) if spec else None
        if record.is_blank or (self._names_at is not None and result is None):
            return record
        values = self._names if number == self._header else result.values if result else ("",) * len(self._names)
        at = len(record.cells) if self._names_at is None else self._names_at
        ours = map(self._text.cell, values)
        return CsvRecord(
            record.line, (*record.cells[:at], *ours, *record.cells[at + len(self._names) :]), record.end
        )  # fmt: skip


def _read(path: Path) -> bytes:
    try:
        # Reading a pipe would consume it, or wait for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ManifestError(f"{path} is not a file; name a CSV file, since the results are written back to it")
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ManifestError(f"{path} does not exist; restore it, or name another file") from error
    except OSError as error:
        raise ManifestError(f"{path} cannot be read ({error.strerror or error}); fix its permissions") from error


def _result_columns(path: Path, header: CsvRecord) -> tuple[tuple[str, ...], int | None]:
    names = header.values
    for ours in (PREFIXED_COLUMNS, RESULT_COLUMNS):
        for at in range(len(names) - len(ours) + 1):
            if names[at : at + len(ours)] == ours:
                return ours, at
    there = {name.strip().casefold() for name in names}
    if there.isdisjoint(RESULT_COLUMNS):
        return RESULT_COLUMNS, None
    if apart := [name for name in PREFIXED_COLUMNS if name in there]:
        raise ManifestError(
            f"{path}, line {header.line}: has {', '.join(apart)}, but not all of {', '.join(PREFIXED_COLUMNS)} side by "
            "side in this order; put them in this order, or remove them. Nothing was changed."
        )
    return PREFIXED_COLUMNS, None


def _specs(path: Path, records: tuple[CsvRecord, ...], header: int) -> tuple[RowSpec | None, ...]:
    width = len(records[header].cells)
    day_column = _column(path, records[header], _DAY_COLUMNS)
    site_column = _column(path, records[header], _SITE_COLUMNS)
    if day_column is None:
        found = ", ".join(_shown(name.strip()) for name in records[header].values)
        raise ManifestError(
            f"{path}, line {records[header].line}: no column is named date or day; it has {found}. Name the column of "
            "the days date. Nothing was changed."
        )
    specs: list[RowSpec | None] = [None] * len(records)
    whole = [record.values for record in records[header + 1 :] if len(record.cells) == width]
    as_day = day_reader(values[day_column].strip() for values in whole)
    lines: dict[RowSpec, int] = {}
    faults: list[tuple[int, str]] = []
    for number, record in enumerate(records[header + 1 :], start=header + 1):
        values = record.values
        if len(values) != width and not record.is_blank:
            faults.append((record.line, _ragged(len(values), width)))
        elif any(value.strip() for value in values):  # spreadsheets leave rows of empty cells
            try:
                day = as_day(values[day_column].strip())
                spec = _spec(day, "" if site_column is None else values[site_column].strip())
            except ValueError as error:
                faults.append((record.line, str(error)))
                continue
            if spec in lines:
                faults.append((record.line, _twice(spec, lines[spec])))
            lines.setdefault(spec, record.line)
            specs[number] = spec
    if faults:
        line, fault = faults[0]
        more = f" (other faulty lines: {len(faults) - 1})" if len(faults) > 1 else ""
        raise ManifestError(f"{path}, line {line}: {fault}{more}. Nothing was changed.")
    if not lines:
        raise ManifestError(
            f"{path}, line {records[header].line}: has a header but no days; write one day per line. Nothing was "
            "changed."
        )
    return tuple(specs)


def _column(path: Path, header: CsvRecord, wanted: tuple[str, ...]) -> int | None:
    names = [name.strip().casefold() for name in header.values]
    found = [number for number, name in enumerate(names) if name in wanted]
    if len(found) > 1:
        both = " and ".join(_shown(header.values[number].strip()) for number in found)
        raise ManifestError(
            f"{path}, line {header.line}: {both} could both be the {wanted[0]}; rename one. Nothing was changed."
        )
    return found[0] if found else None


def _spec(day: str, site: str) -> RowSpec:
    if not site.isprintable():
        raise ValueError(f"{_shown(site)} is not a site code; write it as the site list has it, in UTF-8")
    try:
        return RowSpec(day, site or None)
    except ValueError as error:
        raise ValueError(f"{_shown(day)} is not a day; write YYYY-MM-DD, such as 2026-11-02") from error


def _twice(spec: RowSpec, line: int) -> str:
    site = f" of site {spec.site}" if spec.site else ""
    return f"{spec.day}{site} is already in line {line}; remove one of the two"


def _ragged(cells: int, width: int) -> str:
    return (
        f"has {cells} cell{'s' * (cells != 1)} where the header has {width}; add or remove delimiters, and quote a "
        "cell that has one inside"
    )


def _shown(value: str) -> str:
    return repr(value if len(value) <= 40 else f"{value[:37]}...")


def _harmless(text: str) -> str:
    if not text.isprintable():
        text = "".join(
            letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii") for letter in text
        )
    return _FORMULA.sub(r"\1'", text)
