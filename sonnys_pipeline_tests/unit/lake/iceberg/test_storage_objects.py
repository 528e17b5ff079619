"""Iceberg tables in an object store: the same rows, whole days, and nothing of the credentials (EC-02)."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from pyiceberg.catalog import load_catalog
from pyiceberg.table import Table
from sqlalchemy.orm import Session

from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.doctor.machine import State, check_object_lake
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.iceberg import expiry, tables
from sonnys_pipeline.lake.iceberg.options import OPENED
from sonnys_pipeline.lake.query.statements import Queries
from sonnys_pipeline.lake.scans import landed_assets, scan
from sonnys_pipeline.lake.storage.objects import ObjectStorage
from sonnys_pipeline.lake.verification import damaged_files
from sonnys_pipeline.runtime.processes import file_writer
from sonnys_pipeline_tests.support.iceberg_rest import rest_catalog
from sonnys_pipeline_tests.support.servers import PASSWORD, S3Server
from sonnys_pipeline_tests.support.small_iceberg import DAY, NEXT, iceberg, rows
from sonnys_pipeline_tests.support.small_lake import rows_of, sites

pytestmark = pytest.mark.s3


@pytest.fixture
def root(s3_url: str) -> str:
    """A place in an empty bucket."""
    return f"{s3_url}/washes"


def test_metadata_that_was_just_written_is_not_read_again(root: str, tmp_path: Path, monkeypatch: Any) -> None:
    """A second day is committed upon the first, by the same process, without a request for what it knows."""
    lake = iceberg(root, catalog=f"sqlite:///{tmp_path}/catalog.sqlite")
    lake.land("transactions", rows("a"), partition=DAY)
    content, read = ObjectStorage.content, []
    monkeypatch.setattr(ObjectStorage, "content", lambda self, path: (read.append(str(path)), content(self, path))[1])

    lake.land("transactions", rows("b"), partition=NEXT)

    assert [path for path in read if "/metadata/" in path] == []
    assert lake.read("transactions", [DAY, NEXT], ["id"])["id"].to_pylist() == ["a", "b"]


def test_a_lake_may_be_a_whole_bucket(s3_url: str, tmp_path: Path) -> None:
    """Whose URL has no folder: tables are tables there, and nothing is landed as a plain file."""
    lake = iceberg(s3_url, catalog=f"sqlite:///{tmp_path}/catalog.sqlite")
    for note in ("first", "second"):
        lake.land("transactions", rows("a", note=note), partition=DAY)
    assert lake.snapshot().partitions("transactions") == [DAY]
    assert lake.read("transactions", [DAY])["note"].to_pylist() == ["second"]
    names = ObjectStorage(s3_url, has_tables=True).below(lake.root)
    assert {name.rpartition(".")[0] and name.split("/")[1] for name in names} == {"data", "metadata", "lake.json"}
    assert lake.storage.forget_versions(datetime.now(UTC)) > 0
    assert lake.storage.below(lake.root / "transactions") == [f"date={DAY}/part-0.parquet"]


@pytest.fixture
def lake(root: str, tmp_path: Path) -> Lake:
    """A lake of tables whose catalog is a file."""
    return iceberg(root, catalog=f"sqlite:///{tmp_path}/catalog.sqlite")


def table_of(s3_server: S3Server, file: Path, asset: str = "transactions") -> Table:
    """A table as another program opens it: by the catalog's file, and the store's own address."""
    catalog = load_catalog(
        "sonnys",
        **{
            "type": "sql",
            "uri": f"sqlite:///{file}",
            "s3.endpoint": s3_server.settings["AWS_ENDPOINT_URL"],
            "s3.access-key-id": "tester",
            "s3.secret-access-key": PASSWORD,
            "s3.region": "us-east-1",
        },
    )
    try:
        return catalog.load_table(("sonnys", asset))
    finally:
        catalog.engine.dispose()


def test_days_are_the_same_as_in_plain_parquet(root: str, lake: Lake, s3_server: S3Server, tmp_path: Path) -> None:
    """EC-02: tables, metadata, days, pages, views and checks; other programs read the tables."""
    plain, days = Lake(tmp_path / "parquet"), [date(2026, 3, 20), date(2026, 3, 21)]
    for one in (plain, lake):
        one.land("sites", sites())
        for day in days:
            one.land("transactions", rows_of(day), partition=day.isoformat(), metadata={"read": day.isoformat()})
        one.land("transactions", rows_of(days[0]), partition="2026-03-20", metadata={"read": "again"})
        one.land("gone", rows("a"), partition="2026-03-20")
        one.remove("gone", "2026-03-20")
        one.land_page("transactions", "page.html", "<p>", partition="2026-03-20")
    keys = [day.isoformat() for day in days]
    for one in (lake, Lake(root), lake.snapshot()):
        assert one.partitions("transactions") == keys
        assert landed_assets(one) == landed_assets(plain) == ["sites", "transactions"]
        assert one.read("transactions", keys).equals(plain.read("transactions", keys))
        assert one.read("sites").equals(plain.read("sites"))
        assert one.metadata("transactions", keys[0]) == {"read": "again"}
        assert one.page("transactions", "page.html", partition=keys[0]) == b"<p>"
        assert not one.has("gone", keys[0])
    ours, theirs = (scan(one, "transactions", keys, columns=["id", "total"]) for one in (lake, plain))
    assert ours.lazy_frame().collect().equals(theirs.lazy_frame().collect())
    assert ours.relation().fetchall() == theirs.relation().fetchall()
    sums = "SELECT date, count(*) AS rows, sum(total) AS dollars FROM transactions GROUP BY ALL ORDER BY ALL"
    assert Queries({"": lake}).run(sums).equals(Queries({"": plain}).run(sums))
    assert list(damaged_files(lake)) == []

    table = table_of(s3_server, tmp_path / "catalog.sqlite")
    assert sorted(table.scan(selected_fields=("id",)).to_arrow()["id"].to_pylist()) == sorted(
        plain.read("transactions", keys)["id"].to_pylist()
    )
    frame = pl.scan_iceberg(
        table,
        reader_override="pyiceberg",
    ).select("date", "id")
    assert frame.collect().height == table.scan().count() == len(plain.read("transactions", keys))


def test_the_catalog_is_beside_the_ledger(root: str, tmp_path: Path) -> None:
    """EC-02: a SQLite file of the state folder, which only the machine that has it can use; the lake says so."""
    given = {"data_url": root, "lake_format": "iceberg", "state_dir": tmp_path / "state"}
    lake = Workspace(Settings(**given)).lake
    assert lake.partitions("transactions") == []
    assert not list((tmp_path / "state").glob("iceberg-*")), "nothing is created by looking"
    with lake.writing("transactions"):
        lake.land("transactions", rows("a"), partition=DAY)
    (file,) = (tmp_path / "state").glob("iceberg-*.sqlite")
    assert json.loads(lake.storage.content(lake.root / ".iceberg" / "lake.json")) == {
        "catalog": f"sqlite:///{file.name}",
        "namespace": "sonnys",
    }
    assert list((tmp_path / "state" / "locks").glob("*-transactions.table.lock"))
    assert check_object_lake(Settings(**given)).state is State.OK

    elsewhere = Settings(**{**given, "state_dir": tmp_path / "other"})
    with pytest.raises(LakeError, match=r"sqlite, the catalog of s3://.*, is gone; .* Another machine needs SONNYS"):
        Workspace(elsewhere).lake.partitions("transactions")
    assert check_object_lake(elsewhere).state is State.PROBLEM
    named = Settings(**given, iceberg_catalog="https://catalog.test")
    with pytest.raises(LakeError, match=r"in the catalog sqlite:///iceberg-.*, and the settings name https://catalog"):
        Workspace(named).lake.land("transactions", rows("b"), partition=DAY)


def test_a_lake_keeps_its_format(lake: Lake, s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tables are not taken for an empty lake of plain Parquet, and plain files not for an empty lake of tables."""
    lake.land("transactions", rows("a"), partition=DAY)
    plain = Lake(str(lake.root), lake_format="parquet")
    for use in (
        lambda: plain.partitions("transactions"),
        lambda: plain.has("transactions", DAY),
        lambda: plain.land("transactions", rows("b"), partition=DAY),
    ):
        with pytest.raises(LakeError, match="washes is a lake of Iceberg tables; set SONNYS_LAKE_FORMAT=iceberg"):
            use()
    assert Lake(str(lake.root)).partitions("transactions") == [DAY]
    monkeypatch.delitem(OPENED, str(lake.root))
    with pytest.raises(LakeError, match=r"and open it as `Workspace\.of\(\)\.lake`"):
        Lake(str(lake.root)).partitions("transactions")

    Lake(f"{s3_url}/plain").land("transactions", rows("a"), partition=DAY)
    other = iceberg(f"{s3_url}/plain", catalog=f"sqlite:///{tmp_path}/other.sqlite")
    for use in (
        lambda: other.partitions("transactions"),
        lambda: other.land("transactions", rows("b"), partition=DAY),
    ):
        with pytest.raises(LakeError, match="plain is a lake of plain Parquet files; set SONNYS_LAKE_FORMAT=parquet"):
            use()
    assert not (tmp_path / "other.sqlite").exists()


def test_a_rest_catalog(root: str, tmp_path: Path) -> None:
    """The server keeps metadata in the bucket; days are landed, replaced and removed through it."""
    with rest_catalog(tmp_path / "rest.sqlite", ObjectStorage(root, has_tables=True)) as url:
        lake = iceberg(root, catalog=url)
        for note in ("first", "second"):
            lake.land("transactions", rows("a", note=note), partition=DAY)
        lake.land("transactions", rows("b"), partition=NEXT)
        assert lake.read("transactions", [DAY, NEXT])["note"].to_pylist() == ["second", "first"]
        lake.remove("transactions", NEXT)
        assert lake.partitions("transactions") == [DAY]


def test_replaced_versions_expire(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """With their files, which erasure needs; files that a dead writer left go too, those of a living one stay."""
    for note in ("first", "second"):
        lake.land("transactions", rows("a", note=note), partition=DAY)
    folder = lake.root / "transactions" / "data" / f"date={DAY}"
    machine = file_writer().rpartition("-")[0]
    names = {name: f"{name}-{'0' * 32}.parquet" for name in (f"{machine}-0", "elsewhere-1", file_writer())}
    for name in names.values():
        lake.storage.put(folder / name, lambda file: file.write(b"PAR1"))
    kept = {f"data/date={DAY}/{names[name]}" for name in ("elsewhere-1", file_writer())}
    assert lake.storage.forget_versions(datetime.now(UTC)) > 1
    assert set(lake.storage.below(lake.root / "transactions")) == {f"date={DAY}/part-0.parquet", *kept}
    monkeypatch.setattr(expiry.time, "time", lambda: datetime.now(UTC).timestamp() + 3700)
    assert lake.storage.forget_versions(datetime.now(UTC)) == len(kept)
    assert lake.read("transactions", [DAY])["note"].to_pylist() == ["second"]


class Killed(BaseException):
    """In place of a signal that ends the process."""


def test_an_overwrite_that_is_stopped_leaves_a_whole_day(
    lake: Lake, s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EC-02: stopped before and after each write to store and catalog, readers see the old day or the new one."""
    lake.land("transactions", rows("x"), partition=NEXT)
    moment, calls = 0, 0

    def stop_at(write: Callable[..., Any]) -> Callable[..., Any]:
        def written(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == moment:
                raise Killed
            answer = write(*args, **kwargs)
            calls += 1
            if calls == moment:
                raise Killed
            return answer

        return written

    put, remove, commit = ObjectStorage.put, ObjectStorage.remove, Session.commit
    old, new, seen = "0", 0, 0
    while True:
        calls, note = 0, f"stopped {moment}"
        with monkeypatch.context() as patched:
            patched.setattr(ObjectStorage, "put", stop_at(put))
            patched.setattr(ObjectStorage, "remove", stop_at(remove))
            patched.setattr(Session, "commit", stop_at(commit))
            try:
                lake.land("transactions", rows("a", "b", "c", note=note), partition=DAY)
                if moment:
                    break  # no such call
            except Killed:
                seen += 1
        with monkeypatch.context() as patched:
            patched.setattr(tables, "_tables", tables._tables.__wrapped__)  # a reader that remembers nothing
            ours = Lake(str(lake.root)).read("transactions", [DAY]).select(["id", "note"]).to_pylist()
        theirs = table_of(s3_server, tmp_path / "catalog.sqlite").scan(row_filter=f"date = '{DAY}'").to_arrow()
        assert ours == theirs.select(["id", "note"]).to_pylist()
        assert [row["id"] for row in ours] == ["a", "b", "c"]
        (read,) = {row["note"] for row in ours}
        assert read in {old, note}
        new, old = new + (read == note), read
        moment += 1
    assert seen >= 10
    assert 1 < new < seen
    assert lake.storage.forget_versions(datetime.now(UTC)) > 0
    assert sorted(set(lake.read("transactions", [DAY, NEXT])["note"].to_pylist())) == ["first", note]


def test_credentials_stay_out(lake: Lake, tmp_path: Path) -> None:
    """Of every object, of the catalog, and of errors."""
    lake.land("transactions", rows("a"), partition=DAY)
    lake.land("transactions", rows("b"), partition=DAY)
    files = ObjectStorage(str(lake.root), has_tables=True)
    written = {name: files.content(files.root / name) for name in files.below(files.root)}
    assert {name.rpartition(".")[2] for name in written} == {"parquet", "avro", "json"}
    written["catalog"] = (tmp_path / "catalog.sqlite").read_bytes()
    assert not [name for name, content in written.items() if PASSWORD.encode() in content or b"tester" in content]
