"""Catalogs of a lake's tables: in the lake, in PostgreSQL, or behind a REST server; written down in the lake."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError
from sonnys_pipeline.lake.iceberg.catalogs import read_marker
from sonnys_pipeline.lake.storage.folder import FolderStorage
from sonnys_pipeline_tests.support.iceberg_rest import rest_catalog
from sonnys_pipeline_tests.support.servers import PostgresServer
from sonnys_pipeline_tests.support.small_iceberg import DAY, NEXT, iceberg, rows


@pytest.fixture(params=["rest", pytest.param("postgres", marks=pytest.mark.postgres)])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a catalog without tables."""
    if request.param == "rest":
        with rest_catalog(tmp_path / "rest.sqlite") as url:
            yield url
    else:
        server: PostgresServer = request.getfixturevalue("postgres_server")
        yield server.new_database()


def test_a_catalog_elsewhere(catalog: str, tmp_path: Path) -> None:
    """EC-02: days are landed, replaced, given columns, removed and expired as with the catalog in the lake."""
    lake = iceberg(tmp_path / "north", catalog=catalog, namespace="north")
    other = iceberg(tmp_path / "south", catalog=catalog, namespace="south")
    other.land("transactions", rows("z"), partition=DAY)
    for note in ("first", "second"):
        lake.land("transactions", rows("a", "b", note=note), partition=DAY)
    lake.land("transactions", rows("c").append_column("tip", rows("c")["note"]), partition=NEXT)
    assert lake.read("transactions", [DAY, NEXT]).select(["id", "note", "tip"]).to_pylist() == [
        {"id": "a", "note": "second", "tip": None},
        {"id": "b", "note": "second", "tip": None},
        {"id": "c", "note": "first", "tip": "first"},
    ]
    again = Lake(tmp_path / "north")
    assert again.partitions("transactions") == [DAY, NEXT]
    lake.remove("transactions", DAY)
    assert again.partitions("transactions") == [NEXT]
    lake.storage.forget_versions(lake.storage.now())  # type: ignore[attr-defined]
    assert len(list((tmp_path / "north").rglob("*.parquet"))) == 1
    assert other.read("transactions", [DAY])["id"].to_pylist() == ["z"]
    assert not (tmp_path / "north" / ".iceberg" / "catalog.sqlite").exists()


def test_the_lake_names_its_catalog(tmp_path: Path) -> None:
    """Without user and password. Another catalog, namespace or lake is refused, and so is a catalog that is gone."""
    with rest_catalog(tmp_path / "rest.sqlite") as url:
        catalog = url.replace("://", "://user:hunter2@")
        lake = iceberg(tmp_path / "data", catalog=catalog)
        lake.land("sites", rows("a"))
        marker = read_marker(FolderStorage(tmp_path / "data"))
        assert marker is not None
        assert (marker.catalog, marker.namespace) == (url, "sonnys")
        written = [path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()]
        assert not any(b"hunter2" in content for content in written)
        with pytest.raises(LakeError, match=r"are in the catalog http.*, and the settings name catalog\.sqlite"):
            iceberg(tmp_path / "data")
        with pytest.raises(LakeError, match=r"namespace sonnys, and the settings name .*, namespace north; set"):
            iceberg(tmp_path / "data", catalog=catalog, namespace="north")
        elsewhere = iceberg(tmp_path / "elsewhere", catalog=catalog)
        with pytest.raises(LakeError, match=r"namespace sonnys of .* has the tables of .*data, not of .*elsewhere"):
            elsewhere.land("sites", rows("b"))
    with pytest.raises(UnreachableLakeError, match=r"the Iceberg catalog of .*data cannot be used") as away:
        lake.read("sites")
    assert "hunter2" not in str(away.value)

    file = tmp_path / "data" / ".iceberg" / "lake.json"
    file.write_text(json.dumps({"catalog": "https://catalog.test/", "namespace": "sonnys"}), encoding="utf-8")
    with pytest.raises(LakeError, match=r"the catalog of .* is https://catalog\.test/, and how to connect to it"):
        Lake(tmp_path / "data")
    file.write_text("{", encoding="utf-8")
    with pytest.raises(LakeError, match=r"lake\.json cannot be read .* restore it from a backup"):
        Lake(tmp_path / "data")


def test_a_lost_catalog_is_no_empty_lake(tmp_path: Path) -> None:
    """A lake whose catalog's file was deleted is refused; it is not begun anew."""
    iceberg(tmp_path / "data").land("sites", rows("a"))
    (tmp_path / "data").rename(tmp_path / "copy")
    (tmp_path / "copy" / ".iceberg" / "catalog.sqlite").unlink()
    lost = Lake(tmp_path / "copy")
    with pytest.raises(LakeError, match=r"catalog\.sqlite, the catalog of .*, is gone; restore it from a backup"):
        lost.has("sites")
    with pytest.raises(LakeError, match=r"catalog\.sqlite, the catalog of .*, is gone; restore it from a backup"):
        lost.land("sites", rows("a"))
