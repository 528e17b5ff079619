"""KPIS: exports are numbers and dates that a spreadsheet can add up, and text from the API is never a formula."""

import csv
import io
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from sonnys_pipeline.report.export.files import ExportError, write_tables
from sonnys_pipeline.report.export.tables import Row as Line
from sonnys_pipeline.report.export.tables import Table, daily_tables
from sonnys_pipeline.report.measures import Gap, Unit
from sonnys_pipeline_tests.support.report_marts import SATURDAY, history, report

HOSTILE = [
    '=HYPERLINK("http://127.0.0.1/","x")', "+1+1", "-2+3", "@SUM(A1)", "\t=1+1", "\r=1+1", " =1+1", "\uff1d1+1",
    "{=1+1}", "http://127.0.0.1/", "12", "2026-03-01", "=1\n+1", "\x00=1", "'=1", "=" * 300,
]  # fmt: skip


def table(*names: str) -> Table:
    rows = tuple(Line((SATURDAY, name), (Decimal(at), Decimal("0.125"), None), name) for at, name in enumerate(names))
    values = (("Sales", Unit.MONEY), ("Share", Unit.SHARE), ("Net", Unit.COUNT))
    return Table("Sites", ("from", "site"), values, rows)


def read_csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def test_text_is_no_formula_in_xlsx(tmp_path: Path) -> None:
    """Every text is a string cell, also one that looks like a formula, a number, a date or an address."""
    path = tmp_path / "report.xlsx"
    write_tables([table(*HOSTILE)], path)

    sheet = openpyxl.load_workbook(path)["Sites"]
    for row in sheet.iter_rows(min_row=2):
        assert {cell.data_type for cell in row} <= {"s", "n", "d"}
        assert row[1].data_type == row[-1].data_type == "s"
        assert row[1].hyperlink is None
    assert sheet.cell(2, 2).value == HOSTILE[0]


def test_text_is_no_formula_in_csv(tmp_path: Path) -> None:
    """Nothing begins with a character that a spreadsheet takes for a formula, and nothing breaks out of its line."""
    path = tmp_path / "report.csv"
    write_tables([table(*HOSTILE)], path)

    lines = read_csv(path)
    assert len(lines) == 3 * len(HOSTILE)
    texts = [line[name] for line in lines for name in ("site", "reason", "table", "measure")]
    assert not [text for text in texts if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"))]
    assert all("\n" not in text for text in texts)


def test_cells_are_numbers_and_dates(tmp_path: Path) -> None:
    """In XLSX with formats of money, shares and dates; what is not known is an empty cell, not 0."""
    path = tmp_path / "report.xlsx"
    write_tables([table("Main Street")], path)

    day, name, sales, share, net, reason = openpyxl.load_workbook(path)["Sites"][2]
    assert (day.value, day.is_date) == (datetime(2026, 11, 21), True)  # noqa: DTZ001 - a spreadsheet has no zones
    assert (name.value, reason.value) == ("Main Street", "Main Street")
    assert (sales.value, sales.data_type, "$" in sales.number_format) == (0, "n", True)
    assert (share.value, share.number_format) == (0.125, "0.0%")
    assert net.value is None


def test_the_csv_has_a_line_for_each_value(tmp_path: Path) -> None:
    """Digits and a point, dates as YYYY-MM-DD; the reason stands beside what is not known only."""
    path = tmp_path / "report.csv"
    write_tables([table("Main Street")], path)

    lines = read_csv(path)
    assert [(line["measure"], line["unit"], line["value"], line["reason"]) for line in lines] == [
        ("Sales", "dollars", "0", ""), ("Share", "fraction", "0.125", ""), ("Net", "count", "", "Main Street"),
    ]  # fmt: skip
    assert {line["from"] for line in lines} == {"2026-11-21"}


@pytest.mark.parametrize("name", ["report.csv", "report.XLSX"])
def test_files_are_private_and_whole(tmp_path: Path, name: str) -> None:
    """Readable by their owner only, as pages may name customers' discounts; an old file is replaced in one step."""
    path = tmp_path / name
    path.write_text("old")
    path.chmod(0o644)
    write_tables([table("Main Street")], path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_bytes()[:3] != b"old"
    assert [found.name for found in tmp_path.iterdir()] == [name]


def test_another_suffix_and_a_missing_folder_are_refused(tmp_path: Path) -> None:
    """One line that says what to do."""
    with pytest.raises(ExportError, match=r"must end in \.csv or \.xlsx"):
        write_tables([table("Main Street")], tmp_path / "report.ods")
    with pytest.raises(ExportError, match="name a file in a directory that you can write to"):
        write_tables([table("Main Street")], tmp_path / "nowhere" / "report.csv")


def test_a_day_is_exported_as_its_page_shows_it(tmp_path: Path) -> None:
    """Sites with comparisons, week and month to date, trend, hours, tenders, discounts, findings; gaps have reasons."""
    made = report(
        history(),
        tenders=[("MAIN", "Credit", "Visa", "60.00")],
        discounts=[("MAIN", "=coupon", "7.00")],
        missing=[Gap(SATURDAY, "MESA", "its rows are not landed")],
    )
    path = tmp_path / "day.xlsx"
    write_tables(daily_tables(made), path)

    book = openpyxl.load_workbook(path)
    assert book.sheetnames == [
        "Sites", "Week to date", "Month to date", "Trend", "Cars per hour", "Tenders", "Discounts", "Data quality",
    ]  # fmt: skip
    heads = [cell.value for cell in book["Sites"][1]]
    main, mesa, everyone = (dict(zip(heads, [cell.value for cell in row], strict=True)) for row in book["Sites"][2:4])
    assert (main["site"], main["Cars"], main["Cars last week"], main["Sales mean of 4 weeks"]) == (
        "Main Street",
        100,
        100,
        1000,
    )
    assert (mesa["Cars"], mesa["reason"]) == (None, "its rows are not landed")
    assert (everyone["site"], everyone["Cars"]) == ("All sites", 100)
    week = dict(
        zip(
            [cell.value for cell in book["Week to date"][1]],
            [cell.value for cell in book["Week to date"][2]],
            strict=True,
        )
    )
    assert (week["from"].date(), week["to"].date(), week["Cars"]) == (date(2026, 11, 16), SATURDAY, 600)
    assert book["Discounts"].cell(2, 1).value == "=coupon"
