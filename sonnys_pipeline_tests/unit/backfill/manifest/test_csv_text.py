"""BX-07: CSV is taken apart as the `csv` module takes it, and put together letter for letter."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sonnys_pipeline.backfill.manifest.csv_text import DELIMITERS, CsvText, MalformedCsvError, cell_value, split_records

KEYS = ("date", "day")
#: Cells made of all that has a meaning in CSV, and a few letters that have none.
CELLS = st.text(alphabet='a"\n\r ,;\t|=é\u2028', max_size=6)


def written(table: list[list[str]], delimiter: str, end: str, quoting: int) -> str:
    """A table as the `csv` module writes it."""
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(table)
    return out.getvalue()


@given(
    table=st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=6),
    delimiter=st.sampled_from(DELIMITERS),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    cut=st.booleans(),
)
def test_cells_are_what_the_csv_module_reads(
    table: list[list[str]], delimiter: str, end: str, quoting: int, cut: bool
) -> None:
    """Any table in any dialect: the same values, and the same text when it is put together again."""
    text = written(table, delimiter, end, quoting)
    text = text.removesuffix(end) if cut else text
    records = list(split_records(text, delimiter))
    assert [list(record.values) for record in records] == [
        row or [""] for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    ]
    assert "".join(delimiter.join(record.cells) + record.end for record in records) == text


@given(text=st.text(alphabet='a" ,\n\r', max_size=12))
def test_any_text_is_kept_or_refused(text: str) -> None:
    """Not only what a writer would write: what is read is kept letter for letter, and has the values of `csv`."""
    try:
        records = list(split_records(text, ","))
    except MalformedCsvError:
        with pytest.raises(csv.Error):
            list(csv.reader(io.StringIO(text, newline=""), strict=True))
        return
    assert "".join(",".join(record.cells) + record.end for record in records) == text
    assert [list(record.values) for record in records] == [
        row or [""] for row in csv.reader(io.StringIO(text, newline=""))
    ]


@given(content=st.binary(max_size=40))
def test_any_bytes_are_kept_or_refused(content: bytes) -> None:
    """BOM, bytes that are no UTF-8, `sep=` lines: the file is its own copy."""
    for start in (b"", b"\xef\xbb\xbf", b"sep=;\r\n", b"date\n"):
        try:
            text = CsvText.parse(start + content, KEYS)
        except MalformedCsvError:
            continue
        assert text.to_bytes(text.records) == start + content


@pytest.mark.parametrize("delimiter", DELIMITERS)
@given(value=CELLS)
def test_a_new_cell_says_what_it_is_made_of(delimiter: str, value: str) -> None:
    """Quoted where it has to be, and read back as one cell of the same value."""
    text = CsvText("", delimiter, (), is_utf8=True)
    (record,) = split_records(delimiter.join(["x", text.cell(value), "y"]), delimiter)
    assert record.values == ("x", value, "y")


def test_a_new_cell_is_quoted_only_where_it_has_to_be() -> None:
    """A comma needs no quotes between semicolons."""
    text = CsvText("", ";", (), is_utf8=True)
    assert [text.cell(value) for value in ("a,b c", "a;b", 'a"b', "a\nb")] == ["a,b c", '"a;b"', '"a""b"', '"a\nb"']


def test_a_file_that_is_no_utf8_gets_ascii_only() -> None:
    """Letters beyond ASCII would be of another encoding than the rest of the file."""
    text = CsvText.parse("date;Straße\n2026-01-01;ä\n".encode("cp1252"), KEYS)
    assert (text.is_utf8, text.cell("Zoë €")) == (False, "Zo\\xeb \\u20ac")
    assert CsvText.parse("date;Straße\n".encode(), KEYS).cell("Zoë €") == "Zoë €"


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        ("date,note\n", ","),
        ("date;note, with a comma, and another\n", ";"),
        ("note\tDay \n", "\t"),
        ("a|b|date\n", "|"),
        ('"a;b;c","date"\n', ","),
        ('"date";"a,b"\n', ";"),
        ("date\n2026-01-01\n", ","),
        ("date\t;\n", "\t"),
        ("\n\n  \ndate;x\n", ";"),
        ("sep=;\r\ndate,note\r\n", ";"),
        ('"SEP=|"\ndate|note\n', "|"),
        ("sep=\t\ndate\tnote\n", "\t"),
        ("\ufeffsep=;\ndate;note\n", ";"),
        ("when;what, really\n", ","),  # no key column: the first that gives most columns
        ("when;what;why, really\n", ";"),
    ],
)
def test_the_delimiter_is_the_one_that_shows_a_key_column(content: str, delimiter: str) -> None:
    """Or the one that a `sep=` line names."""
    assert CsvText.parse(content.encode(), KEYS).delimiter == delimiter


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b'date,note\n2026-01-01,"two\nlines"\n2026-01-02,"open\n\n', 4, "never closes"),
        (b'date,note\n2026-01-01,"two\r\nlines"x\n', 3, "after a closing quote"),
        (b'"date\n', 1, "never closes"),
        (b"date,x\r\n2026-01-01,\0\r\n", 2, "NUL"),
        ("date;x\r\n2026-01-01;y\r\n".encode("utf-16"), 1, "UTF-16"),
        (b"date,a;date\n", 1, "could be ',' or ';'; say which in a first line of its own: sep=,"),
        (b"sep=:\ndate:note\n", 1, "':' is not supported"),
        (b'sep=;\ndate;"x\n', 2, "never closes"),
    ],
)
def test_what_is_malformed_is_named_by_its_line(content: bytes, line: int, says: str) -> None:
    """The line is the one to look at, with what is wrong there."""
    with pytest.raises(MalformedCsvError, match=r".") as caught:
        CsvText.parse(content, KEYS)
    assert (caught.value.line, says in caught.value.fault) == (line, True), caught.value.fault


def test_quotes_that_open_no_cell_are_letters() -> None:
    """As spreadsheets have it: a quote means something only at the first character of a cell."""
    (record,) = split_records('5" pipe, "x","y" ,"a""b"', ",")
    assert record.values == ('5" pipe', ' "x"', "y ", 'a"b')
    assert record.cells == ('5" pipe', ' "x"', '"y" ', '"a""b"')
    assert cell_value('""') == ""
