"""RB-03, RB-04: nothing but whole files below an asset's folder, and nothing of killed writers stays anywhere."""

import errno
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import UnwritableLakeError
from sonnys_pipeline.lake.storage.folder import UNFINISHED, FolderStorage, make_folder
from sonnys_pipeline.runtime.processes import file_writer
from sonnys_pipeline_tests.support import small_iceberg

ASSET, DAY = "transactions", "2026-03-10"
ROWS = pa.table({"id": ["a", "b"]})
DIGITS = "0a1b" * 8
#: How often the overwrite of a day is killed.
KILLS = 50
WRITE = "sonnys_pipeline.lake.dataset.pq.write_table"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake in a folder."""
    return Lake(tmp_path / "data")


def files(lake: Lake) -> list[str]:
    """Everything under the root, hidden files included."""
    return sorted(lake.storage.below(lake.root))


def gone() -> int:
    """Id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize(
    "land",
    [
        lambda lake: lake.land(ASSET, ROWS, partition=DAY),
        lambda lake: lake.land("sites", ROWS),
        lambda lake: lake.land_page("daily_report", "report.html", "page", partition=DAY),
    ],
)
def test_a_file_is_not_below_its_asset_until_it_is_whole(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, land: Callable[[Lake], object]
) -> None:
    """Days, tables without days, pages: when the writing ends nothing is there yet, no folder either."""
    seen: list[tuple[list[str], list[str]]] = []
    sync = os.fsync

    def looked(handle: int) -> None:
        if not Path(f"/proc/self/fd/{handle}").is_dir():
            seen.append((sorted(path.name for path in lake.root.iterdir()), files(lake)))
        sync(handle)

    monkeypatch.setattr("os.fsync", looked)
    land(lake)
    ((folders, unfinished),) = seen
    assert folders == [UNFINISHED]
    assert len(unfinished) == 1
    assert not [name for name in files(lake) if name.startswith(UNFINISHED)]


def test_an_overwrite_that_is_killed_leaves_a_whole_day(lake: Lake, tmp_path: Path) -> None:
    """EC-02, RB-04: killed at 50 moments, readers see the old day or the new one, whole; as in Iceberg tables."""
    said, root = tmp_path / "calls", str(lake.root)
    lake.land("transactions", small_iceberg.rows("a", "b", note="0"), partition=small_iceberg.DAY)
    workers = multiprocessing.get_context("forkserver")
    workers.set_forkserver_preload([small_iceberg.land_plainly_and_die.__module__])

    def land(moment: int, note: str) -> int | None:
        one = workers.Process(target=small_iceberg.land_plainly_and_die, args=(root, moment, note, str(said)))
        one.start()
        one.join(60)
        return one.exitcode

    assert land(0, "1") == 0
    calls, old, seen = int(said.read_text(encoding="utf-8")), "1", set()
    assert calls > KILLS
    for number in range(KILLS):
        note = f"killed {number}"
        assert land(1 + number * (calls - 1) // (KILLS - 1), note) == -9
        read = lake.read("transactions", [small_iceberg.DAY])
        assert read["id"].to_pylist() == ["a", "b", "c"]
        (found,) = set(read["note"].to_pylist())
        assert found in {old, note}
        seen.add(found == note)
        old = found
    assert seen == {False, True}, "kills came before the file was in place, and after"
    assert land(0, "last") == 0
    assert set(lake.read("transactions", [small_iceberg.DAY])["note"].to_pylist()) == {"last"}
    assert files(lake) == [f"transactions/date={small_iceberg.DAY}/part-0.parquet"], "nothing of killed writers stays"


def test_new_folders_are_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """RB-03: after a power cut a day's folder is there as its file is: each folder that got a new name is synced."""
    synced: list[Path] = []
    sync = os.fsync

    def noted(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").readlink())
        sync(handle)

    monkeypatch.setattr("os.fsync", noted)
    make_folder(tmp_path / "data" / ASSET / f"date={DAY}")
    assert synced == [tmp_path, tmp_path / "data", tmp_path / "data" / ASSET]


@pytest.mark.parametrize(
    "place",
    [
        f"{UNFINISHED}/.part-0.parquet",
        f"{ASSET}/date=2026-01-01/.part-0.parquet",  # where earlier versions wrote them
        f"{ASSET}/.part-0.parquet",
        f"{ASSET}/date=2026-01-01/.report.html",
    ],
)
def test_leftovers_of_killed_writers_are_removed(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:  # fmt: skip
    """BM-03, BM-05: an unfinished file goes when its writer is dead, or long silent elsewhere; no other file does."""
    monkeypatch.setattr("sonnys_pipeline.runtime.processes.socket.gethostname", lambda: "node-1.local")
    here, dead = file_writer().rpartition("-")[0], gone()
    assert here.startswith("node_1_local_")
    names = {
        "dead": f"{here}-{dead}.{DIGITS}.tmp",
        "alive": f"{here}-{os.getpid()}.{DIGITS}.tmp",
        "another boot": f"node_1_local_00000000-{dead}.{DIGITS}.tmp",
        "elsewhere": f"node_2-{dead}.{DIGITS}.tmp",
        "long ago": f"node_2-7.{DIGITS}.tmp",
        "somebody's own": f"{here}-{dead}.tmp",
    }
    left = {who: Path(str(lake.root)) / f"{place}.{name}" for who, name in names.items()}
    for path in left.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"PAR1")
    os.utime(left["long ago"], (time.time() - 4000,) * 2)
    lake.land(ASSET, ROWS, partition=DAY)
    assert {who for who, path in left.items() if path.exists()} == {
        "alive", "another boot", "elsewhere", "somebody's own"
    }  # fmt: skip


def test_an_unfinished_file_names_its_writer(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """BM-05: what a killed process leaves is recognised as its own by whoever writes next, whatever that writes."""

    def killed(_table: pa.Table, file: object, **_options: object) -> None:
        (unfinished,) = (lake.root / UNFINISHED).iterdir()
        monkeypatch.undo()
        monkeypatch.setattr("sonnys_pipeline.runtime.processes.is_running", lambda process: process != os.getpid())
        Lake(lake.root).land("sites", ROWS)
        assert not unfinished.exists()
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(WRITE, killed)
    with pytest.raises(UnwritableLakeError):
        lake.land(ASSET, ROWS, partition=DAY)


def test_what_cannot_be_tidied_keeps_no_day_from_landing(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A leftover that may not be removed, or a folder that may not be listed, is not the day's trouble."""
    left = (
        Path(str(lake.root)) / UNFINISHED / f".part-0.parquet.{file_writer().rpartition('-')[0]}-{gone()}.{DIGITS}.tmp"
    )
    make_folder(left.parent)
    left.write_bytes(b"PAR1")

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refused)
        assert lake.land(ASSET, ROWS, partition=DAY).rows == 2
    assert left.exists()
    with monkeypatch.context() as patched:
        patched.setattr(FolderStorage, "below", refused)
        assert lake.land("sites", ROWS).rows == 2


def test_an_asset_on_another_file_system_lands_beside_its_place(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount or a link below the lake: nothing can be renamed into it from elsewhere, so it is as it was before."""
    replace = Path.replace

    def across(self: Path, target: Path) -> Path:
        if self.parent.name == UNFINISHED and target.parent.parent.name == ASSET:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", across)
    for _ in range(2):
        lake.land(ASSET, ROWS, partition=DAY)
        lake.land("sites", ROWS)
    assert files(lake) == ["sites/part-0.parquet", "transactions/date=2026-03-10/part-0.parquet"]


def test_a_disk_of_its_own_is_listed_all_the_same(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its `lost+found` is for root alone; any other folder that cannot be listed is an error."""
    lake.land("sites", ROWS)
    listed, locked = os.scandir, {"lost+found"}

    def guarded(path: str) -> object:
        if Path(path).name in locked:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return listed(path)

    monkeypatch.setattr("os.scandir", guarded)
    (lake.root / "lost+found").mkdir()
    assert files(lake) == ["sites/part-0.parquet"]
    locked.add("sites")
    with pytest.raises(PermissionError):
        files(lake)
