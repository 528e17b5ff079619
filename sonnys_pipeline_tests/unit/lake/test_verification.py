"""RB-01, RB-03: damage in landed files is found by reading all of them, and nothing whole is called damaged."""

from pathlib import Path

import pyarrow as pa
import pytest

from sonnys_pipeline.lake import verification
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.verification import damaged_files

ROWS = pa.table({"id": [f"{number}:1" for number in range(3000)], "total": [number / 7 for number in range(3000)]})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two days of one asset, and one without days."""
    lake = Lake(tmp_path / "data")
    for day in ("2026-03-10", "2026-03-11"):
        lake.land("transactions", ROWS, partition=day)
    lake.land("sites", ROWS)
    return lake


def damage(path: Path, at: int, content: bytes) -> None:
    """Overwrite bytes in place; the file keeps its length."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(content)


def test_whole_files_are_not_damaged(lake: Lake) -> None:
    """Also with files beside them that are none of ours, hidden ones and a page."""
    (lake.root / ".tmp-elsewhere").mkdir()
    (lake.root / ".tmp-elsewhere" / "half.parquet").write_bytes(b"PAR1 half")
    (lake.root / "transactions" / "notes.txt").write_text("somebody's own")
    assert list(damaged_files(lake)) == []
    assert list(damaged_files(Lake(Path(str(lake.root)) / "nowhere"))) == []


@pytest.mark.parametrize("seed", range(8))
def test_one_wrong_byte_among_the_rows_is_found(lake: Lake, seed: int) -> None:
    """Pages have checksums: a byte that still decodes, to other rows, is found as well, wherever it is."""
    path = Path(str(lake.path("transactions", "2026-03-11")))
    content = path.read_bytes()
    footer = int.from_bytes(content[-8:-4], "little") + 8
    at = 40 + (len(content) - footer - 60) * seed // 8
    damage(path, at, bytes([content[at] ^ 0x10]))
    found = list(damaged_files(lake))
    assert [one for one, _ in found] == [path]
    assert found[0][1]
    assert "\n" not in found[0][1]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet", b"PAR1" + bytes(50) + b"PAR1"])
def test_what_is_no_parquet_is_found(lake: Lake, content: bytes) -> None:
    """An empty file, a beginning without an end, and a footer of zeros; the other files are read all the same."""
    lake.land("line_items", ROWS, partition="2026-03-10")
    for asset, day in (("transactions", "2026-03-10"), ("sites", None)):
        Path(str(lake.path(asset, day))).write_bytes(content)
    assert [path for path, _ in damaged_files(lake)] == [
        lake.path("sites"), lake.path("transactions", "2026-03-10")
    ]  # fmt: skip


def test_a_file_that_is_replaced_or_removed_meanwhile_is_not_damaged(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of a read that something else overtook says nothing of the file that lies there now."""
    tries = {"2026-03-10": 0}
    read = verification._read

    def overtaken(lake: Lake, path: Path) -> None:
        if "2026-03-10" in str(path) and not tries["2026-03-10"]:
            tries["2026-03-10"] += 1
            lake.land("transactions", ROWS.slice(1), partition="2026-03-10")
            raise OSError("it was replaced while it was read; read it again")
        if "2026-03-11" in str(path):
            lake.remove("transactions", "2026-03-11")
            raise FileNotFoundError(path)
        read(lake, path)

    monkeypatch.setattr(verification, "_read", overtaken)
    assert list(damaged_files(lake)) == []
    assert tries["2026-03-10"] == 1


def test_a_file_that_may_not_be_read_is_named(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever keeps its rows from being read is a reason to name it."""

    def refused(_: Lake, path: Path) -> None:
        if path.parent.name == "sites":
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(verification, "_read", refused)
    assert list(damaged_files(lake)) == [(lake.path("sites"), "[Errno 13] Permission denied")]


@pytest.mark.s3
def test_objects_are_verified_as_files_are(s3_url: str) -> None:
    """The same in a bucket."""
    lake = Lake(f"{s3_url}/data")
    lake.land("sites", ROWS)
    path = lake.land("transactions", ROWS, partition="2026-03-10").path
    assert list(damaged_files(lake)) == []
    content = bytearray(path.read_bytes())
    content[100] ^= 0x10
    path.write_bytes(bytes(content))
    assert [str(one) for one, _ in damaged_files(lake)] == [str(path)]
