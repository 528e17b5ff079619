"""EC-02: everything landed is read by SQL, and nothing is written."""

import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
import sqlalchemy

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.query.statements import Queries, QueryError, split
from sonnys_pipeline.landing.dimensions.tables import ITEMS
from sonnys_pipeline.marts.frequency.columns import WASH_FREQUENCY
from sonnys_pipeline.marts.kpi_columns import ITEM_MIX
from sonnys_pipeline_tests.support.landed_marts import land_marts, land_people_and_members
from sonnys_pipeline_tests.support.small_lake import LAST, land  # noqa: F401 - a fixture

PAGE = (Path(__file__).parents[4] / "docs" / "sql.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(r"### \d+\. (.*?)\n\n[^`]*```sql\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two days of two rows and a table without days."""
    lake = Lake(tmp_path / "data")
    for day in ("2026-03-10", "2026-03-11"):
        lake.land("transactions", pa.table({"id": ["a", "b"]}), partition=day)
    lake.land("sites", pa.table({"code": ["S1"]}))
    return lake


def test_the_page_has_twenty_questions_whose_figures_are_the_kpis(land) -> None:  # noqa: F811 - the fixture
    """Each query runs on a small lake; cars and sales of the page are those of `site_day_kpis`."""
    lake = land(9)
    days = [LAST - timedelta(days=back) for back in range(8)]
    land_marts(lake, days)
    land_people_and_members(lake)
    kpis = lake.read("site_day_kpis", [day.isoformat() for day in days]).to_pylist()
    queries = Queries({"": lake})

    results = [queries.run(query) for _, query in QUESTIONS]

    assert len(results) == 20
    by_question = {question: result for (question, _), result in zip(QUESTIONS, results, strict=True)}
    by_site = by_question["How many cars did each site wash, and what did it sell?"].to_pylist()
    by_day = by_question["How did the chain do day by day?"].to_pylist()
    for rows in (by_site, by_day):
        assert sum(row["cars"] for row in rows) == sum(row["total_cars"] for row in kpis)
        assert sum(Decimal(str(row["sales"])) for row in rows) == sum(Decimal(str(row["sales"])) for row in kpis)
    landed = by_question["What is landed, and how many rows has each day?"]
    assert landed.column_names == ["date", "rows"]
    assert landed.num_rows == 9
    of_people = {
        "How many memberships of each plan and status were there on a day?": [("Gold", "Active", 1, 30.0)],
        "How many members joined and left in each month, and how many were active on its last known day?": [
            (date(2026, 3, 1), "MAIN", 4, 2, 6, 0, 21)
        ],
        "In which hours do cars come, and how many for each hour of labor?": [(9, 35, 8.0)],
        "What is sold most?": [("Wash", "Deluxe", 4, Decimal("30.00"))],
        "What does labor cost, for each car and of sales?": [
            ("MAIN", Decimal("8.0000"), Decimal("100.00"), 2.5, 0.2),
        ],
    }
    for question, expected in of_people.items():
        assert [tuple(row.values()) for row in by_question[question].to_pylist()] == expected
    (unused,) = by_question["What is outstanding on gift cards and washbooks?"].to_pylist()
    assert (unused["business_date"], unused["liability"]) == (date(2026, 3, 11), Decimal("70.00"))
    empty = {question for question, result in by_question.items() if not result.num_rows}
    assert empty <= {"Which days are missing between the first and the last?", "Which figures are not known, and why?"}


def test_sold_items_are_set_beside_the_list_price_of_their_day(tmp_path: Path) -> None:
    """RS-03: the page's query: by number, else by name; the version that held on the day; null before the first one."""
    query = re.findall(r"## List prices\n.*?```sql\n(.*?)```", PAGE, re.DOTALL)[0]
    first, second, third = date(2026, 3, 9), date(2026, 3, 10), date(2026, 3, 11)
    lake = Lake(tmp_path / "data")

    def sold(day: date, item: str, sku: str | None) -> dict[str, Any]:
        nothing = {
            field.name: Decimal(0) if pa.types.is_decimal(field.type) else 0 for field in ITEM_MIX if not field.nullable
        }
        return nothing | {
            "site": "MAIN", "business_date": day, "department": "Wash", "item": item, "sku": sku, "quantity": 2,
            "net": Decimal("15.00"),
        }  # fmt: skip

    for day in (first, second, third):
        rows = [sold(day, "Deluxe", "W1"), sold(day, "Towel", None), sold(day, "Gone", "W9")]
        lake.land("item_mix", pa.Table.from_pylist(rows, ITEM_MIX), partition=day.isoformat())

    def listed(item: str, sku: str | None, price: float, since: date, until: date | None, at: str) -> dict[str, Any]:
        names = {"name": item, "sku": sku, "price_at_site": price, "site_location": at}
        return {**dict.fromkeys(ITEMS.schema.names), **names, "valid_from": since, "valid_to": until}

    prices = [
        listed("Deluxe wash", "W1", 8.0, second, third, "main"),
        listed("Deluxe wash", "W1", 9.0, third, None, "main"),
        listed("Deluxe wash", "W1", 99.0, second, None, "MESA"),
        listed("Towel", "T1", 3.0, second, None, "main"),
    ]
    lake.land(
        "items", pa.Table.from_pylist([{**row, "is_current": not row["valid_to"]} for row in prices], ITEMS.schema)
    )

    found = Queries({"": lake}).run(query).to_pylist()

    assert {(row["business_date"], row["item"]): row["list_price"] for row in found} == {
        (first, "Deluxe"): None, (first, "Towel"): None, (first, "Gone"): None,
        (second, "Deluxe"): 8.0, (second, "Towel"): 3.0, (second, "Gone"): None,
        (third, "Deluxe"): 9.0, (third, "Towel"): 3.0, (third, "Gone"): None,
    }  # fmt: skip
    assert len(found) == 9
    assert {row["net_per_piece"] for row in found} == {7.5}


def test_the_members_of_each_site_by_their_washes(tmp_path: Path) -> None:
    """RS-03: the page's query: the last day that is known, without the washes that name no customer."""
    query = dict(QUESTIONS)["How often do members wash?"]
    known, unknown = date(2026, 3, 10), date(2026, 3, 11)
    lake = Lake(tmp_path / "data")
    nothing: dict[str, Any] = dict.fromkeys(WASH_FREQUENCY.names)
    counted = [("7:1", "MAIN", 1), ("8:1", "MAIN", 4), ("9:1", "MAIN", 7), ("10:1", "MESA", 2), (None, None, 90)]
    for day in (known - timedelta(days=1), known, unknown):
        rows = [
            nothing
            | {"business_date": day, "customer_id": customer, "site_most_used": site}
            | {"member_washes": {known: washes}.get(day, None if day == unknown else 99)}
            for customer, site, washes in counted
        ]
        lake.land("wash_frequency", pa.Table.from_pylist(rows, WASH_FREQUENCY), partition=day.isoformat())

    found = Queries({"": lake}).run(query).to_pylist()

    assert [tuple(row.values()) for row in found] == [("MAIN", 3, 4.0, 4.0, 1, 1, 1), ("MESA", 1, 2.0, 2.0, 0, 1, 0)]


def test_all_tables_are_listed(lake: Lake) -> None:
    """SHOW TABLES has assets with days and without."""
    assert Queries({"": lake}).run("SHOW TABLES")["name"].to_pylist() == ["sites", "transactions"]


def test_the_day_is_a_column(lake: Lake) -> None:
    """`date` comes from the path."""
    rows = Queries({"": lake}).run("SELECT date, count(*) AS n FROM transactions GROUP BY 1 ORDER BY 1").to_pylist()
    assert [(str(row["date"]), row["n"]) for row in rows] == [("2026-03-10", 2), ("2026-03-11", 2)]


def test_several_lakes_are_schemas(lake: Lake, tmp_path: Path) -> None:
    """One statement joins accounts; an account without rows is empty."""
    south = Lake(tmp_path / "south")
    south.land("sites", pa.table({"code": ["S2"]}))
    queries = Queries({"north": lake, "south": south, "west": Lake(tmp_path / "west")})
    rows = queries.run("SELECT code FROM north.sites UNION ALL SELECT code FROM south.sites ORDER BY code")
    assert rows["code"].to_pylist() == ["S1", "S2"]


@pytest.mark.s3
def test_an_object_store_is_read_alike(s3_url: str) -> None:
    """The views need no extension of DuckDB's for a bucket."""
    lake = Lake(f"{s3_url}/lake")
    lake.land("transactions", pa.table({"id": ["a"]}), partition="2026-03-10")
    assert Queries({"": lake}).run("SELECT id FROM transactions")["id"].to_pylist() == ["a"]


@pytest.mark.parametrize(
    "statement",
    [
        "COPY (SELECT 1) TO '{out}'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{out}'",
        "ATTACH '{out}' AS other",
        "CREATE TABLE mine AS SELECT 1",
        "EXPORT DATABASE '{out}'",
        "SET enable_external_access = true",
        "PRAGMA enable_profiling",
        "INSTALL httpfs",
        "SELECT 1; COPY (SELECT 1) TO '{out}'",
        "FROM read_text('{secret}')",
        "FROM '{secret}'",
    ],
)
def test_nothing_is_written_or_read_elsewhere(lake: Lake, tmp_path: Path, statement: str) -> None:
    """Each way out of the views is refused in one line; no file appears."""
    secret = tmp_path / "secret.csv"
    secret.write_text("a\n1\n")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(QueryError) as refused:
        Queries({"": lake}).run(statement.format(out=tmp_path / "out", secret=secret))
    assert "\n" not in str(refused.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_errors_have_the_hint_in_one_line(lake: Lake) -> None:
    """DuckDB's own suggestion is kept."""
    with pytest.raises(QueryError, match=r'does not exist! Did you mean "sites"\? SHOW TABLES lists'):
        Queries({"": lake}).run("FROM site")


def test_a_script_is_split() -> None:
    """A semicolon in a text does not end a statement."""
    assert split("SELECT ';'; SHOW TABLES;") == ["SELECT ';';", "SHOW TABLES;"]
    with pytest.raises(QueryError, match="syntax error"):
        split("SELEC 1")


def test_a_database_file_holds_the_tables(lake: Lake, tmp_path: Path) -> None:
    """Another DuckDB opens it without the lake; it is its owner's only, and nothing is left beside it."""
    file = tmp_path / "it's.duckdb"
    lake.land("pages_raw", pa.table({"page": ["x"]}))
    queries = Queries({"": lake, "north": lake})
    for _ in range(2):  # the second replaces the first
        rows = queries.save(file)
    assert rows == {"sites": 1, "transactions": 4, "north.sites": 1, "north.transactions": 4}
    lake.path("sites").unlink()
    with duckdb.connect(str(file), read_only=True) as database:
        assert database.sql("SELECT code FROM sites").fetchall() == [("S1",)]
        assert database.sql("SELECT count(DISTINCT date) FROM north.transactions").fetchall() == [(2,)]
    assert file.stat().st_mode & 0o777 == 0o600
    assert sorted(one.name for one in tmp_path.iterdir()) == ["data", "it's.duckdb"]


def test_a_database_file_opens_with_what_bi_tools_bring(lake: Lake, tmp_path: Path) -> None:
    """Read-only through SQLAlchemy, with the views listed, by drivers that are built on DuckDB 1.0 and later, too.

    Version 64 of the format is that of DuckDB 1.0; DuckDB 2 writes another by default, which no older one opens.
    """
    file = tmp_path / "lake.duckdb"
    prices = {"sku": ["1"], "valid_from": [date(2026, 11, 1)], "valid_to": [None], "is_current": [True]}
    lake.land("prices", pa.table(prices))
    rows = Queries({"": lake}).save(file)

    assert int.from_bytes(file.read_bytes()[12:20], "little") == 64
    engine = sqlalchemy.create_engine(f"duckdb:///{file}", connect_args={"read_only": True})
    with engine.connect() as connection:
        listed = dict(
            connection.execute(sqlalchemy.text("SELECT table_name, table_type FROM information_schema.tables")).all()
        )
        assert listed == {**dict.fromkeys(rows, "BASE TABLE"), "prices_now": "VIEW"}
        count = sqlalchemy.select(sqlalchemy.func.count())
        counts = {name: connection.scalar(count.select_from(sqlalchemy.table(name))) for name in listed}
        assert counts == {**rows, "prices_now": 1}
        with pytest.raises(sqlalchemy.exc.ProgrammingError, match="read-only"):
            connection.execute(sqlalchemy.text("DROP TABLE prices"))
    engine.dispose()


def test_a_table_that_is_not_landed_is_not_exported(lake: Lake, tmp_path: Path) -> None:
    """The message names those that are; no file is written."""
    with pytest.raises(QueryError, match="site: not landed; landed are sites, transactions"):
        Queries({"": lake}).save(tmp_path / "x.duckdb", ["site"])
    assert [one.name for one in tmp_path.iterdir()] == ["data"]


def test_a_history_is_asked_for_now_and_for_any_day(lake: Lake, tmp_path: Path) -> None:
    """In queries, of one of several lakes, and in a database file, wherever that is opened."""
    rows = [
        {"sku": "1", "price": 5.0, "valid_from": None, "valid_to": date(2026, 11, 3), "is_current": False},
        {"sku": "1", "price": 6.0, "valid_from": date(2026, 11, 3), "valid_to": None, "is_current": True},
        {"sku": "2", "price": 9.0, "valid_from": date(2026, 11, 1), "valid_to": date(2026, 11, 2), "is_current": False},
    ]
    days = [("valid_from", pa.date32()), ("valid_to", pa.date32()), ("is_current", pa.bool_())]
    schema = pa.schema([("sku", pa.string()), ("price", pa.float64()), *days])
    lake.land("prices", pa.Table.from_pylist(rows, schema))
    queries = Queries({"": lake})
    truth = {"2026-11-01": [("1", 5.0), ("2", 9.0)], "2026-11-02": [("1", 5.0)], "2026-11-03": [("1", 6.0)]}

    def pairs(table: pa.Table) -> list[tuple[str, float]]:
        assert table.column_names == ["sku", "price"]
        return sorted((row["sku"], row["price"]) for row in table.to_pylist())

    for day, expected in truth.items():
        assert pairs(queries.run(f"FROM prices_as_of('{day}')")) == expected
        assert pairs(Queries({"north": lake}).run(f"FROM north.prices_as_of(DATE '{day}')")) == expected
    assert pairs(queries.run("FROM prices_now")) == [("1", 6.0)]
    file = tmp_path / "copied.duckdb"
    queries.save(file, ["prices"])
    moved = file.rename(tmp_path / "elsewhere.duckdb")
    with duckdb.connect(str(moved), read_only=True) as opened:
        assert pairs(opened.sql("FROM prices_as_of('2026-11-02')").to_arrow_table()) == [("1", 5.0)]
        assert pairs(opened.sql("FROM prices_now").to_arrow_table()) == [("1", 6.0)]
    Queries({"north": lake}).save(file, ["north.prices"])
    with duckdb.connect(str(file), read_only=True) as opened:
        assert pairs(opened.sql("FROM north.prices_now").to_arrow_table()) == [("1", 6.0)]
