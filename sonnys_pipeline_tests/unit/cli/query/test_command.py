"""EC-02: `sonnys sql` prints or writes the result of queries, and only that."""

import json
import os
import signal
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from threading import Timer

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from sonnys_pipeline.cli import main
from sonnys_pipeline.cli.query import workbook
from sonnys_pipeline.cli.query.command import shell
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.query.statements import Queries


@pytest.fixture
def lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A table in the lake that the settings name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SONNYS_DATA_URL", str(tmp_path / "data"))
    lake = Lake(tmp_path / "data")
    lake.land("sites", pa.table({"code": ["S1", None], "lists": [[1], []]}))
    return lake


def sql(*arguments: str, stdin: str | None = None) -> Result:
    """Run `sonnys sql`."""
    return CliRunner().invoke(main, ["sql", *arguments], input=stdin)


def test_formats(lake: Lake, tmp_path: Path) -> None:
    """Each format has the same rows; stdout holds the result only."""
    assert sql("-c", "FROM sites", "--format", "csv").stdout == "code,lists\nS1,[1]\n,[]\n"
    assert json.loads(sql("-c", "FROM sites", "--format", "json").stdout) == {
        "columns": ["code", "lists"],
        "rows": [{"code": "S1", "lists": [1]}, {"code": None, "lists": []}],
    }
    written = sql("-c", "FROM sites", "--format", "parquet", "--out", str(tmp_path / "out.parquet"))
    assert (written.exit_code, written.stdout) == (0, "")
    assert pq.read_table(tmp_path / "out.parquet")["code"].to_pylist() == ["S1", None]
    assert "2 rows" in sql("-c", "FROM sites").stdout


def test_files_and_standard_input_are_scripts(lake: Lake, tmp_path: Path) -> None:
    """Several statements print several tables."""
    script = "SELECT 41 AS first; SELECT 42 AS second;"
    (tmp_path / "q.sql").write_text(script)
    for result in (sql("-f", str(tmp_path / "q.sql")), sql(stdin=script)):
        assert result.exit_code == 0
        assert "first" in result.stdout
        assert "42" in result.stdout


def test_errors_are_one_line_with_exit_code_1(lake: Lake) -> None:
    """DuckDB's hint is in it."""
    result = sql("-c", "SELECT cod FROM sites")
    assert (result.exit_code, result.stdout) == (1, "")
    assert 'Candidate bindings: "code"' in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("-c", "SELECT 1", "--format", "parquet"),
        ("-c", "SELECT 1; SELECT 2", "--format", "csv"),
        ("-c", "SELECT 1 AS a, 2 AS a", "--format", "json"),
        ("-c", ""),
    ],
)
def test_wrong_usage(lake: Lake, arguments: tuple[str, ...]) -> None:
    """What would lose a result is refused with exit code 2."""
    result = sql(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")


def test_accounts_are_schemas(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `--account`, all accounts and the tables across them; with it, that account's tables."""
    monkeypatch.setenv("SONNYS_ACCOUNTS", "north,south")
    for name in ("north", "south"):
        monkeypatch.setenv(f"SONNYS_{name.upper()}__API_ID", name)
        monkeypatch.setenv(f"SONNYS_{name.upper()}__API_KEY", name)
        Lake(tmp_path / "data" / name).land("sites", pa.table({"code": [name]}))
    Lake(tmp_path / "data" / "all_accounts").land("site_day_kpis", pa.table({"a": [7]}), partition="2026-03-10")

    across = "SELECT n.code, s.code AS other, a FROM north.sites n, south.sites s, all_accounts.site_day_kpis"
    assert sql("-c", across, "--format", "csv").stdout == "code,other,a\nnorth,south,7\n"
    one = sql("-c", "FROM sites", "--account", "south", "--format", "csv")
    assert one.stdout == "code\nsouth\n"


def test_the_shell_goes_on_after_an_error(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """A statement may take several lines; `exit` leaves."""
    lines: Iterator[str] = iter(["FROM nowhere;", "SELECT", "40 + 2 AS answer;", "exit", "SELECT 99;"])
    shell(Queries({"": lake}), lambda _: next(lines))
    shown = capsys.readouterr()
    assert "does not exist" in shown.err
    assert "42" in shown.out
    assert "99" not in shown.out


def test_the_shell_outlives_an_interrupt(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C leaves the statement that is being typed; `help` tells how to go on."""
    lines: Iterator[str | None] = iter(["SELECT 99", None, "help", "SELECT 40 + 2;", "exit"])

    def read(_: str) -> str:
        line = next(lines)
        if line is None:
            raise KeyboardInterrupt
        return line

    shell(Queries({"": lake}), read)
    shown = capsys.readouterr()
    assert "42" in shown.out
    assert "99" not in shown.out
    assert shown.err.count("SHOW TABLES; lists the tables") == 2


def test_ctrl_c_leaves_a_running_statement(lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    """DuckDB turns it into an error of its own; the shell goes on with the next statement."""
    lines: Iterator[str] = iter(
        ["SELECT sum(a.range * b.range) FROM range(10_000_000) a, range(100_000) b;", "SELECT 42;"]
    )

    def read(_: str) -> str:
        line = next(lines, "exit")
        if "sum" in line:
            Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        return line

    shell(Queries({"": lake}), read)
    shown = capsys.readouterr()
    assert "stopped" in shown.err
    assert "42" in shown.out


def test_export_names_tables_and_rows(lake: Lake, tmp_path: Path) -> None:
    """A directory that does not exist is refused in one line."""
    done = CliRunner().invoke(main, ["export", "--duckdb", str(tmp_path / "x.duckdb"), "--table", "sites"])
    assert (done.exit_code, done.stdout) == (0, "sites: 2 rows\n")
    lost = CliRunner().invoke(main, ["export", "--duckdb", str(tmp_path / "no" / "x.duckdb")])
    assert lost.exit_code == 1
    assert "cannot write" in lost.stderr


def test_nothing_is_written_among_landed_files(lake: Lake) -> None:
    """A path of the lake would replace what is landed there."""
    landed = lake.path("sites")
    before = Path(str(landed)).read_bytes()
    for arguments in (["sql", "-c", "FROM sites", "--format", "parquet", "--out"], ["export", "--duckdb"]):
        result = CliRunner().invoke(main, [*arguments, str(landed)])
        assert result.exit_code == 1
        assert "name a file elsewhere" in result.stderr
    assert Path(str(landed)).read_bytes() == before


def test_csv_has_no_formula(lake: Lake) -> None:
    """Names of items come from the API; numbers stay numbers."""
    asked = "SELECT '=1+1' AS \"+a\", -5 AS b, '-x' AS c, ['=1'] AS d"
    assert sql("-c", asked, "--format", "csv").stdout == '\'+a,b,c,d\n\'=1+1,-5,\'-x,"[""=1""]"\n'


def test_a_workbook_has_a_sheet_for_each_table_and_the_days_that_are_named(lake: Lake, tmp_path: Path) -> None:
    """Numbers, days and instants as such, text never as a formula; the file is its owner's."""
    at = datetime(2026, 11, 2, 7, tzinfo=UTC)
    for day in (1, 2, 3):
        rows = {"business_date": [date(2026, 11, day)], "cars": [day], "note": ["=1+1"], "at": [at], "share": [0.5]}
        more = {"sales": [Decimal("1204.50")], "listed": [True], "empty": [None]}
        lake.land("kpis", pa.table({**rows, **more}), partition=f"2026-11-0{day}")
    file = tmp_path / "november.xlsx"
    arguments = ["export", "--xlsx", str(file), "--table", "kpis", "--table", "sites"]
    refused = CliRunner().invoke(main, [*arguments, "--from", "2026-11-02"])
    assert (refused.exit_code, "sites has no days" in refused.stderr) == (1, True)
    assert not file.exists()
    done = CliRunner().invoke(main, [*arguments[:5], "--from", "2026-11-02", "--to", "2026-11-02"])
    assert (done.exit_code, done.stdout) == (0, "kpis: 1 rows\n")
    assert file.stat().st_mode & 0o077 == 0
    sheet = openpyxl.load_workbook(file)["kpis"]
    names = [cell.value for cell in sheet[1]]
    found = dict(zip(names, sheet[2], strict=True))
    assert found["business_date"].value == datetime(2026, 11, 2)  # noqa: DTZ001 - a spreadsheet's day
    assert (found["cars"].value, found["share"].value, found["empty"].value) == (2, 0.5, None)
    assert (found["note"].value, found["note"].data_type) == ("=1+1", "s")
    assert found["at"].value == at.replace(tzinfo=None)
    assert {name: found[name].number_format for name in ("cars", "sales", "share", "business_date")} == {
        "cars": "General", "sales": "#,##0.00", "share": "#,##0.00##", "business_date": "yyyy-mm-dd",
    }  # fmt: skip
    assert (found["sales"].value, found["listed"].value) == (1204.5, True)
    both = CliRunner().invoke(main, arguments)
    assert both.exit_code == 0
    assert openpyxl.load_workbook(file).sheetnames == ["kpis", "sites"]


@pytest.mark.parametrize(
    "arguments",
    [
        (), ("--xlsx", "a.xlsx"), ("--xlsx", "a.xlsx", "--duckdb", "a.duckdb"),
        ("--duckdb", "a.duckdb", "--from", "2026-11-01"), ("--xlsx", "a.xlsx", "--table", "sites", "--from", "soon"),
    ],
)  # fmt: skip
def test_what_an_export_needs_is_said(lake: Lake, arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(main, ["export", *arguments]).exit_code == 2


def test_more_rows_than_a_sheet_takes_are_refused(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "MOST_ROWS", 1)
    result = CliRunner().invoke(main, ["export", "--xlsx", str(tmp_path / "a.xlsx"), "--table", "sites"])
    assert (result.exit_code, "choose fewer days" in result.stderr) == (1, True)
    assert not (tmp_path / "a.xlsx").exists()
