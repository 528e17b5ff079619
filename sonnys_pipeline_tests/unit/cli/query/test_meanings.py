"""EC-02: tables and columns are explained where analysts work: in `sonnys sql` and in the database file."""

from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from click.testing import CliRunner

from sonnys_pipeline.cli import main
from sonnys_pipeline.cli.query.meanings import meanings
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.sites.versions import SITES
from sonnys_pipeline.marts.people.columns import LABOR_DAILY


def test_every_table_and_column_is_explained() -> None:
    """Histories, days of people, and marts, too."""
    found = meanings()
    assert {"transactions", "customers", "clock_entries", "giftcard_liability", "wash_frequency"} <= found.keys()
    assert all(meaning.table and "\n" not in meaning.table for meaning in found.values())
    assert set(LABOR_DAILY.names) <= found["labor_daily"].columns.keys()
    assert set(SITES.names) <= found["sites"].columns.keys()


def test_they_are_comments_in_queries_and_in_the_database_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each column of a table and of the view of its present rows has one, and so has the macro of a day."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SONNYS_DATA_URL", str(tmp_path / "data"))
    lake = Lake(tmp_path / "data")
    lake.land("sites", SITES.empty_table())
    lake.land("labor_daily", LABOR_DAILY.empty_table(), partition="2026-11-10")
    lake.land("mine", pa.table({"it's": [1]}))

    ask = "SELECT comment FROM duckdb_columns() WHERE table_name = 'labor_daily' AND column_name = 'labor_cost'"
    asked = CliRunner().invoke(main, ["sql", "-c", ask, "--format", "csv"])
    assert "Regular hours times regular rate" in asked.stdout

    exported = CliRunner().invoke(main, ["export", "--duckdb", "lake.duckdb"])
    assert exported.exit_code == 0, exported.stderr
    with duckdb.connect("lake.duckdb", read_only=True) as database:
        unexplained = "SELECT table_name FROM duckdb_columns() WHERE NOT internal AND comment IS NULL"
        assert database.sql(unexplained).fetchall() == [("mine",)]
        tables = dict(database.sql("SELECT table_name, comment FROM duckdb_tables()").fetchall())
        assert tables["labor_daily"].startswith("Per site and business day: hours worked")
        views = "SELECT view_name, comment FROM duckdb_views() WHERE NOT internal"
        assert database.sql(views).fetchall() == [("sites_now", "Present rows of sites.")]
        macros = "SELECT function_name, comment FROM duckdb_functions() WHERE NOT internal"
        assert [(name, text.split(" that")[0]) for name, text in database.sql(macros).fetchall()] == [
            ("sites_as_of", "Rows of sites")
        ]
