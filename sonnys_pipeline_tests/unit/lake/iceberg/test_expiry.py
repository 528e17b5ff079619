"""Which earlier versions go, and which files with them."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.iceberg import expiry
from sonnys_pipeline.lake.iceberg.storage import IcebergStorage
from sonnys_pipeline.lake.storage.folder import FolderStorage
from sonnys_pipeline.runtime.processes import file_writer
from sonnys_pipeline_tests.support.small_iceberg import DAY, NEXT, iceberg, rows


def table_of(lake: Lake) -> Table:
    """The table of `transactions` now."""
    assert isinstance(lake.storage, IcebergStorage)
    current = lake.storage.tables.current("transactions")
    assert current is not None
    return current.to_change()


def notes(table: Table) -> list[list[str]]:
    """The notes of each snapshot's rows."""
    return [table.scan(snapshot_id=one.snapshot_id).to_arrow()["note"].to_pylist() for one in table.snapshots()]


def test_snapshots_stay_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """New days leave no snapshots: nothing was replaced. Of replaced versions only so many stay, the newest ones."""
    monkeypatch.setattr(expiry, "MOST_VERSIONS", 2)
    monkeypatch.setattr(expiry, "_AT_ONCE", 3)
    lake = iceberg(tmp_path)
    for number in range(1, 5):
        lake.land("transactions", rows(str(number), note="new"), partition=f"2026-11-0{number}")
    assert notes(table_of(lake)) == [["new"] * 4]
    for number in range(5):
        lake.land("transactions", rows("1", note=f"version {number}"), partition="2026-11-01")
    found = [sorted(set(each) - {"new"}) for each in notes(table_of(lake))]
    assert found == [["version 2"], ["version 3"], ["version 4"]]
    assert sorted(set(lake.read("transactions", lake.partitions("transactions"))["note"].to_pylist())) == [
        "new",
        "version 4",
    ]


def test_a_tag_keeps_its_snapshot(tmp_path: Path) -> None:
    """A reader's tag or branch stays, with its files."""
    lake = iceberg(tmp_path)
    for note in ("first", "second", "third"):
        lake.land("transactions", rows("a", note=note), partition=DAY)
    first = table_of(lake).snapshots()[0].snapshot_id
    table_of(lake).manage_snapshots().create_tag(first, "audited").commit()
    lake.storage.forget_versions(datetime.now(UTC))
    assert notes(table_of(lake)) == [["first"], ["third"]]


def test_files_of_interrupted_commits_go(tmp_path: Path) -> None:
    """Files of a dead writer at once, those of another machine when they are old; a commit under way keeps its own."""
    lake = iceberg(tmp_path)
    lake.land("transactions", rows("a"), partition=DAY)
    lake.land("transactions", rows("b"), partition=NEXT)
    folder = tmp_path / "transactions" / "data" / f"date={DAY}"
    (current,) = folder.iterdir()
    machine = file_writer().rpartition("-")[0]
    dead, old = folder / f"{machine}-0-{'0' * 32}.parquet", folder / f"elsewhere-1-{'0' * 32}.parquet"
    new, ours = folder / f"elsewhere-2-{'0' * 32}.parquet", folder / f"{file_writer()}-{'0' * 32}.parquet"
    for path in (dead, old, new, ours):
        path.write_bytes(b"PAR1")
    os.utime(old, (1e9, 1e9))
    assert lake.storage.forget_versions(datetime.now(UTC)) >= 2
    assert sorted(folder.iterdir()) == sorted([current, new, ours])
    assert lake.read("transactions", [DAY])["id"].to_pylist() == ["a"]


def test_a_file_that_cannot_be_removed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the remedy; the current version stays."""
    lake = iceberg(tmp_path)
    for note in ("first", "second"):
        lake.land("transactions", rows("a", note=note), partition=DAY)

    def refused(path: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refused)
        with pytest.raises(LakeError, match=r"cannot remove .* \(Permission denied\); fix its permissions"):
            lake.storage.forget_versions(datetime.now(UTC))
    assert lake.read("transactions", [DAY])["note"].to_pylist() == ["second"]


def test_another_machine_may_be_faster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Snapshots that are gone already are not missed."""
    lake = iceberg(tmp_path)
    for note in ("first", "second", "third"):
        lake.land("transactions", rows("a", note=note), partition=DAY)
    drop, raced = expiry._drop, []

    def race(table: Table, old: Sequence[Snapshot]) -> None:
        if not raced:
            raced.append(True)
            drop(table_of(lake), old)
        drop(table, old)

    monkeypatch.setattr(expiry, "_drop", race)
    lake.storage.forget_versions(datetime.now(UTC))
    assert raced
    assert notes(table_of(lake)) == [["third"]]


def test_trouble_with_old_versions_stops_no_landing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The day is landed when they expire; the log says that they stay, and why."""
    lake = iceberg(tmp_path, keep_days=0)
    lake.land("transactions", rows("a"), partition=DAY)
    assert isinstance(lake.storage, IcebergStorage)
    lake.storage.now = lambda: datetime.now(UTC) + timedelta(days=2)

    def refused(_: FolderStorage, place: Path) -> None:
        raise LakeError(f"cannot remove {place}")

    monkeypatch.setattr(FolderStorage, "remove", refused)
    lake.land("transactions", rows("a", note="second"), partition=DAY)
    assert lake.read("transactions", [DAY])["note"].to_pylist() == ["second"]
    assert "earlier versions of transactions stay until another file of it is landed: cannot remove" in caplog.text
