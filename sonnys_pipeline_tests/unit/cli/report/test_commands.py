"""KPIS, DG-03: `sonnys report`: which day it takes, what it prints and where, what it refuses and with which code."""

import csv
import importlib
import json
import webbrowser
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import openpyxl
import pyarrow as pa
import pytest
from click.testing import CliRunner
from click.testing import Result as Typed

from sonnys_pipeline.cli import main
from sonnys_pipeline.config.revisit import Look
from sonnys_pipeline.lake.changes import CHANGES
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.verified import Result, Verification, record
from sonnys_pipeline_tests.support.tickets import without_v2
from sonnys_pipeline_tests.unit.quality.test_late_edits import changes

Land = Callable[..., Lake]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The lake of this test, and no `.env` from outside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SONNYS_DATA_URL", str(tmp_path / "data"))


def run(*arguments: str) -> Typed:
    return CliRunner().invoke(main, ["report", *arguments], prog_name="sonnys")


def at(monkeypatch: pytest.MonkeyPatch, moment: datetime) -> None:
    """Let the command run at a moment."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return moment.astimezone(tz)

    monkeypatch.setattr(importlib.import_module("sonnys_pipeline.cli.report.commands"), "datetime", Clock)


def test_the_default_is_the_last_whole_day(land: Land):
    """Standard output is the page's path and nothing else; what it says in a sentence is on standard error."""
    lake = land(10)

    result = run()

    assert result.exit_code == 0
    path = Path(result.stdout.strip())
    assert path == lake.root / "daily_report" / "date=2026-03-20" / "report.html"
    assert path.exists()
    assert "cars and $" in result.stderr


def test_a_morning_whose_day_is_not_landed_says_so(land: Land, monkeypatch: pytest.MonkeyPatch):
    """KT-03: terminal, document and page say which day is missing, why, and that this is the day before."""
    lake = land(10)

    at(monkeypatch, datetime(2026, 3, 23, 9, tzinfo=UTC))
    result, document = run(), json.loads(run("--json").stdout)

    said = (
        "Saturday, 2026-03-21 is missing: the transactions of 2026-03-22 are not landed. This is the report of "
        "2026-03-20, the last complete day."
    )
    assert f"error: {said}" in result.stderr
    assert document["findings"][0]["severity"] == "error"
    assert document["findings"][0]["text"].startswith(said)
    assert said in Path(result.stdout.strip()).read_text()
    assert "is missing: the tran" not in run("--date", "2026-03-18").stderr
    at(monkeypatch, datetime(2026, 3, 22, 9, tzinfo=UTC))
    assert "is missing: the tran" not in run().stderr  # the 21st ends in today's partition
    assert lake.partitions("transactions")[-1] == "2026-03-21"


def test_a_day_that_is_asked_for(land: Land):
    """Another day than the last."""
    land(10)

    result = run("--date", "2026-03-18")

    assert result.exit_code == 0
    assert "date=2026-03-18" in result.stdout


def test_json_has_the_headline_numbers(land: Land):
    """One document on standard output: day, path, figures with what they are compared with, findings.

    Beside them the sums up to the day, each site's, and as of when they are compared.
    """
    land()

    result = run("--json")

    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["business_date"] == "2026-03-20"
    assert document["bytes"] == Path(document["path"]).stat().st_size
    cars = document["figures"]["cars"]
    assert cars["value"] > 0
    assert cars["last_week"] > 0
    assert (cars["weeks"], cars["unknown"]) == (4, None)
    assert document["voids"]["voided_items"]["unknown"] is None
    assert document["sites"] == 4
    assert document["missing_sites"] == []
    assert all({"severity", "text"} == set(finding) for finding in document["findings"])
    week, month = document["to_date"]["week"], document["to_date"]["month"]
    assert (week["first"], week["through"], month["first"]) == ("2026-03-16", "2026-03-20", "2026-03-01")
    assert week["figures"]["cars"]["value"] == sum(site["figures"]["cars"]["value"] for site in week["sites"])
    assert week["figures"]["cars"]["before"] > 0
    assert month["figures"]["sales"]["value"] > week["figures"]["sales"]["value"]
    assert datetime.fromisoformat(document["compared_as_of"]).tzinfo is not None


@pytest.mark.parametrize(
    ("option", "asset", "first"), [("--week", "weekly", "2026-03-09"), ("--month", "monthly", "2026-03-01")]
)
def test_a_week_or_month_has_a_page_of_its_own(land: Land, option: str, asset: str, first: str):
    """Of the period with the day; the figures are printed as JSON, too."""
    lake = land()

    result = run(option, "--date", "2026-03-11", "--json")

    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["path"] == str(lake.root / f"{asset}_report" / f"date={first}" / "report.html")
    assert document["bytes"] == Path(document["path"]).stat().st_size
    assert (document["kind"], document["first"]) == (option.removeprefix("--"), first)
    assert document["figures"]["cars"]["value"] == sum(day["figures"]["cars"] for day in document["days"])
    assert document["months"][-1]["first"] == "2026-03-01"
    assert "cars and $" in result.stderr


def test_the_default_week_is_that_of_the_last_whole_day(land: Land):
    """Up to that day; it and the page's path are printed."""
    lake = land(14)

    result = run("--week")

    assert result.stdout.strip() == str(lake.root / "weekly_report" / "date=2026-03-16" / "report.html")
    assert "counted up to Fri, Mar 20" in result.stderr


def test_a_period_that_is_not_landed_is_one_line(land: Land):
    """After and before what is landed: exit code 1, and nothing is written."""
    lake = land(3)

    for option, day in (("--week", "2026-05-06"), ("--month", "2026-01-06"), ("--week", "1999-01-01")):
        result = run(option, "--date", day)
        assert result.exit_code == 1
        assert len(result.stderr.splitlines()) == 1
        assert "landed" in result.stderr
    assert not (lake.root / "weekly_report").exists()
    assert not (lake.root / "monthly_report").exists()


@pytest.mark.parametrize("options", [(), ("--week",), ("--month",)])
@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_export_writes_what_the_page_shows(land: Land, tmp_path: Path, suffix: str, options: tuple[str, ...]):
    """Beside the page, for its owner only; the numbers are those of the JSON document."""
    land(24)  # the whole month up to the 20th
    path = tmp_path / f"numbers.{suffix}"

    result = run(*options, "--export", str(path), "--json")

    assert result.exit_code == 0
    document = json.loads(result.stdout)
    assert document["export"] == str(path)
    assert path.stat().st_mode & 0o777 == 0o600
    cars = document["figures"]["cars"]["value"]
    if suffix == "csv":
        (line,) = (
            line
            for line in csv.DictReader(path.read_text(encoding="utf-8").splitlines())
            if (line["table"], line["site"], line["measure"]) == ("Sites", "All sites", "Cars")
        )
        assert float(line["value"]) == cars
    else:
        *_, last = openpyxl.load_workbook(path)["Sites"].iter_rows(values_only=True)
        assert last[3:5] == ("All sites", cars)


def test_an_export_that_is_neither_is_wrong_usage(land: Land, tmp_path: Path):
    """Exit code 2 before anything is read or written; a folder that is not there is exit code 1."""
    lake = land(3)

    result = run("--export", str(tmp_path / "numbers.ods"))

    assert result.exit_code == 2
    assert "must end in .csv or .xlsx" in result.stderr
    assert not (lake.root / "daily_report").exists()
    assert run("--export", str(tmp_path / "nowhere" / "numbers.csv")).exit_code == 1


def test_json_has_null_and_the_reason_where_nothing_is_known(land: Land):
    """Rows as they come live, without states: null, never 0."""
    lake = land(10)
    for day in lake.partitions("transactions"):
        lake.land("transactions", without_v2(lake.read("transactions", [day]).drop_columns("date")), partition=day)

    result = run("--json")

    document = json.loads(result.stdout)
    for found in (
        document["figures"]["net_cars"], document["figures"]["net_sales"], document["voids"]["voided_transactions"],
        document["voids"]["unsettled"],
    ):  # fmt: skip
        assert found["value"] is None
        assert "transaction_status: no row of this day has it" in found["unknown"]
    assert "Not known: transaction_status" in result.stderr


@pytest.mark.parametrize(
    ("given", "said"), [("2026-13-01", "not a day"), ("yesterday", "YYYY-MM-DD"), ("2999-01-01", "has not begun")]
)
def test_a_date_that_is_none_is_wrong_usage(land: Land, given: str, said: str):
    """Exit code 2, one line, nothing on standard output."""
    land(3)

    result = run("--date", given)

    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("given", "command"),
    [("2026-03-25", "--partition-range 2026-03-25...2026-03-26"), ("2026-03-10", "--partition 2026-03-10")],
)
def test_a_day_that_is_not_landed_names_the_command(land: Land, given: str, command: str):
    """Exit code 1, one line with the partitions that are missing and what to type; no page."""
    lake = land(11)

    result = run("--date", given)

    assert result.exit_code == 1
    assert f"dagster asset materialize -m sonnys_pipeline.definitions --select transactions {command}" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert not (lake.root / "daily_report").exists()


def test_a_day_that_is_not_over_names_no_command(land: Land):
    """Today cannot be landed yet: there is nothing to type but to wait."""
    land(3)

    result = run("--date", f"{datetime.now(UTC):%Y-%m-%d}")

    assert result.exit_code == 1
    assert "is not over; try again afterwards" in result.stderr
    assert "dagster" not in result.stderr


def test_an_empty_lake_names_the_command(tmp_path: Path):
    """Nothing is landed at all."""
    result = run()

    assert result.exit_code == 1
    assert str(tmp_path / "data") in result.stderr
    assert "dagster asset materialize" in result.stderr


def test_open_shows_the_page(land: Land, monkeypatch: pytest.MonkeyPatch):
    """The browser of the machine gets the page's address."""
    lake = land(3)
    shown: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda address: shown.append(address) or True)

    assert run("--open").exit_code == 0
    assert shown == [(lake.root / "daily_report" / "date=2026-03-20" / "report.html").as_uri()]


def test_without_a_browser_the_page_is_still_made(land: Land, monkeypatch: pytest.MonkeyPatch):
    """A server has none: the message says so, the path is printed, and the command has done its work."""
    land(3)
    monkeypatch.setattr(webbrowser, "open", lambda _: False)

    result = run("--open")

    assert result.exit_code == 0
    assert "has no browser" in result.stderr
    assert Path(result.stdout.strip()).exists()


def test_a_lake_that_cannot_be_written_is_one_line(land: Land):
    """A file lies where the folder of reports should be."""
    lake = land(3)
    (lake.root / "daily_report").write_text("in the way")

    result = run()

    assert result.exit_code == 1
    assert "cannot write" in result.stderr
    assert isinstance(result.exception, SystemExit)


@pytest.mark.parametrize("day", ["0001-01-01", "0001-01-02", "1999-12-31", "2026-01-01"])
@pytest.mark.parametrize("with_rows", [True, False])
def test_a_day_long_ago_is_refused(land: Land, day: str, with_rows: bool):
    """However long ago: one line, no calendar is exceeded."""
    if with_rows:
        land(10)

    result = run("--date", day)

    assert isinstance(result.exception, SystemExit)
    assert result.exit_code in {1, 2}
    (line,) = result.stderr.splitlines()
    assert day in line


@pytest.mark.parametrize(
    ("start", "days_ago", "said"),
    [
        ("2000-01-01", 100, "land it first: dagster asset materialize -m sonnys_pipeline.definitions --select"),
        (f"{datetime.now(UTC).date() - timedelta(days=50)}", 100, "Partitions begin at SONNYS_START_DATE"),
        ("2000-01-01", 400, "The API only keeps days from"),
    ],
)
def test_a_day_before_the_landed_ones_names_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str, days_ago: int, said: str
):
    """The command that lands it, or what is in its way: the first partition, or what the API keeps."""
    monkeypatch.setenv("SONNYS_START_DATE", start)
    today = datetime.now(UTC).date()
    Lake(tmp_path / "data").land(
        "transactions", pa.table({"id": ["1"]}), partition=f"{today - timedelta(days=10)}", metadata={}
    )

    result = run("--date", f"{today - timedelta(days=days_ago)}")

    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert f"the first landed day is {today - timedelta(days=10)}" in line
    assert said in line


def test_the_page_says_since_when_the_day_is_complete(land: Land):
    """KT-01: complete as of the last look at the day's rows; while they differ from the API, the page warns instead."""
    lake = land(10)
    days = ["2026-03-20", "2026-03-21"]  # the business day's partitions
    moment = datetime(2026, 3, 22, 10, tzinfo=UTC)
    record(lake, "UTC", [Verification(day, Look.STATES, moment) for day in days])

    page = Path(run().stdout.strip()).read_text()
    assert "The rows of Mar 20 are complete as of Mar 22, 2026, 10:00 am UTC." in page

    record(lake, "UTC", [Verification(days[1], Look.STATES, moment, Result.DIFFERENT, "1 total changed: 1:1")])
    page = Path(run().stdout.strip()).read_text()
    assert "complete as of" not in page
    assert "Rows of 2026-03-21 differ from the API" in page


def test_late_edits_are_told_as_text_and_as_json(tmp_path: Path) -> None:
    """KT-02: how late edits come, by which look they were found, and which policy fits; no page is written."""
    lake = Lake(tmp_path / "data")
    assert run("--late-edits").output == "no landed transaction was found changed so far\n"
    lake.land(CHANGES, changes(("1:1", 30.0, "states", "edited", "total")), partition="2026-03-12")
    assert run("--late-edits").stdout.splitlines()[1:] == ["found by: states 1", "the policy fits"]
    document = json.loads(run("--late-edits", "--json").stdout)
    assert document == {
        "changed": 1,
        "p50_hours": 30.0,
        "p95_hours": 30.0,
        "last_hours": 30.0,
        "found_by": {"states": 1},
        "later_than_looked_for": [],
        "recommended_days": {"full": 4, "states": 35, "count": 183},
    }
    assert not (tmp_path / "data" / "daily_report").exists()
