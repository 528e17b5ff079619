"""BX-07: the manifest of requested days, what is refused in it, and the same file with results."""

import csv
import io
import os
import pickle
import string
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sonnys_pipeline.backfill.manifest.manifest import (
    PREFIXED_COLUMNS,
    RESULT_COLUMNS,
    Manifest,
    ManifestChangedError,
    ManifestError,
    RowKey,
    RowResult,
    result_of,
)
from sonnys_pipeline.ledger.models import JobRow, RowFigures, RowSpec, RowStatus
from sonnys_pipeline.ledger.service import JobService
from sonnys_pipeline_tests.unit.conftest import specs

LOADED_AT = datetime(2026, 11, 22, 1, 2, 3, 999_999, tzinfo=UTC)
DONE = RowResult(RowStatus.COMPLETED, 120, 4, ("h-1", "h-2"), "/lake/part-0.parquet", LOADED_AT)
DONE_CELLS = ["completed", "120", "4", "h-1 h-2", "/lake/part-0.parquet", "2026-11-22T01:02:03Z", ""]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "days.csv"


def read(file: Path, content: bytes | str) -> Manifest:
    """The manifest of a file with this content."""
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Manifest.read(file)


def refused(file: Path, content: bytes | str) -> str:
    """What is said of a file that is refused; the file is untouched, and the message one line that names it."""
    with pytest.raises(ManifestError) as caught:
        read(file, content)
    message = str(caught.value)
    assert file.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert message.startswith(f"{file}, line ")
    assert message.endswith("Nothing was changed.")
    assert len(message.splitlines()) == 1
    return message.removeprefix(f"{file}, ").removesuffix(" Nothing was changed.")


def test_days_and_sites_in_the_order_of_the_file(file: Path) -> None:
    """Names in any case, spaces around names and cells; an empty site is every site."""
    manifest = read(file, "Note; Date ;SITE_CODE\nx; 2026-11-02 ;MAIN\n\n;2026-11-01;\n;;\ny;2026-11-02;\n")
    assert manifest.requests == [RowSpec("2026-11-02", "MAIN"), RowSpec("2026-11-01"), RowSpec("2026-11-02")]
    assert manifest.path == file


@pytest.mark.parametrize("names", ["date", "DAY", "day,site", "Site,date", '"site_code","day"'])
def test_what_the_columns_may_be_called(file: Path, names: str) -> None:
    """`date` or `day`, and `site` or `site_code`."""
    row = ",".join("MAIN" if "site" in name.lower() else "2026-11-02" for name in names.split(","))
    assert [spec.day for spec in read(file, f"{names}\n{row}").requests] == ["2026-11-02"]


EMPTY = "the file is empty; write a line with the column name date, and below it one day per line."
NO_DAYS = "has a header but no days; write one day per line."
WIDTH = "where the header has 2; add or remove delimiters, and quote a cell that has one inside."
OPEN = "a quote opens here and never closes; close it, or double it to mean itself."
CLOSED = "there is text after a closing quote; double the quotes inside a quoted cell."
NUL = "has a NUL byte; save the file as CSV in UTF-8 (not UTF-16, not a workbook)."
TWICE = "is already in line 2; remove one of the two."
SITE = "is not a site code; write it as the site list has it, in UTF-8."
UNNAMED = "no column is named date or day; it has 'when', 'what, now', 'who'. Name the column of the days date."
APART = (
    "has sonnys_status, but not all of sonnys_status, sonnys_rows, sonnys_requests, sonnys_hashes, sonnys_path, "
    "sonnys_loaded_at, sonnys_error side by side in this order; put them in this order, or remove them."
)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", f"line 1: {EMPTY}"),
        ("\ufeff\r\n  \n", f"line 1: {EMPTY}"),
        ("sep=;\r\n", f"line 1: {EMPTY}"),
        ("\ndate,x\n", f"line 2: {NO_DAYS}"),
        ("date,x\n,\n\n", f"line 1: {NO_DAYS}"),
        ('when;"what, now";who\n1;2;3\n', f"line 1: {UNNAMED}"),
        ("date,Day\n2026-11-02,x\n", "line 1: 'date' and 'Day' could both be the date; rename one."),
        ("date,date\n2026-11-02,x\n", "line 1: 'date' and 'date' could both be the date; rename one."),
        ("date,site,site_code\n2026-11-02,x,y\n", "line 1: 'site' and 'site_code' could both be the site; rename one."),
        ("date,x\n2026-11-02\n", f"line 2: has 1 cell {WIDTH}"),
        ("date,x\n\n2026-11-02,a,b\n", f"line 3: has 3 cells {WIDTH}"),
        ('date,x\n2026-11-02,"open\n', f"line 2: {OPEN}"),
        ('date,x\n2026-11-02,"a"b\n', f"line 2: {CLOSED}"),
        (b"date\n2026-11-02\0\n", f"line 2: {NUL}"),
        ("date\n2026-11-02\n2026-11-03\n2026-11-02\n", f"line 4: 2026-11-02 {TWICE}"),
        ("date,site\n2026-11-02,A\n2026-11-02,B\n2026-11-02, A\n", f"line 4: 2026-11-02 of site A {TWICE}"),
        ('date,site\n2026-11-02,"A\nB"\n', f"line 2: 'A\\nB' {SITE}"),
        (b"date,site\n2026-11-02,\xdcber\n", f"line 2: '\\udcdcber' {SITE}"),
        ("date,sonnys_status,status\n2026-11-02,,\n", f"line 1: {APART}"),
    ],
)
def test_what_is_refused(file: Path, content: bytes | str, message: str) -> None:
    """One line with the file, the line, what is wrong and what to do."""
    assert refused(file, content) == message


@pytest.mark.parametrize(
    "day",
    ["2026-13-01", "2026-02-29", "13/13/2026", "2/30/2026", "20261102", "2026-W45-1", "2026-11-2", "2026-11-02T00:00",
     "today", "\u0662\u0660\u0662\u0666-11-02", "-2026-11-02", "2026-11-02 x"],
)  # fmt: skip
def test_a_day_is_a_day_of_the_calendar_in_iso_form(file: Path, day: str) -> None:
    """Exactly `YYYY-MM-DD`; nothing is guessed at."""
    said = refused(file, f"date,n\n2026-01-01,1\n{day},2\n")
    assert said == f"line 3: {day!r} is not a day; write YYYY-MM-DD, such as 2026-11-02."


@pytest.mark.parametrize(
    ("cells", "days"),
    [
        (["11/1/2026", "11/13/2026"], ["2026-11-01", "2026-11-13"]),
        (["1/11/2026", "13/11/2026"], ["2026-11-01", "2026-11-13"]),
        (["11/13/2026", "2026-11-02", "11/3/2026"], ["2026-11-13", "2026-11-02", "2026-11-03"]),
        (["5/5/2026", "06/06/2026"], ["2026-05-05", "2026-06-06"]),
    ],
    ids=["month first", "day first", "beside ISO", "the same either way"],
)
def test_days_as_a_spreadsheet_writes_them(file: Path, cells: list[str], days: list[str]) -> None:
    """One cell that can be read in one way alone tells the order for all; the owner's cells stay as they are."""
    manifest = read(file, "\n".join(["date", *cells, ""]))
    assert [spec.day for spec in manifest.requests] == days
    after = manifest.with_results({(days[0], None): DONE}).decode().splitlines()
    assert [line.split(",")[0] for line in after[1:]] == cells


@pytest.mark.parametrize(
    ("cells", "line", "said"),
    [
        (["2026-11-05", "11/1/2026", "11/2/2026"], 3, "'11/1/2026' could be 2026-11-01 or 2026-01-11, and no other"),
        (["11/13/2026", "13/11/2026"], 2, "'11/13/2026': some lines have the month first, and others the day"),
        (["11/13/2026", "11/13/2026"], 3, "2026-11-13 is already in line 2"),
        (["11/13/2026", "2026-11-13"], 3, "2026-11-13 is already in line 2"),
    ],
    ids=["either", "both", "twice", "twice, two forms"],
)
def test_days_that_could_be_others_are_refused(file: Path, cells: list[str], line: int, said: str) -> None:
    """Nothing is guessed: the line is named, and both days that it could be."""
    assert refused(file, "\n".join(["date", *cells, ""])).startswith(f"line {line}: {said}")


def test_the_line_of_a_row(file: Path) -> None:
    """Counted as an editor counts: blank lines and lines inside of cells are lines."""
    manifest = read(file, 'date,site,note\n\n2026-11-01,A,"x\ny"\n2026-11-02,B,\n')
    assert [manifest.line_of(spec) for spec in manifest.requests] == [3, 5]


def test_an_empty_day_beside_something_is_refused(file: Path) -> None:
    """Only a row that says nothing at all is passed over."""
    assert refused(file, "date,note\n,x\n").startswith("line 2: '' is not a day;")


def test_the_first_fault_is_told_and_the_others_counted(file: Path) -> None:
    """A person should know whether one line is to be mended, or a column."""
    said = refused(file, 'date\n1.1.2026\n2026-01-02\n2026-01-02\n"a\nb"\n')
    assert said == ("line 2: '1.1.2026' is not a day; write YYYY-MM-DD, such as 2026-11-02 (other faulty lines: 2).")


def test_a_long_cell_is_not_told_in_full(file: Path) -> None:
    """One line stays one line."""
    assert "'" + "x" * 37 + "...'" in refused(file, "date\n" + "x" * 4000 + "\n")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "does not exist; restore it, or name another file"),
        (lambda path: path.mkdir(), "is not a file; name a CSV file, since the results are written back to it"),
        (os.mkfifo, "is not a file; name a CSV file, since the results are written back to it"),
        (lambda path: path.symlink_to(path), "cannot be read (Too many levels of symbolic links); fix its permissions"),
    ],
    ids=["missing", "folder", "pipe", "loop"],
)
def test_what_is_no_file_is_refused(file: Path, make, says: str) -> None:
    """A pipe would be waited for, and read away."""
    make(file)
    with pytest.raises(ManifestError) as caught:
        Manifest.read(file)
    assert str(caught.value) == f"{file} {says}"


def test_a_relative_name_stays_the_same_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Results go where the days came from, wherever the process goes."""
    read(file, "date\n2026-11-02\n")
    monkeypatch.chdir(file.parent)
    assert Manifest.read("days.csv").path == file


def test_results_stand_behind_the_owners_columns(file: Path) -> None:
    """In the file's delimiter and line ends, quoted only where needed; rows without a result have empty cells."""
    manifest = read(file, b'\xef\xbb\xbf"date";note;site\r\n2026-11-01; "a", b ;\r\n\r\n2026-11-02;"x;\r\ny";M')
    failed = RowResult(RowStatus.FAILED, None, 3, error="JobFailedError: no;\nreally")
    assert manifest.with_results({("2026-11-02", "M"): failed}) == (
        b'\xef\xbb\xbf"date";note;site;status;rows;requests;hashes;path;loaded_at;error\r\n'
        b'2026-11-01; "a", b ;;;;;;;;\r\n'
        b"\r\n"
        b'2026-11-02;"x;\r\ny";M;failed;;3;;;;"JobFailedError: no; really"'
    )


def test_results_take_the_place_of_earlier_ones(file: Path) -> None:
    """Also where their columns were moved to the front; a row without a new result keeps the old one."""
    ours = ",".join(RESULT_COLUMNS)
    manifest = read(file, f'"status",{ours.removeprefix("status,")},date,x\nfailed,,9,,,,"A: b",2026-11-01, 1\n'
                          "failed,,8,,,,C: d,2026-11-02, 2\n")  # fmt: skip
    after = manifest.with_results({("2026-11-01", None): DONE, ("2027-01-01", None): DONE}).decode().splitlines()
    assert after == [
        f'"status",{ours.removeprefix("status,")},date,x',
        ",".join([*DONE_CELLS, "2026-11-01", " 1"]),
        "failed,,8,,,,C: d,2026-11-02, 2",
    ]


@pytest.mark.parametrize("name", [*RESULT_COLUMNS, "Status", " ERROR "])
def test_the_owners_columns_of_our_names_stay_theirs(file: Path, name: str) -> None:
    """One clash, and all of ours have the prefix; they are found again."""
    manifest = read(file, f"date,{name}\n2026-11-01,mine\n")
    first = manifest.with_results({("2026-11-01", None): DONE})
    header, row = first.decode().splitlines()
    assert header == f"date,{name}," + ",".join(PREFIXED_COLUMNS)
    assert row == "2026-11-01,mine," + ",".join(DONE_CELLS)
    again = read(file, first).with_results({("2026-11-01", None): RowResult(RowStatus.PENDING)})
    assert again.decode().splitlines() == [header, "2026-11-01,mine,pending,,0,,,,"]


def test_two_hundred_rows_in_the_dialect_of_their_owner(file: Path) -> None:
    """Semicolons, BOM, CRLF, quotes and own columns: without the result columns, the file is the file it was."""
    days = [(date(2026, 1, 1) + timedelta(days=number)).isoformat() for number in range(200)]
    notes = ["", '"x;y"', ' "odd" ', '"two\r\nlines"', "Straße", "1,5", '"he said ""no"""']
    lines = ['Kunde;"date";site;Notiz;"Status"'] + [
        f"{number:03};{day};{'MAIN' if number % 3 else ''};{notes[number % len(notes)]};offen"
        for number, day in enumerate(days)
    ]
    before = b"\xef\xbb\xbf" + "\r\n".join([*lines, ""]).encode()
    manifest = read(file, before)
    results: dict[RowKey, RowResult] = {(spec.day, spec.site): DONE for spec in manifest.requests}
    after = manifest.with_results(results)
    ours = ";" + ";".join(DONE_CELLS)
    header, rows = after.decode().split("\r\n", 1)
    assert header == "\ufeff" + lines[0] + ";" + ";".join(PREFIXED_COLUMNS)
    assert rows.count(ours + "\r\n") == 200
    assert ("\ufeff" + lines[0] + "\r\n" + rows.replace(ours, "")).encode() == before
    assert len(manifest.requests) == 200


NAMES = st.text(alphabet=string.ascii_letters + ' ";,', max_size=5).filter(
    lambda name: name.strip().casefold() not in {"date", "day", "site", "site_code"}
)


@pytest.mark.no_cover
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_manifest_keeps_what_is_its_owners(file: Path, data: st.DataObject) -> None:
    """Any table in any dialect: values of the owner's columns, requests and a second rewrite are the same."""
    own = data.draw(st.lists(NAMES, max_size=3), label="own columns")
    delimiter = data.draw(st.sampled_from(",;\t|"))
    end = data.draw(st.sampled_from(["\n", "\r\n"]))
    days = data.draw(st.lists(st.dates().map(str), min_size=1, max_size=5, unique=True))
    cells = st.text(alphabet='a"\n\r ,;\t|', max_size=5)
    table = [["date", *own]] + [[day, *(data.draw(cells) for _ in own)] for day in days]
    out = io.StringIO(newline="")
    quoting = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    if any("\r" in cell for row in table for cell in row):
        quoting = csv.QUOTE_ALL  # the writer of Python 3.11 leaves a lone carriage return without the quotes it needs
    csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(table)
    sep = data.draw(st.booleans())
    manifest = read(file, (f"sep={delimiter}{end}" if sep or not own else "") + out.getvalue())
    assert [spec.day for spec in manifest.requests] == days
    results: dict[RowKey, RowResult] = {(day, None): DONE for day in days[::2]}
    after = manifest.with_results(results)
    again = read(file, after)
    assert again.requests == manifest.requests
    assert again.with_results(results) == after == again.with_results({})
    body = after.decode()[len(f"sep={delimiter}{end}") if sep or not own else 0 :]
    rows = list(csv.reader(io.StringIO(body, newline=""), delimiter=delimiter, strict=True))
    assert [row[: len(own) + 1] for row in rows] == table
    assert [row[len(own) + 1 :] for row in rows[1:]] == [
        DONE_CELLS if number % 2 == 0 else [""] * 7 for number in range(len(days))
    ]


@pytest.mark.parametrize(
    ("error", "cell"),
    [
        ("ServerError: a\r\n  b\tc", "ServerError: a b c"),
        ("=HYPERLINK(A1)", "'=HYPERLINK(A1)"),
        ("  \t@cmd", "'@cmd"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("\uff1d1", "'\uff1d1"),
        ("a;=1+1", "a;'=1+1"),
        ("a,@cmd", "a,'@cmd"),
        ("a|+1", "a|'+1"),
        ('a;"=1"', 'a;"\'=1"'),
        ("a, -1", "a, '-1"),
        ("a-1 = b", "a-1 = b"),
        ("a\x1b[31m\x00\u202eb", "a\\x1b[31m\\x00\\u202eb"),
        ("E" * 1001, "E" * 997 + "..."),
    ],
)
def test_an_error_is_one_line_that_nothing_executes(error: str, cell: str) -> None:
    """Server text may reach it; spreadsheets and terminals show it and do no more."""
    assert RowResult(RowStatus.FAILED, error=error).values[-1] == cell


def test_hashes_and_paths_are_harmless_too() -> None:
    """The hash is the server's word, the path may be anybody's; spaces inside a path are part of it."""
    values = RowResult(RowStatus.COMPLETED, hashes=("=1", "b"), path="-a  b\n", loaded_at=None).values
    assert values == ("completed", "", "0", "'=1 b", "'-a  b\\n", "", "")


@pytest.mark.parametrize("own", ",;\t|")
@pytest.mark.parametrize("other", ",;\t|")
def test_no_dialect_makes_a_formula_of_our_cells(file: Path, own: str, other: str) -> None:
    """Whatever delimiter a spreadsheet takes the file to have, none of our cells begins as a formula does."""
    evil = "a;=1 b,+1 c|@1 d\t-1 ;=HYPERLINK(1)"
    failed = RowResult(RowStatus.FAILED, hashes=("=1", ";=2"), path="x;=3", error=evil)
    after = read(file, f"date{own}note\n2026-11-01{own}x\n").with_results({("2026-11-01", None): failed})
    rows = list(csv.reader(io.StringIO(after.decode(), newline=""), delimiter=other))
    assert not [cell for row in rows for cell in row if cell.lstrip(' "')[:1] in tuple("=+@-")]


def test_the_instant_is_utc_to_the_second() -> None:
    """Whatever zone it was kept in."""
    east = LOADED_AT.astimezone(timezone(timedelta(hours=9)))
    assert RowResult(RowStatus.COMPLETED, loaded_at=east).values[5] == "2026-11-22T01:02:03Z"


def test_the_ledgers_rows_become_results(ledger: JobService) -> None:
    """Each status as the ledger has it; a row that is being read is still pending."""
    job = ledger.create_job("r", rows=specs(5))
    rows = ledger.get_rows(job.id)
    for row in rows[:3]:
        ledger.start_row(row.id)
    ledger.complete_row(rows[0].id, RowFigures(["h-1", "h-2"], "/p", 7, 4, 1.0))
    ledger.fail_row(rows[1].id, code="JobFailedError", message="it failed", requests=3, seconds=1.0)
    ledger.skip_row(rows[3].id, "landed already")
    now = datetime(2026, 11, 10, 6, 30, 0, 250_000, tzinfo=UTC)  # where the ledger's clock stands
    found: list[JobRow] = ledger.get_rows(job.id)
    assert [result_of(row) for row in found] == [
        RowResult(RowStatus.COMPLETED, 7, 4, ("h-1", "h-2"), "/p", now),
        RowResult(RowStatus.FAILED, None, 3, error="JobFailedError: it failed"),
        RowResult(RowStatus.PENDING),
        RowResult(RowStatus.SKIPPED, error="landed already"),
        RowResult(RowStatus.PENDING),
    ]


def test_errors_survive_a_process_boundary() -> None:
    """As all errors of the house."""
    for error in (ManifestError("a"), ManifestChangedError("b")):
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
        assert (type(copy), str(copy)) == (type(error), str(error))
