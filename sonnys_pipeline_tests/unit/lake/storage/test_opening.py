"""A lake is opened in its own format, and never taken for an empty one of another."""

import subprocess
import sys
from pathlib import Path

import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.iceberg.options import Iceberg
from sonnys_pipeline.lake.iceberg.storage import IcebergStorage
from sonnys_pipeline.lake.storage.folder import FolderStorage
from sonnys_pipeline_tests.support.small_iceberg import DAY, iceberg, rows


def test_a_lake_keeps_its_format(tmp_path: Path) -> None:
    """The error names the setting that fits; without one required, the lake says what it is."""
    Lake(tmp_path / "plain", lake_format="parquet").land("transactions", rows("a"), partition=DAY)
    Lake(tmp_path / "sites", lake_format="parquet").land("sites", rows("a"))
    iceberg(tmp_path / "tables").land("transactions", rows("a"), partition=DAY)
    for name in ("plain", "sites"):
        with pytest.raises(LakeError, match=f"{name} is a lake of plain Parquet files; set SONNYS_LAKE_FORMAT=parquet"):
            iceberg(tmp_path / name)
    with pytest.raises(LakeError, match="tables is a lake of Iceberg tables; set SONNYS_LAKE_FORMAT=iceberg"):
        Lake(tmp_path / "tables", lake_format="parquet")
    assert isinstance(Lake(tmp_path / "plain").storage, FolderStorage)
    assert isinstance(Lake(tmp_path / "tables").storage, IcebergStorage)
    assert isinstance(Lake(tmp_path / "new").storage, FolderStorage)


def test_a_new_lake_may_have_other_files(tmp_path: Path) -> None:
    """Locks, a list of forgotten customers and the like are no landed files; and nothing is created by looking."""
    (tmp_path / ".locks").mkdir()
    (tmp_path / "forgotten.json").write_text("{}", encoding="utf-8")
    lake = iceberg(tmp_path)
    assert lake.partitions("transactions") == []
    assert not lake.has("sites")
    assert not (tmp_path / ".iceberg").exists()


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not taken for a new lake; plain Parquet is refused when its files are read."""

    def refused(path: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refused)
    monkeypatch.setattr(Path, "exists", refused)
    with pytest.raises(LakeError, match=r"cannot be read \(Permission denied\); fix its permissions"):
        iceberg(tmp_path)
    assert isinstance(Lake(tmp_path).storage, FolderStorage)


def test_an_object_store_needs_a_catalog() -> None:
    """A SQLite file cannot be in it; the error names what to set, before any request."""
    with pytest.raises(LakeError, match=r"s3://bucket/lake cannot hold the catalog .* set SONNYS_ICEBERG_CATALOG to"):
        Lake("s3://bucket/lake", lake_format=Iceberg())


def test_pyiceberg_is_an_extra(tmp_path: Path) -> None:
    """A lake of plain Parquet needs no pyiceberg; a lake of tables says what to install."""
    iceberg(tmp_path).land("sites", rows("a"))
    script = f"""
import sys
sys.modules["pyiceberg"] = None
from sonnys_pipeline.lake import Lake, LakeError
assert Lake({str(tmp_path / "plain")!r}).partitions("transactions") == []
try:
    Lake({str(tmp_path)!r})
except LakeError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "needs pyiceberg, which is not installed: pip install 'sonnys-pipeline[iceberg]'" in done.stdout
