"""BM-03, BM-05, decisions 5 and 6 in object stores: one PUT a file, lazy reading, outages, refusals, secrets."""

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError, UnwritableLakeError
from sonnys_pipeline.lake.locks.files import FileLocks
from sonnys_pipeline.lake.scans import scan
from sonnys_pipeline.lake.storage.folder import LakePath
from sonnys_pipeline.lake.storage.objects import ObjectStorage
from sonnys_pipeline.lake.transactions import LandedRows, is_landed
from sonnys_pipeline.marts.digests import content_digest
from sonnys_pipeline.runtime.outage import OutageDeadline
from sonnys_pipeline_tests.support.forwarder import Forwarder
from sonnys_pipeline_tests.support.servers import PASSWORD, S3Server, forget_s3_clients, s3_settings

pytestmark = pytest.mark.s3
ASSET, DAY = "transactions", "2026-03-10"
OLD = pa.table({"id": ["a", "b"], "location_code": ["S0", "S1"]})
NEW = pa.table({"id": ["c"], "location_code": ["S1"]})


@pytest.fixture
def lake(s3_url: str) -> Lake:
    """A lake in an empty bucket."""
    return Lake(f"{s3_url}/data")


@pytest.fixture
def counted(s3_server: S3Server, s3_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Lake, Forwarder]]:
    """A lake in the same bucket, behind a forwarder that sees what passes."""
    with Forwarder(s3_server.port) as forwarder:
        for name, value in s3_settings(forwarder.port).items():
            monkeypatch.setenv(name, value)
        forget_s3_clients()
        lake = Lake(f"{s3_url}/data")
        assert not lake.has(ASSET, DAY)
        assert forwarder.requests[0].path.endswith("/data/.iceberg/lake.json"), "asked once: is it a lake of tables?"
        forwarder.forget()
        yield lake, forwarder


def test_a_file_is_one_put(counted: tuple[Lake, Forwarder]) -> None:
    """Landing sends one request, and never a name that is not the file's own."""
    lake, seen = counted
    lake.land(ASSET, OLD, partition=DAY)
    assert [request.method for request in seen.requests] == ["PUT"]
    lake.land(ASSET, NEW, partition=DAY)
    (path,) = {request.path for request in seen.requests}
    assert path.endswith("/data/transactions/date%3D2026-03-10/part-0.parquet")
    assert lake.read(ASSET, [DAY])["id"].to_pylist() == ["c"]


def test_another_machines_days_are_seen(lake: Lake) -> None:
    """No listing is kept: what somebody else lands or removes is there, or gone, at the next look."""
    other = Lake(str(lake.root))
    assert lake.partitions(ASSET) == []
    other.land(ASSET, OLD, partition=DAY)
    assert lake.partitions(ASSET) == [DAY]
    before = lake.version(ASSET, DAY)
    other.land(ASSET, NEW, partition=DAY)
    assert lake.version(ASSET, DAY) != before
    assert lake.rows(ASSET, DAY) == 1
    other.remove(ASSET, DAY)
    assert not lake.has(ASSET, DAY)
    assert lake.partitions(ASSET) == []


def test_one_column_of_one_site_is_a_fraction_of_the_file(counted: tuple[Lake, Forwarder]) -> None:
    """Arrow, DuckDB and Polars alike: other columns and row groups stay in the store."""
    lake, seen = counted
    noise = [f"{number * 2654435761 % 2**64:016x}{number * 40503 % 2**32:08x}" for number in range(40_000)]
    sites = [f"S{number // 4000}" for number in range(40_000)]
    columns = {"id": noise, "location_code": sites, "more": noise[::-1], "most": noise[::2] + noise[1::2]}
    size = lake.land(ASSET, pa.table(columns), partition=DAY).size
    for form in (
        lambda wanted: wanted.table().num_rows,
        lambda wanted: len(wanted.relation().fetchall()),
        lambda wanted: wanted.lazy_frame().collect().height,
    ):
        seen.forget()
        assert form(scan(lake, ASSET, [DAY], columns=["id"], sites=["S9"])) == 4000
        assert 0 < seen.bytes_sent_back < size / 4


def test_duckdb_waits_for_no_file_with_pythons_lock(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """RB-01: DuckDB holds the lock while it asks for a reader, so that must not wait for files, which need the lock."""
    days = ["2026-03-10", "2026-03-11"]
    for day in days:
        lake.land(ASSET, OLD, partition=day)
    opened: list[str] = []
    open_one = ObjectStorage._open
    monkeypatch.setattr(ObjectStorage, "_open", lambda self, key: opened.append(key) or open_one(self, key))
    files = lake.files(ASSET, days)

    reader = files.scanner(columns=["id"], filter=None).to_reader()
    assert opened == []
    assert reader.read_all()["id"].to_pylist() == ["a", "b", "a", "b"]
    assert len(opened) == len(days)


def test_a_glance_asks_for_lists(counted: tuple[Lake, Forwarder]) -> None:
    """What is there, and in which version, is one request for an asset; footers are read once for each version.

    One more asks for the journal of files that are replaced as one.
    """
    lake, seen = counted
    days = [f"2026-03-{day:02d}" for day in range(1, 21)]
    for day in days:
        lake.land(ASSET, OLD, partition=day, metadata={"day": day})

    def look() -> list[dict[str, str]]:
        seen.forget()
        snapshot = lake.snapshot()
        assert None not in {snapshot.version(ASSET, day) for day in days}
        assert all(snapshot.has(ASSET, day) for day in snapshot.partitions(ASSET))
        return [snapshot.metadata(ASSET, day) for day in days]

    assert look() == [{"day": day} for day in days]
    assert look() == [{"day": day} for day in days]
    assert [request.method for request in seen.requests] == ["GET", "GET"]
    lake.land(ASSET, NEW, partition=days[3], metadata={"day": "other"})
    assert look()[3] == {"day": "other"}
    assert [request.method for request in seen.requests] == ["GET", "GET", "GET"]


def test_a_lake_may_be_a_whole_bucket(s3_url: str) -> None:
    """Whose URL has no folder: a glance finds what is landed there, too."""
    lake = Lake(s3_url)
    lake.land(ASSET, OLD, partition=DAY)
    for one in (lake, lake.snapshot()):
        assert one.partitions(ASSET) == [DAY]
        assert one.has(ASSET, DAY)
        assert one.rows(ASSET, DAY) == OLD.num_rows


def test_a_store_counts_as_a_folder_does(lake: Lake, tmp_path: Path) -> None:
    """The same rows have the same digest, wherever they lie: marts are stale for rows, not for places."""
    folder = Lake(tmp_path)
    for one in (lake, folder):
        one.land(ASSET, OLD, partition=DAY)
        one.land(ASSET, NEW, partition="2026-03-11")
    days = [DAY, "2026-03-11"]
    assert content_digest(lake.files(ASSET, days)) == content_digest(folder.files(ASSET, days))


def test_a_file_that_is_replaced_while_it_is_read_is_no_mixture(lake: Lake) -> None:
    """Half of the old bytes and half of the new ones would be rows that never were: it is an error instead."""
    path = lake.land(ASSET, OLD, partition=DAY).path
    with lake.storage.opened(path) as opened:
        opened.read(4)
        lake.land(ASSET, NEW, partition=DAY)
        with pytest.raises(OSError, match="replaced while it was read"):
            opened.read(4)


def test_days_that_belong_together_are_replaced_as_one(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """KT-02: killed after the journal, every reader sees the new rows; the next writer puts them in place."""
    writer = Lake(str(lake.root), locks=FileLocks(tmp_path))
    days = [DAY, "2026-03-11"]
    writer.land(ASSET, OLD, partition=days[0])
    writer.land(ASSET, NEW, partition=days[1])
    put, puts = ObjectStorage.put, [0]

    def killed(self: ObjectStorage, path: LakePath, write: Callable[[BinaryIO], object]) -> int:
        puts[0] += 1
        if puts[0] > 3:  # two files and the journal
            raise KeyboardInterrupt
        return put(self, path, write)

    def move() -> None:
        with writer.together() as group:
            group.land(ASSET, OLD.slice(1), partition=days[0])
            group.land(ASSET, pa.concat_tables([OLD.slice(0, 1), NEW]), partition=days[1])
            group.belong_together()

    with monkeypatch.context() as patched:
        patched.setattr(ObjectStorage, "put", killed)
        with pytest.raises(KeyboardInterrupt):
            move()
    for reader in (lake, lake.snapshot()):
        assert reader.read(ASSET, days)["id"].to_pylist() == ["b", "a", "c"]
        assert scan(reader, ASSET, days).relation().order("date, id").fetchall()[0][1] == "b"
        assert reader.rows(ASSET, days[1]) == 2
    with writer.writing(ASSET):
        assert sorted(row for row in lake.storage.below(lake.root) if ".staged" in row) == [".staged/journal.json"]
    assert lake.read(ASSET, days)["id"].to_pylist() == ["b", "a", "c"]


def test_without_locks_nobody_joins_rows(lake: Lake) -> None:
    """Two writers of one day would lose rows of one of them; the error says how to open a lake for writing."""
    with pytest.raises(UnwritableLakeError, match=r"without locks.*Workspace\.of\(\)\.lake"), lake.writing(ASSET):
        pass


@pytest.mark.parametrize("act", [
    lambda lake: lake.land(ASSET, OLD, partition=DAY), lambda lake: lake.partitions(ASSET),
    lambda lake: lake.metadata(ASSET, "2026-03-01"), lambda lake: lake.read(ASSET, ["2026-03-01"]),
    lambda lake: scan(lake, ASSET, ["2026-03-01"]).table(), lambda lake: lake.remove(ASSET, "2026-03-01"),
    lambda lake: content_digest(lake.files(ASSET, ["2026-03-01"])),
])  # fmt: skip
def test_a_short_outage_is_waited_for(counted: tuple[Lake, Forwarder], act: Callable[[Lake], object]) -> None:
    """Connections refused for two seconds: putting, listing, reading and removing come to their end."""
    lake, forwarder = counted
    lake.land(ASSET, OLD, partition="2026-03-01")
    forwarder.refuse()
    threading.Timer(2.0, forwarder.accept).start()
    started = time.monotonic()
    act(lake)
    assert time.monotonic() - started >= 1.5


def test_a_store_that_hangs_is_asked_again(s3_server: S3Server, lake: Lake) -> None:
    """A server that takes requests and answers none for three seconds costs no more than that."""
    s3_server.hang()
    threading.Timer(3.0, s3_server.go_on).start()
    lake.land(ASSET, OLD, partition=DAY)
    assert lake.read(ASSET, [DAY])["id"].to_pylist() == ["a", "b"]


def test_a_long_outage_is_an_error_with_a_remedy(
    counted: tuple[Lake, Forwarder], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told as what it is, and never as a day that is not landed or damaged."""
    lake, forwarder = counted
    lake.land(ASSET, OLD, partition=DAY)
    forwarder.refuse()
    monkeypatch.setattr(lake.storage, "_deadline", OutageDeadline(0.5))
    for act in (
        lambda: lake.land(ASSET, NEW, partition=DAY),
        lambda: lake.partitions(ASSET),
        lambda: lake.has(ASSET, DAY),
        lambda: lake.metadata(ASSET, DAY),
        lambda: lake.read(ASSET, [DAY]),
        lambda: lake.page(ASSET, "report.html", partition=DAY),
        lambda: is_landed(lake, DAY, None),
        lambda: LandedRows(lake).of(DAY, None),
    ):
        with pytest.raises(UnreachableLakeError, match=r"does not answer .*check the network.*nothing\s+landed"):
            act()
    forwarder.accept()
    assert lake.read(ASSET, [DAY])["id"].to_pylist() == ["a", "b"]


def test_whoever_is_told_to_stop_does_not_wait(s3_server: S3Server, lake: Lake) -> None:
    """BM-04: a hung request is given up in seconds once the run is to end."""
    s3_server.hang()
    try:
        threading.Timer(1.0, lake.hurry).start()
        started = time.monotonic()
        with pytest.raises(UnreachableLakeError):
            lake.land(ASSET, OLD, partition=DAY)
        assert time.monotonic() - started < 9
    finally:
        s3_server.go_on()


def test_a_missing_bucket_is_told_at_once(s3_url: str) -> None:
    """With its name; nobody waits for a bucket that nobody has made."""
    lake = Lake("s3://no-such-bucket-here/data")
    started = time.monotonic()
    with pytest.raises(UnwritableLakeError, match=r"no-such-bucket-here.*bucket does not exist"):
        lake.land(ASSET, OLD, partition=DAY)
    with pytest.raises(UnreachableLakeError, match=r"no-such-bucket-here.*bucket does not exist"):
        lake.partitions(ASSET)
    assert time.monotonic() - started < 20


@pytest.fixture
def guarded_server() -> Iterator[S3Server]:
    """A server that looks at credentials after its first request, which makes the bucket."""
    with ExitStack() as ending:
        server = S3Server(INITIAL_NO_AUTH_ACTION_COUNT="1")
        ending.callback(server.remove)
        ending.callback(forget_s3_clients)
        yield server


def test_refused_credentials_are_told_at_once(guarded_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the rights that are needed, and without the secret; a refusal is not waited for."""
    forget_s3_clients()
    for name, value in guarded_server.settings.items():
        monkeypatch.setenv(name, value)
    lake = Lake(f"{guarded_server.new_bucket()}/data")
    started = time.monotonic()
    for act in (lambda: lake.land(ASSET, OLD, partition=DAY), lambda: lake.partitions(ASSET),
                lambda: lake.has(ASSET, DAY), lake.storage.probe):  # fmt: skip
        with pytest.raises(UnreachableLakeError, match=r"refuses access .*list, get, put and delete") as caught:
            act()
        assert PASSWORD not in str(caught.value)
    assert time.monotonic() - started < 20


def test_no_credentials_are_told_at_once(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing to sign with is a refusal, too."""
    forget_s3_clients()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(UnreachableLakeError, match=r"refuses access .*credentials"):
        Lake(f"{s3_url}/data").land(ASSET, OLD, partition=DAY)


def test_plain_http_to_another_machine_is_refused(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names and plates would go in the clear; nothing is sent, not even a name looked up."""
    forget_s3_clients()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://store.invalid:9000")
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("it asks for an address"))
    with pytest.raises(LakeError, match=r"plain http on another machine.*use https"):
        Lake(f"{s3_url}/data").partitions(ASSET)


def test_the_probe_leaves_nothing(lake: Lake) -> None:
    """Put, read, listed, deleted: what `sonnys doctor` tries."""
    lake.storage.probe()
    assert list(lake.root.rglob("*")) == []


def test_a_large_footer_is_read_whole(lake: Lake) -> None:
    """Metadata of many load jobs make a footer that one look at a file's end does not hold."""
    metadata = {"windows": "x" * 200_000}
    lake.land(ASSET, OLD, partition=DAY, metadata=metadata)
    assert lake.metadata(ASSET, DAY) == metadata


@pytest.mark.parametrize(("url", "driver"), [
    ("gs://bucket/lake", "GCSFileSystem"), ("gcs://bucket/lake", "GCSFileSystem"),
    ("az://container/lake", "AzureBlobFileSystem"), ("abfs://container/lake", "AzureBlobFileSystem"),
    ("abfss://container/lake", "AzureBlobFileSystem"), ("s3://bucket/lake", "S3FileSystem"),
])  # fmt: skip
def test_the_url_chooses_the_driver(url: str, driver: str) -> None:
    """Each scheme has its own; all of them have the five calls that a lake makes, and keys without the scheme.

    Google's and Azure's drivers were not run against their servers here.
    """
    import fsspec
    from fsspec.asyn import AsyncFileSystem

    kind = fsspec.get_filesystem_class(url.partition("://")[0])
    assert driver in {one.__name__ for one in kind.__mro__}
    assert issubclass(kind, AsyncFileSystem)
    for call in ("_info", "_find", "_cat_file", "_pipe_file", "_rm_file"):
        assert getattr(kind, call) is not getattr(AsyncFileSystem, call), call
    lake = Lake(url)
    assert re.fullmatch(r"(bucket|container)/lake", lake.storage._key(lake.root))
    assert str(lake.path(ASSET, DAY)) == f"{url}/transactions/date=2026-03-10/part-0.parquet"


@pytest.mark.parametrize(("url", "extra"), [("s3://b/l", "s3"), ("gs://b/l", "gcs"), ("abfs://b/l", "azure")])
def test_a_missing_driver_names_its_extra(url: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What to install is in the message."""

    def missing(_: str) -> None:
        raise ImportError("not installed")

    monkeypatch.setattr("fsspec.get_filesystem_class", missing)
    with pytest.raises(LakeError, match=rf"pip install 'sonnys-pipeline\[{extra}\]'"):
        ObjectStorage(url)


def test_an_unknown_store_is_refused() -> None:
    """Rather than taken for a folder."""
    with pytest.raises(LakeError, match="ftp:// is not a supported store"):
        Lake("ftp://host/lake")
