"""DG-05: days, columns and sites of an asset, pushed down into the Parquet reader; what cannot be read says why."""

import re
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, NotLandedError
from sonnys_pipeline.lake.scans import Scan, scan

DAYS = ["2026-03-11", "2026-03-10"]


def rows(day: str, sites: int = 3, each: int = 1) -> pa.Table:
    """A day's rows, sorted by site."""
    codes = [f"S{site}" for site in range(sites) for _ in range(each)]
    return pa.table(
        {
            "id": [f"{day}-{number}" for number in range(len(codes))],
            "location_code": codes,
            "at": pa.array([datetime.fromisoformat(day).replace(tzinfo=UTC)] * len(codes), pa.timestamp("us", "UTC")),
            "items": [[{"name": "Wash", "net": 1.5}]] * len(codes),
        }
    )


@pytest.fixture
def folder(tmp_path: Path) -> Lake:
    """Two days, below a folder whose name looks like a partition and like a pattern."""
    return with_two_days(Lake(tmp_path / "lake=1 [a]*?"))


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.s3)])
def lake(request: pytest.FixtureRequest) -> Lake:
    """The same, and in a bucket: rows come out of both in the same forms."""
    if request.param == "folder":
        return request.getfixturevalue("folder")
    return with_two_days(Lake(f"{request.getfixturevalue('s3_url')}/lake=1 [a]*"))


def with_two_days(lake: Lake) -> Lake:
    """The lake, with rows of two days in it."""
    for day in DAYS:
        lake.land("transactions", rows(day), partition=day)
    return lake


def test_every_form_has_the_same_rows_in_the_same_columns(lake):
    """Days in the order that they are asked for, `date` first, lists of structs as they are."""
    wanted = scan(lake, "transactions", DAYS, columns=["items", "id", "at"])

    expected = [
        {"date": date.fromisoformat(day), **{name: row[name] for name in ("items", "id", "at")}}
        for day in DAYS
        for row in rows(day).to_pylist()
    ]
    assert wanted.columns == ("date", "items", "id", "at")
    assert wanted.table().to_pylist() == expected
    assert wanted.relation().to_arrow_table().to_pylist() == expected
    assert wanted.lazy_frame().collect().to_dicts() == expected
    frame = wanted.frame()
    assert list(frame.columns) == list(wanted.columns)
    assert frame["id"].tolist() == [row["id"] for row in expected]


def test_only_rows_of_the_sites_that_are_asked_for(lake):
    """The column of the site codes need not be among those asked for; a code without rows has none."""
    wanted = scan(lake, "transactions", DAYS, columns=["id"], sites=["S2", "S0", "elsewhere"])

    expected = [f"{day}-{number}" for day in DAYS for number in (0, 2)]
    assert wanted.table()["id"].to_pylist() == expected
    assert wanted.frame()["id"].tolist() == expected
    assert [row[1] for row in wanted.relation().fetchall()] == expected
    assert wanted.lazy_frame().collect()["id"].to_list() == expected
    assert wanted.table().column_names == ["date", "id"]
    assert scan(lake, "transactions", DAYS, sites=["elsewhere"]).table().num_rows == 0


@pytest.mark.parametrize("column", ["location_code", "site", "code"])
def test_a_site_is_known_by_the_name_that_the_asset_has_for_it(lake, column):
    """`location_code` in transactions, `site` in what is counted by site, `code` in sites, where it may be null."""
    lake.land("of_sites", pa.table({column: ["A", None, "B"], "value": [1, 2, 3]}))

    wanted = scan(lake, "of_sites", sites=["B"])

    assert wanted.columns == (column, "value")
    assert wanted.table().to_pylist() == [{column: "B", "value": 3}]
    assert wanted.relation().fetchall() == [("B", 3)]
    assert wanted.lazy_frame().collect().rows() == [("B", 3)]


def test_duckdb_decodes_only_what_is_asked_for(folder):
    """Columns and sites stand in the Parquet scan of its plan, and a filter on `date` leaves whole files out."""
    wanted = scan(folder, "transactions", DAYS, columns=["id"], sites=["S1"]).relation()

    plan = re.sub(r"[│\s]+", " ", wanted.filter("date = DATE '2026-03-10'").explain())
    in_scan = plan[plan.index("Function: PARQUET_SCAN") :]
    assert "location_code" in in_scan
    assert "'S1'" in in_scan
    assert "items" not in in_scan
    assert "Total Files Read: 1" in in_scan or "1/2" in in_scan


def test_polars_decodes_only_what_is_asked_for(folder):
    """Columns and sites stand in the Parquet scan of its plan, also those that the user adds."""
    wanted = scan(folder, "transactions", DAYS, sites=["S1"]).lazy_frame().select("id")

    plan = wanted.explain()
    assert "PROJECT 2/5 COLUMNS" in plan
    assert re.search(r'SELECTION:.*"location_code".*"S1"', plan)


def test_a_site_is_found_without_reading_the_others(tmp_path):
    """A large day has several row groups, each with a few sites only: readers skip those without the site."""
    lake = Lake(tmp_path)
    lake.land("transactions", rows("2026-03-10", sites=10, each=2000), partition="2026-03-10")

    metadata = pq.read_metadata(lake.path("transactions", "2026-03-10"))
    place = metadata.schema.names.index("location_code")
    sites = [metadata.row_group(number).column(place).statistics for number in range(metadata.num_row_groups)]
    assert len(sites) > 2
    assert sum(found.min <= "S7" <= found.max for found in sites) == 1
    assert scan(lake, "transactions", ["2026-03-10"], sites=["S7"]).table().num_rows == 2000


def test_rows_are_read_when_they_are_asked_for(lake):
    """A lazy form that is made before a day is landed anew has the new rows."""
    wanted = scan(lake, "transactions", DAYS, columns=["id"])
    relation = wanted.relation()
    lake.land("transactions", rows("2026-03-10", each=2), partition="2026-03-10")

    assert relation.aggregate("count(*)").fetchall() == [(9,)]
    assert wanted.lazy_frame().select(pl.len()).collect().item() == 9


def test_days_that_are_not_landed_are_named(lake):
    """All of them, as long as they are few; the remedy is beside them."""
    with pytest.raises(NotLandedError, match="not landed: 2026-03-12, 2026-03-13; materialize them first"):
        scan(lake, "transactions", ["2026-03-10", "2026-03-12", "2026-03-13"])
    with pytest.raises(NotLandedError, match=r"2026-01-20 and 10 more days; materialize them first"):
        scan(lake, "transactions", [f"2026-01-{day:02d}" for day in range(1, 31)])
    with pytest.raises(NotLandedError, match="sites: not landed; materialize it first"):
        scan(lake, "sites")
    with pytest.raises(NotLandedError, match="no day"):
        scan(lake, "transactions", [])


def test_what_a_file_does_not_have_is_named(lake):
    """Columns that are not there, and sites of something that has none."""
    lake.land("plain", pa.table({"value": [1]}))

    with pytest.raises(LakeError, match=r"no column nonsense; it has id, location_code, at, items"):
        scan(lake, "transactions", DAYS, columns=["id", "nonsense"])
    with pytest.raises(LakeError, match="none of the columns location_code, code, site"):
        scan(lake, "plain", sites=["A"])
    with pytest.raises(LakeError, match="`sites` is empty"):
        scan(lake, "transactions", DAYS, sites=[])


def test_a_later_file_without_the_column_of_sites_is_named(lake):
    """Its rows would all count as rows of no site: found before anything is read, whichever day it is."""
    lake.land("transactions", rows("2026-03-12").drop_columns("location_code"), partition="2026-03-12")

    with pytest.raises(LakeError, match=r"date=2026-03-12.* has no column location_code; materialize it again"):
        scan(lake, "transactions", [*DAYS, "2026-03-12"], sites=["S1"])
    assert scan(lake, "transactions", [*DAYS, "2026-03-12"], columns=["id"]).table().num_rows == 9


def test_a_damaged_file_is_named(lake):
    """Not Parquet at all; the message says what to do."""
    path = lake.path("transactions", "2026-03-10")
    path.write_bytes(b"not parquet")

    with pytest.raises(LakeError, match="cannot be read as Parquet") as caught:
        scan(lake, "transactions", DAYS)
    assert str(path) in str(caught.value)


def test_damage_behind_an_intact_footer_is_an_error_of_the_lake(lake):
    """The footer is fine and the rows are not: an error that names the folder, not one of the library."""
    path = lake.path("transactions", "2026-03-10")
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(content)

    with pytest.raises(LakeError, match="materialize the damaged days again"):
        scan(lake, "transactions", DAYS).table()


@pytest.mark.parametrize(("package", "form"), [("pandas", Scan.frame), ("polars", Scan.lazy_frame)])
def test_without_an_optional_package_the_message_names_the_extra(package, form, lake, monkeypatch):
    """Pandas and Polars are optional; the error says what to install."""
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(LakeError, match=rf"{package} is not installed: pip install 'sonnys-pipeline\[{package}\]'"):
        form(scan(lake, "transactions", DAYS))


def test_the_partitions_day_is_not_landed_twice(folder):
    """What was read with `date` can be landed as it is; a column of that name with other days is refused."""
    table = scan(folder, "transactions", ["2026-03-10"], columns=["id", "location_code"]).table()

    folder.land("own", table, partition="2026-03-10")

    assert pq.read_schema(folder.path("own", "2026-03-10")).names == ["id", "location_code"]
    assert scan(folder, "own", ["2026-03-10"]).table().to_pylist() == table.to_pylist()
    with pytest.raises(LakeError, match="rename the column"):
        folder.land("own", table, partition="2026-03-11")


def test_a_page_is_put_in_its_place_in_one_step(folder):
    """Readable by owner and group; a second one replaces the first and leaves nothing beside it."""
    for text in ("first", "second, with “signs”"):
        path = folder.land_page("daily_report", "report.html", text, partition="2026-03-10")

    assert path == folder.root / "daily_report" / "date=2026-03-10" / "report.html"
    assert path.read_text(encoding="utf-8") == "second, with “signs”"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("values", [[True, None], [None, None], [True, False]])
def test_a_flag_that_may_be_unknown_is_nullable_in_pandas(tmp_path, values):
    """The same type whether it is known of all rows, of some or of none: sums work, and null is no False."""
    flag = pa.field("is_recurring_plan_sale", pa.bool_())
    Lake(tmp_path).land("t", pa.table({"is_recurring_plan_sale": pa.array(values, pa.bool_())}, pa.schema([flag])))
    frame = scan(Lake(tmp_path), "t", None).frame()
    assert str(frame["is_recurring_plan_sale"].dtype) == "boolean"
    assert frame["is_recurring_plan_sale"].isna().sum() == values.count(None)
    assert frame["is_recurring_plan_sale"].sum() == values.count(True)
