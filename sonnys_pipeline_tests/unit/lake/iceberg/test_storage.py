"""Landed files as Iceberg tables: the same lake for our readers, tables for others, whole days at every moment."""

import contextlib
import multiprocessing
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO
from unittest import mock

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.table import Table

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, NotLandedError, RowsWouldVanishError
from sonnys_pipeline.lake.iceberg.storage import IcebergStorage
from sonnys_pipeline.lake.iceberg.tables import Tables
from sonnys_pipeline.lake.query.statements import Queries
from sonnys_pipeline.lake.scans import landed_assets, scan
from sonnys_pipeline.lake.verification import damaged_files
from sonnys_pipeline_tests.support.small_iceberg import DAY, NEXT, iceberg, land_and_die, rows
from sonnys_pipeline_tests.support.small_lake import rows_of, sites

#: How often the overwrite of a day is killed.
KILLS = 50


def table_of(lake: Lake, asset: str = "transactions") -> Table:
    """A table as another program opens it: by the catalog's file."""
    catalog = load_catalog("sonnys", type="sql", uri=f"sqlite:///{lake.root}/.iceberg/catalog.sqlite")
    try:
        return catalog.load_table(("sonnys", asset))
    finally:
        catalog.engine.dispose()


def test_days_are_the_same_as_in_plain_parquet(tmp_path: Path) -> None:
    """EC-02: tables, metadata, days and views of a lake do not depend on its format."""
    lakes = [Lake(tmp_path / "parquet"), iceberg(tmp_path / "iceberg")]
    days = [date(2026, 3, 20), date(2026, 3, 21)]
    for lake in lakes:
        lake.land("sites", sites())
        for day in days:
            lake.land("transactions", rows_of(day), partition=day.isoformat(), metadata={"read": day.isoformat()})
        lake.land("transactions", rows_of(days[0]), partition="2026-03-20", metadata={"read": "again"})
        lake.land("empty", rows(), partition="2026-03-20")
    plain, tables = lakes
    keys = [day.isoformat() for day in days]
    assert tables.partitions("transactions") == plain.partitions("transactions") == keys
    assert landed_assets(tables) == landed_assets(plain) == ["empty", "sites", "transactions"]
    assert tables.read("transactions", keys).equals(plain.read("transactions", keys))
    assert tables.read("sites").equals(plain.read("sites"))
    assert tables.read("empty", ["2026-03-20"]).equals(plain.read("empty", ["2026-03-20"]))
    assert tables.metadata("transactions", keys[0]) == {"read": "again"}
    assert (
        scan(tables, "transactions", keys)
        .lazy_frame()
        .collect()
        .equals(scan(plain, "transactions", keys).lazy_frame().collect())
    )
    sums = "SELECT date, count(*) AS rows, sum(total) AS dollars FROM transactions GROUP BY ALL ORDER BY ALL"
    assert Queries({"": tables}).run(sums).equals(Queries({"": plain}).run(sums))
    assert list(damaged_files(tables)) == []
    assert Lake(tables.root).read("sites").num_rows == sites().num_rows, "the lake itself says what its format is"


def test_other_programs_read_the_tables(tmp_path: Path) -> None:
    """EC-02: pyiceberg, Polars' own reader, and DuckDB by way of Arrow; the day is a column of the table."""
    lake = iceberg(tmp_path)
    lake.land("transactions", rows("a", "b"), partition=DAY)
    lake.land("transactions", rows("c"), partition=NEXT)
    lake.land("transactions", rows("a", "b", "d", note="second"), partition=DAY)
    expected = [(date(2026, 11, 10), name, "second") for name in "abd"] + [(date(2026, 11, 11), "c", "first")]
    table = table_of(lake)

    arrow = table.scan(row_filter=f"date = '{NEXT}'", selected_fields=("date", "id", "items")).to_arrow()
    assert arrow.to_pylist() == [{"date": date(2026, 11, 11), "id": "c", "items": [{"sku": "W1", "net": 12.5}]}]
    with mock.patch.dict("os.environ", POLARS_ICEBERG_PLANNER="pyiceberg"):
        frame = pl.scan_iceberg(table).select("date", "id", "note").sort("date", "id").collect()
    assert frame.rows() == expected
    everything = table.scan().to_arrow()
    with duckdb.connect() as connection:
        connection.register("transactions", everything)
        assert connection.sql("SELECT date, id, note FROM transactions ORDER BY ALL").fetchall() == expected
    assert not [file for file in table.inspect.files().to_pylist() if file["lower_bounds"] or file["upper_bounds"]], (
        "bounds of columns in the metadata would hold names"
    )


def test_an_overwrite_that_is_killed_leaves_a_whole_day(tmp_path: Path) -> None:
    """EC-02: killed at 50 calls, readers see the old day or the new one, whole; the next landing succeeds."""
    lake, said = iceberg(tmp_path / "data"), tmp_path / "calls"
    lake.land("transactions", rows("x"), partition=NEXT)
    lake.land("transactions", rows("a", "b", note="0"), partition=DAY)
    workers = multiprocessing.get_context("forkserver")
    workers.set_forkserver_preload([land_and_die.__module__, IcebergStorage.__module__])

    def land(moment: int, note: str) -> int | None:
        one = workers.Process(target=land_and_die, args=(str(tmp_path / "data"), moment, note, str(said)))
        one.start()
        one.join(60)
        return one.exitcode

    assert land(0, "1") == 0
    calls = int(said.read_text(encoding="utf-8"))
    kept, new, old = 0, 0, "1"
    for number in range(KILLS):
        note = f"killed {number}"
        assert land(1 + number * calls // KILLS, note) == -9
        ours = lake.read("transactions", [DAY]).to_pylist()
        theirs = table_of(lake).scan(row_filter=f"date = '{DAY}'").to_arrow()
        assert [row["id"] for row in ours] == ["a", "b", "c"]
        assert {row["note"] for row in ours} in ({old}, {note})
        assert theirs.sort_by("id").to_pylist() == ours
        assert lake.partitions("transactions") == [DAY, NEXT]
        (old,) = {row["note"] for row in ours}
        kept, new = kept + (old != note), new + (old == note)
    assert kept, "no kill came before the commit"
    assert new, "no kill came after the commit"
    assert land(0, "last") == 0
    assert set(lake.read("transactions", [DAY])["note"].to_pylist()) == {"last"}
    lake.storage.forget_versions(datetime.now(UTC))
    assert len(list((tmp_path / "data").rglob("*.parquet"))) == 2, "files of killed writers are deleted"


def test_the_days_of_one_change_are_seen_as_one(tmp_path: Path) -> None:
    """A commit of several tables that was interrupted is read whole, and finished by the next writer."""
    lake = iceberg(tmp_path)
    for asset in ("transactions", "transaction_states"):
        lake.land(asset, rows("a"), partition=DAY)
    put, done = IcebergStorage.put, []

    def interrupted(storage: IcebergStorage, path: Path, write: Callable[[BinaryIO], object]) -> int:
        if path.name == "part-0.parquet" and ".staged" not in path.parts:
            done.append(path)
            if len(done) == 2:
                raise KeyboardInterrupt
        return put(storage, path, write)

    def land_both() -> None:
        with lake.together() as group:
            group.belong_together()
            for asset in ("transactions", "transaction_states"):
                group.land(asset, rows("a", "b", note="second"), partition=DAY)

    with mock.patch.object(IcebergStorage, "put", interrupted), pytest.raises(KeyboardInterrupt):
        land_both()
    for again in range(2):
        for asset in ("transactions", "transaction_states"):
            assert lake.read(asset, [DAY])["note"].to_pylist() == ["second"] * 2
            assert pq.read_table(lake.current_paths(asset, [DAY])[0])["id"].to_pylist() == ["a", "b"]
        if not again:
            with lake.writing("transactions"):
                pass
    assert table_of(lake, "transaction_states").scan().to_arrow()["note"].to_pylist() == ["second"] * 2


def test_columns_are_added_by_the_format(tmp_path: Path) -> None:
    """EC-02: a column of a later day is null in the earlier ones, for every reader; another type is refused."""
    lake = iceberg(tmp_path)
    lake.land("transactions", rows("a"), partition=DAY)
    lake.land("transactions", rows("b").append_column("tip", pa.array([1.5])), partition=NEXT)
    table = table_of(lake)
    assert table.scan(selected_fields=("id", "tip")).to_arrow().sort_by("id").to_pylist() == [
        {"id": "a", "tip": None},
        {"id": "b", "tip": 1.5},
    ]
    assert table.schema().find_field("tip").field_type.__class__.__name__ == "DoubleType"
    with pytest.raises(LakeError, match=r"transactions 2026-11-10: the columns do not fit .* tip"):
        lake.land("transactions", rows("b").append_column("tip", pa.array(["much"])), partition=DAY)
    assert lake.read("transactions", [DAY])["id"].to_pylist() == ["a"]
    with pytest.raises(LakeError, match="Iceberg has no such type"):
        lake.land("durations", pa.table({"lasted": pa.array([timedelta(1)])}))
    with pytest.raises(LakeError, match="the table was made with days"):
        lake.land("transactions", rows("a"))


def test_earlier_landings_of_a_day_can_be_read(tmp_path: Path) -> None:
    """EC-02: time travel; replaced versions expire by the policy, with their files, and never the current one."""
    lake = iceberg(tmp_path, keep_days=7)
    storage = lake.storage
    assert isinstance(storage, IcebergStorage)
    for note in ("first", "second", "third"):
        lake.land("transactions", rows("a", note=note), partition=DAY)
    table = table_of(lake)
    assert [one.summary["sonnys.partition"] for one in table.snapshots() if one.summary] == [DAY] * 3
    notes = [table.scan(snapshot_id=one.snapshot_id).to_arrow()["note"].to_pylist() for one in table.snapshots()]
    assert notes == [["first"], ["second"], ["third"]]

    storage.now = lambda: datetime.now(UTC) + timedelta(days=7)
    lake.land("transactions", rows("a", note="fourth"), partition=DAY)
    assert len(table_of(lake).snapshots()) == 4, "they expire together, once a day"
    storage.now = lambda: datetime.now(UTC) + timedelta(days=9)
    lake.land("transactions", rows("a", note="fifth"), partition=DAY)
    assert len(table_of(lake).snapshots()) == 1
    assert lake.read("transactions", [DAY])["note"].to_pylist() == ["fifth"]
    assert len(list(tmp_path.rglob("*.parquet"))) == 1
    assert len(list(tmp_path.rglob("snap-*.avro"))) == 1


def test_a_removed_day_is_no_day(tmp_path: Path) -> None:
    """A day is removed from the table; the remedy for an empty read names what can be done."""
    lake = iceberg(tmp_path)
    lake.land("transactions", rows("a"), partition=DAY)
    lake.land("transactions", rows("b"), partition=NEXT)
    lake.remove("transactions", DAY)
    lake.remove("transactions", DAY)
    lake.remove("never", DAY)
    assert lake.partitions("transactions") == [NEXT]
    with pytest.raises(NotLandedError, match="transactions: not landed: 2026-11-10"):
        lake.read("transactions", [DAY])
    assert table_of(lake).scan().to_arrow()["id"].to_pylist() == ["b"]
    with pytest.raises(RowsWouldVanishError):
        lake.land("transactions", rows(), partition=NEXT, may_empty=False)
    lake.land("transactions", rows("a", note="again"), partition=DAY)
    assert lake.partitions("transactions") == [DAY, NEXT]


def test_two_writers_never_give_a_day_two_files(tmp_path: Path) -> None:
    """A commit that was lost to another machine is planned anew: of the same new day, the later landing stays."""
    lake = iceberg(tmp_path)
    lake.land("transactions", rows("x"), partition=NEXT)
    other = Lake(tmp_path)
    before = Table.transaction
    raced: list[int] = []

    def race(table: Table) -> object:
        change = before(table)
        if not raced:
            raced.append(1)
            other.land("transactions", rows("a", note="faster"), partition=DAY)
        return change

    def no_lock(*_: object) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    with mock.patch.object(Tables, "writing", no_lock), mock.patch.object(Table, "transaction", race):
        lake.land("transactions", rows("a", "b", note="slower"), partition=DAY)
    assert other.read("transactions", [DAY])["note"].to_pylist() == ["slower"] * 2
    assert table_of(lake).scan().to_arrow().num_rows == 3


def test_pages_stay_files(tmp_path: Path) -> None:
    """What is no table is a file beside it, as in a lake of plain Parquet."""
    lake = iceberg(tmp_path)
    lake.land("daily_report", rows("a"), partition=DAY)
    lake.land_page("daily_report", "report.html", "<p>", partition=DAY)
    assert lake.page("daily_report", "report.html", partition=DAY) == b"<p>"
    assert (tmp_path / "daily_report" / f"date={DAY}" / "report.html").exists()
    assert sorted(lake.storage.below(lake.root / "daily_report")) == [
        f"date={DAY}/part-0.parquet",
        f"date={DAY}/report.html",
    ]
    assert lake.size("daily_report", DAY) == len(lake.storage.content(lake.path("daily_report", DAY)))
