"""DG-02, BM-03 and decisions 5 and 6: where files lie, how they get there whole or not at all, how to read."""

import errno
import os
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, NotLandedError, RowsWouldVanishError, UnwritableLakeError
from sonnys_pipeline.lake.locks.files import FileLocks
from sonnys_pipeline.runtime.processes import this_machine

ASSET, DAY = "transactions", "2026-03-10"
OLD = pa.table({"id": ["a", "b"], "total": [1.0, 2.0]})
NEW = pa.table({"id": ["c"], "total": [3.0]})


@pytest.fixture
def folder(tmp_path: Path) -> Lake:
    """A lake in a folder."""
    return Lake(tmp_path / "data")


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.s3)])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """A lake in a folder, and one in a bucket: what holds of one holds of the other."""
    if request.param == "folder":
        return Lake(tmp_path / "data")
    url = f"{request.getfixturevalue('s3_url')}/data"
    return Lake(url, locks=FileLocks(tmp_path / "locks", of=url))


def files(lake: Lake) -> list[str]:
    """Everything under the root, hidden files included."""
    return sorted(str(path).removeprefix(f"{lake.root}/") for path in lake.root.rglob("*") if path.is_file())


def test_the_layout_is_hive_style(lake: Lake) -> None:
    """`{asset}/date=YYYY-MM-DD/part-0.parquet`, and without the day for other assets; nothing beside it."""
    landed = lake.land(ASSET, OLD, partition=DAY)
    lake.land("sites", NEW)
    assert files(lake) == ["sites/part-0.parquet", "transactions/date=2026-03-10/part-0.parquet"]
    assert landed.path == lake.root / "transactions/date=2026-03-10/part-0.parquet"
    assert (landed.rows, landed.size) == (2, landed.path.stat().st_size)


def test_anything_can_read_it(folder: Lake) -> None:
    """It is Parquet with zstd; a reader of the whole folder sees all days, and no temporary file."""
    path = folder.land(ASSET, OLD, partition=DAY).path
    folder.land(ASSET, NEW, partition="2026-03-11")
    assert pq.read_metadata(path).row_group(0).column(0).compression == "ZSTD"
    assert pq.read_table(folder.root / ASSET)["id"].to_pylist() == ["a", "b", "c"]


@pytest.mark.parametrize(("rows", "has"), [(299, False), (300, True)])
def test_only_files_of_many_rows_have_dictionaries(folder: Lake, rows: int, has: bool) -> None:
    """Below 300 rows, a dictionary for each column costs more time and bytes than it saves."""
    path = folder.land("sites", pa.table({"code": ["MAIN"] * rows})).path
    assert pq.read_metadata(path).row_group(0).column(0).has_dictionary_page is has


def test_a_day_is_replaced_whole(folder: Lake) -> None:
    """Landing again replaces the file in one rename: a reader that had it open still reads the old day."""
    path = folder.land(ASSET, OLD, partition=DAY).path
    with path.open("rb") as opened:
        folder.land(ASSET, NEW, partition=DAY)
        assert pq.read_table(opened)["id"].to_pylist() == ["a", "b"]
    assert folder.read(ASSET, [DAY])["id"].to_pylist() == ["c"]
    assert len(files(folder)) == 1


def test_a_footer_is_read_once_for_each_version_of_a_file(folder: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """By all lakes of the process; a file that was replaced, or changed with its time set back, is read again."""
    path = folder.land(ASSET, OLD, partition=DAY).path
    read: list[object] = []
    monkeypatch.setattr(pq, "read_metadata", lambda path, look=pq.read_metadata: (read.append(path), look(path))[1])

    assert [folder.rows(ASSET, DAY), Lake(folder.root).rows(ASSET, DAY)] == [2, 2]
    assert read == [path]
    folder.land(ASSET, NEW, partition=DAY)
    assert folder.rows(ASSET, DAY) == 1
    assert read == [path, path]

    landed = path.stat()
    path.write_bytes(b"-" * landed.st_size)
    os.utime(path, ns=(landed.st_atime_ns, landed.st_mtime_ns))
    with pytest.raises(LakeError, match="cannot be read as Parquet"):
        folder.rows(ASSET, DAY)


def test_landing_twice_changes_nothing(lake: Lake) -> None:
    """Idempotent: the same rows give the same bytes."""
    path = lake.land(ASSET, OLD, partition=DAY, metadata={"rows": "2"}).path
    before = path.read_bytes()
    lake.land(ASSET, OLD, partition=DAY, metadata={"rows": "2"})
    assert path.read_bytes() == before


def test_files_are_not_for_everybody(folder: Lake) -> None:
    """Names and plates are inside: owner and group, whatever the umask."""
    previous = os.umask(0)
    try:
        path = folder.land(ASSET, OLD, partition=DAY).path
    finally:
        os.umask(previous)
    assert path.stat().st_mode & 0o777 == 0o640
    for above in list(path.parents)[:3]:  # the day's, the asset's, the lake's
        assert above.stat().st_mode & 0o777 == 0o750


def _disk_full(_table: pa.Table, file: object, **_options: object) -> None:
    file.write(b"PAR1 half a file")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The system refuses to let any file of this process grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("landed", [True, False])
def test_a_full_disk_leaves_the_old_day(folder: Lake, monkeypatch: pytest.MonkeyPatch, landed: bool) -> None:
    """BM-03: a failure in the middle of writing leaves what was there, and no half-written file; the error says so."""
    if landed:
        folder.land(ASSET, OLD, partition=DAY)
    monkeypatch.setattr("sonnys_pipeline.lake.dataset.pq.write_table", _disk_full)
    with pytest.raises(UnwritableLakeError, match=r"No space left on device.*nothing landed was touched") as caught:
        folder.land(ASSET, NEW, partition=DAY)
    assert isinstance(caught.value.__cause__, OSError)
    monkeypatch.undo()
    assert folder.partitions(ASSET) == ([DAY] if landed else [])
    assert len(files(folder)) == landed
    if landed:
        assert folder.read(ASSET, [DAY])["id"].to_pylist() == ["a", "b"]


def test_a_really_refused_write_leaves_the_old_day(folder: Lake) -> None:
    """The same with the system's own refusal, in the middle of Arrow's own writing."""
    folder.land(ASSET, OLD, partition=DAY)
    large = pa.table({"id": [os.urandom(64).hex() for _ in range(5000)]})
    with largest_file(50_000), pytest.raises(UnwritableLakeError, match="File too large"):
        folder.land(ASSET, large, partition=DAY)
    assert files(folder) == ["transactions/date=2026-03-10/part-0.parquet"]
    assert folder.read(ASSET, [DAY])["id"].to_pylist() == ["a", "b"]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, SystemExit])
def test_an_interruption_leaves_the_old_day(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, interruption: type[BaseException]
) -> None:
    """BM-03, BM-04: a signal in the middle of writing passes through, and takes the half-written file with it."""
    lake.land(ASSET, OLD, partition=DAY)

    def interrupted(_table: pa.Table, file: object, **_options: object) -> None:
        file.write(b"PAR1")
        raise interruption

    monkeypatch.setattr("sonnys_pipeline.lake.dataset.pq.write_table", interrupted)
    with pytest.raises(interruption):
        lake.land(ASSET, NEW, partition=DAY)
    assert files(lake) == ["transactions/date=2026-03-10/part-0.parquet"]


def test_an_unwritable_root_is_named(tmp_path: Path) -> None:
    """A root that lies below a file cannot be made: the error names it and the remedy."""
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(UnwritableLakeError, match=r"cannot write .*taken.*fix the permissions"):
        Lake(tmp_path / "taken" / "data").land(ASSET, OLD, partition=DAY)


def test_rows_are_not_replaced_by_nothing(lake: Lake) -> None:
    """A re-read without rows is refused where rows are landed; it says how many, and how to go on if it is right."""
    path = lake.land(ASSET, OLD, partition=DAY, may_empty=False).path
    with pytest.raises(RowsWouldVanishError, match=r"2 rows are landed and the new read has none") as caught:
        lake.land(ASSET, OLD.slice(0, 0), partition=DAY, may_empty=False)
    assert str(path) in str(caught.value)
    assert lake.rows(ASSET, DAY) == 2


def test_a_day_is_removed(lake: Lake) -> None:
    """With its folder, unless something else lies there; of what is not there nothing has to be removed."""
    lake.land(ASSET, OLD, partition=DAY)
    lake.land(ASSET, OLD, partition="2026-03-11")
    neighbour = lake.path(ASSET, "2026-03-11").with_name("notes.txt")
    neighbour.write_text("somebody's own")
    for day in (DAY, "2026-03-11", "2026-03-12"):
        lake.remove(ASSET, day)
    assert files(lake) == ["transactions/date=2026-03-11/notes.txt"]
    assert not lake.path(ASSET, DAY).parent.exists()


def test_a_day_that_cannot_be_removed_is_named(folder: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays, and the error says which."""
    path = folder.land(ASSET, OLD, partition=DAY).path

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refused)
        with pytest.raises(UnwritableLakeError, match="Permission denied") as caught:
            folder.remove(ASSET, DAY)
    assert str(path) in str(caught.value)
    assert folder.rows(ASSET, DAY) == 2


def test_nothing_may_be_replaced_by_nothing(lake: Lake) -> None:
    """An empty day lands where nothing or an empty day was; where the caller allows it, over rows too."""
    empty = OLD.slice(0, 0)
    for _ in range(2):
        assert lake.land(ASSET, empty, partition=DAY, may_empty=False).rows == 0
    lake.land(ASSET, OLD, partition=DAY, may_empty=False)
    assert lake.land(ASSET, empty, partition=DAY).rows == 0


def test_facts_stand_in_the_file(lake: Lake) -> None:
    """What was said about a file is read back from it, and nothing else is; any reader sees it under `sonnys.`."""
    path = lake.land(ASSET, OLD, partition=DAY, metadata={"rows": "2", "zone": "Åland"}).path
    assert lake.metadata(ASSET, DAY) == {"rows": "2", "zone": "Åland"}
    assert pq.read_schema(pa.BufferReader(path.read_bytes())).metadata[b"sonnys.rows"] == b"2"
    lake.land("sites", OLD)
    assert lake.metadata("sites") == {}


def test_a_range_is_read_in_the_order_asked_for(lake: Lake) -> None:
    """Days come one after the other, each row with its day as the first column, a date."""
    lake.land(ASSET, NEW, partition="2026-03-11")
    lake.land(ASSET, OLD, partition=DAY)
    table = lake.read(ASSET, ["2026-03-11", DAY])
    assert table.column_names == ["date", "id", "total"]
    assert table.schema.field("date").type == pa.date32()
    assert table["date"].to_pylist() == [date(2026, 3, 11), date(2026, 3, 10), date(2026, 3, 10)]
    assert table["id"].to_pylist() == ["c", "a", "b"]


def test_an_empty_day_is_read_as_no_rows(lake: Lake) -> None:
    """A zero-row day adds nothing to a range, and alone it still has its columns."""
    lake.land(ASSET, OLD.slice(0, 0), partition="2026-03-09")
    lake.land(ASSET, OLD, partition=DAY)
    assert lake.read(ASSET, ["2026-03-09", DAY]).num_rows == 2
    alone = lake.read(ASSET, ["2026-03-09"])
    assert (alone.num_rows, alone.column_names) == (0, ["date", "id", "total"])


def test_columns_are_read_as_asked_for(lake: Lake) -> None:
    """Only the columns that are asked for, the day aside; none, or no such column, is told apart."""
    lake.land(ASSET, OLD, partition=DAY)
    assert lake.read(ASSET, [DAY], ["total"]).column_names == ["date", "total"]
    assert lake.read(ASSET, [DAY], []).column_names == ["date"]
    assert lake.read(ASSET, [DAY], []).num_rows == 2
    with pytest.raises(LakeError, match=r"has no column nope; it has id, total"):
        lake.read(ASSET, [DAY], ["id", "nope"])


def test_an_asset_without_partitions(lake: Lake) -> None:
    """Its table is what was landed, without a day."""
    lake.land("sites", OLD)
    assert lake.read("sites").column_names == ["id", "total"]
    assert lake.rows("sites") == 2


def test_missing_days_are_all_named(lake: Lake) -> None:
    """Not the first one only: a person materializes them in one go."""
    lake.land(ASSET, OLD, partition=DAY)
    with pytest.raises(NotLandedError, match=r"not landed: 2026-03-09, 2026-03-11; materialize them first"):
        lake.read(ASSET, ["2026-03-09", DAY, "2026-03-11"])
    with pytest.raises(NotLandedError, match=r"not landed: 2026-03-11; materialize it first"):
        lake.read(ASSET, ["2026-03-11"])


@pytest.mark.parametrize("look", [lambda lake: lake.rows(ASSET, DAY), lambda lake: lake.metadata(ASSET, DAY),
                                  lambda lake: lake.read("sites")])  # fmt: skip
def test_what_is_not_landed_is_an_error(lake: Lake, look: Callable[[Lake], object]) -> None:
    """Never 0 rows, never no metadata, never an empty table."""
    with pytest.raises(NotLandedError, match="materialize it first"):
        look(lake)


@pytest.mark.parametrize("content", [b"", b"not parquet", b"PAR1" + bytes(50) + b"PAR1"])
def test_a_corrupt_file_is_named(lake: Lake, content: bytes) -> None:
    """A file that is no Parquet is an error with its path and the remedy, by whatever way it is looked at."""
    path = lake.land(ASSET, OLD, partition=DAY).path
    path.write_bytes(content)
    for look in (lambda: lake.read(ASSET, [DAY]), lambda: lake.rows(ASSET, DAY), lambda: lake.metadata(ASSET, DAY)):
        with pytest.raises(LakeError, match=r"(?s)part-0\.parquet cannot be read as Parquet.*materialize it") as caught:
            look()
        assert type(caught.value) is LakeError


def test_a_damaged_page_is_no_short_answer(lake: Lake) -> None:
    """A file whose end is in order and whose rows are not is an error as well."""
    path = lake.land(ASSET, pa.table({"id": [os.urandom(8).hex() for _ in range(500)]}), partition=DAY).path
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes(2000) + whole[2100:])
    assert lake.rows(ASSET, DAY) == 500
    with pytest.raises(LakeError, match="cannot be read as Parquet"):
        lake.read(ASSET, [DAY])


def test_days_are_listed_in_order(lake: Lake) -> None:
    """Landed days of one asset; a temporary file, a stray folder or another asset is none."""
    assert lake.partitions(ASSET) == []
    for key in ("2026-03-11", "2025-12-31", DAY):
        lake.land(ASSET, OLD, partition=key)
    lake.land("daily_sales", OLD, partition="2026-03-12")
    (lake.root / ASSET / "date=2026-03-13").mkdir()
    (lake.root / ASSET / "date=2026-03-13" / ".part-0.parquet.1.tmp").write_bytes(b"PAR1")
    (lake.root / ASSET / "notes").mkdir()
    assert lake.partitions(ASSET) == ["2025-12-31", DAY, "2026-03-11"]


def test_a_relative_root_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changing the working directory later does not move the lake."""
    monkeypatch.chdir(tmp_path)
    lake = Lake("data")
    monkeypatch.chdir("/")
    assert lake.land(ASSET, OLD, partition=DAY).path == tmp_path / "data/transactions/date=2026-03-10/part-0.parquet"


@pytest.mark.parametrize("part", ["_BOOT_ID", "_PID_NAMESPACE"])
def test_a_machine_is_its_boot_and_its_process_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    """BM-05, JS-06: the same host name after a reboot, or in another container, is another machine.

    Where the system does not tell, there is a name all the same.
    """
    here = this_machine()
    assert this_machine() == here
    assert here.startswith(f"{socket.gethostname()}-")
    other = tmp_path / "other"
    if part == "_BOOT_ID":
        other.write_text("another-boot\n")
    else:
        other.symlink_to("pid:[1]")
    monkeypatch.setattr(f"sonnys_pipeline.runtime.processes.{part}", other)
    there = this_machine()
    other.unlink()
    assert len({here, there, this_machine()}) == 3


def test_a_folder_that_only_looks_like_a_day_is_none(tmp_path: Path) -> None:
    """A copy that somebody left beside the days is passed over."""
    lake = Lake(tmp_path)
    landed = lake.land("sales", pa.table({"id": ["a"]}), partition="2026-03-10")
    copy = tmp_path / "sales" / "date=backup"
    copy.mkdir()
    (copy / landed.path.name).write_bytes(landed.path.read_bytes())

    assert lake.partitions("sales") == ["2026-03-10"]
