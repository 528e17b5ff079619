"""Files as objects of S3, Google Cloud Storage or Azure, through fsspec's drivers (docs/object-storage.md).

A file is written by one upload, which all three stores make visible wholly or not at all. No driver caches listings, so
reads see the store's present state. Drivers read credentials and endpoint from the environment (`AWS_…`,
`GOOGLE_APPLICATION_CREDENTIALS`, `AZURE_STORAGE_…`).

A store that does not answer is asked again for a minute; one that refuses access is not.

Before the first request, a lake of plain files is asked once in a process whether it is one of Iceberg tables.
"""

from __future__ import annotations

import asyncio
import io
import logging
import secrets
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import wait
from copy import copy
from datetime import datetime
from functools import cached_property
from typing import Any, BinaryIO, TypeVar
from urllib.parse import urlsplit

import fsspec
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.fs as pafs
import pyarrow.parquet as pq
from fsspec.asyn import AsyncFileSystem
from upath import UPath

from sonnys_pipeline.client.transport import is_loopback
from sonnys_pipeline.lake.errors import LakeError, UnreachableLakeError, UnwritableLakeError
from sonnys_pipeline.lake.iceberg import MARKER
from sonnys_pipeline.lake.storage.folder import LakePath, Readable, dataset_of, name_below
from sonnys_pipeline.lake.storage.footers import FOOTERS
from sonnys_pipeline.lake.storage.object_errors import Trouble, said_by, trouble_of
from sonnys_pipeline.lake.storage.object_files import ObjectDataset, ObjectFile, ObjectHandler
from sonnys_pipeline.runtime.in_flight import in_flight
from sonnys_pipeline.runtime.outage import DEADLINE, HURRIED_DEADLINE, OutageDeadline

T = TypeVar("T")
R = TypeVar("R")
logger = logging.getLogger(__name__)

#: Scheme of a URL → the extra with its driver.
EXTRAS = {"s3": "s3", "gs": "gcs", "gcs": "gcs", "abfs": "azure", "abfss": "azure", "az": "azure"}
#: Seconds within which a request must be answered, and the slowest accepted transfer in bytes per second.
_ANSWERED_WITHIN = 10.0
_SLOWEST = 100_000
#: Concurrent requests when many files are examined.
_AT_ONCE = 16
#: Bytes fetched at a file's end for its footer; enough for all but the largest.
_TAIL = 65_536
_FOOTER_END = 8
#: S3's driver would retry five times, and its library another five; retries are made here only.
_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {"config_kwargs": {"retries": {"total_max_attempts": 1}, "connect_timeout": 5, "read_timeout": 10}}
}

#: Names that drivers give to the instant at which an object was written.
_WRITTEN = ("LastModified", "last_modified", "updated", "mtime")

Info = dict[str, Any]

#: Lakes that were found to have no tables.
_plain: set[str] = set()


class ObjectStorage:
    """A bucket or container, or a prefix in one."""

    is_local = False

    def __init__(self, url: str, *, deadline: OutageDeadline | None = None, has_tables: bool = False) -> None:
        """Nothing is sent yet. Raises LakeError for a scheme that is not one of `EXTRAS`, or without its driver.

        Unless its files are those of Iceberg tables (`has_tables`), a lake of tables is refused at the first request.
        """
        self._scheme = url.partition("://")[0]
        if self._scheme not in EXTRAS:
            raise LakeError(f"{self._scheme}:// is not a supported store; use {', '.join(EXTRAS)}")
        options = {"use_listings_cache": False, **_OPTIONS.get(self._scheme, {})}
        try:
            driver = fsspec.get_filesystem_class(self._scheme)
        except ImportError as error:
            extra = EXTRAS[self._scheme]
            raise LakeError(
                f"{url} needs a driver that is not installed: pip install 'sonnys-pipeline[{extra}]'"
            ) from error
        self._strip: Callable[[str], str] = driver._strip_protocol  # noqa: SLF001 - fsspec's name for it
        self._place = UPath(url.rstrip("/"), **options)
        self.root: LakePath = self._place
        self._deadline = deadline or OutageDeadline()
        self._answered_within = _ANSWERED_WITHIN
        self._is_checked = has_tables
        self._listed: dict[str, dict[str, Info]] | None = None

    def put(self, path: LakePath, write: Callable[[BinaryIO], object]) -> int:
        """One upload of the whole file."""
        held = io.BytesIO()
        write(held)
        content = held.getvalue()
        try:
            self._ask(lambda driver: driver._pipe_file(self._key(path), content), len(content))  # noqa: SLF001
        except OSError as error:
            raise UnwritableLakeError(
                f"cannot write {path} ({error}); fix what the store reports, then run it again: nothing landed was "
                "touched"
            ) from error
        return len(content)

    def remove(self, path: LakePath) -> None:
        """Delete an object; stores do not report a missing one."""
        try:
            self._ask(lambda driver: driver._rm_file(self._key(path)))  # noqa: SLF001
        except FileNotFoundError:
            return
        except OSError as error:
            raise UnwritableLakeError(f"cannot remove {path} ({error}); fix its permissions") from error

    def place(self, path: LakePath) -> LakePath:
        """The path itself."""
        return path

    def version(self, path: LakePath) -> str | None:
        """The object's tag, or else its modification time, and its size."""
        info = self._info(path)
        return None if info is None else _tag(info)

    def size(self, path: LakePath) -> int:
        """Size in bytes."""
        return int(self._there(path)["size"])

    def content(self, path: LakePath) -> bytes:
        """The whole object, in one request: without a start, S3's driver would ask for the size first."""
        return self._range(path, 0, None)

    def metadata(self, path: LakePath) -> pq.FileMetaData:
        """Read from the object's end; cached per version of the object."""
        info = self._there(path)
        key = f"{path} {_tag(info)}"
        footer = FOOTERS.get(key)
        if footer is None:
            size = int(info["size"])
            tail = self._range(path, max(0, size - _TAIL), size) if size else b""
            needed = int.from_bytes(tail[-_FOOTER_END:-4], "little") + _FOOTER_END
            if tail.endswith(b"PAR1") and len(tail) < needed <= size:
                tail = self._range(path, size - needed, size)
            footer = pq.read_metadata(pa.BufferReader(tail))
            FOOTERS.keep(key, footer)
        return footer

    def opened(self, path: LakePath) -> Readable:
        """A file that fetches only what is read."""
        return pa.PythonFile(self._open(self._key(path)), mode="r")

    def dataset(
        self, paths: Sequence[LakePath], folder: LakePath, schema: pa.Schema, *, by_day: bool = False
    ) -> ds.Dataset:
        """The objects, read by Arrow through this class: footers, then only the needed columns and row groups."""
        store = pafs.PyFileSystem(ObjectHandler(self._driver, self._open))
        keys = [self._key(path) for path in paths]
        return ObjectDataset.of(dataset_of(keys, self._key(folder), schema, by_day=by_day, filesystem=store))

    def below(self, folder: LakePath) -> list[str]:
        """Objects with the folder's prefix; a request per thousand of them."""
        start = f"{self._key(folder)}/"
        return [name.removeprefix(start) for name in self._list(folder)]

    def each(self, look: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """Concurrently: a store answers many requests as fast as one."""
        return list(in_flight(look, items, 1 if self._listed is not None else _AT_ONCE))

    def snapshot(self) -> ObjectStorage:
        """A copy that lists each asset once, when needed, and takes existence and versions from that."""
        snapshot = copy(self)
        snapshot._listed = {}  # noqa: SLF001 - a copy of our own
        return snapshot

    def forget_versions(self, before: datetime) -> int:  # noqa: ARG002 - nothing is kept
        """None is kept here; a bucket's own versioning is not ours to change."""
        return 0

    def hurry(self) -> None:
        """A running request gets a few more seconds, and retries end soon."""
        self._deadline.hurry()
        self._answered_within = HURRIED_DEADLINE

    def calm(self) -> None:
        """Wait as long as at first: another run begins."""
        self._deadline.seconds, self._answered_within = DEADLINE, _ANSWERED_WITHIN

    def written_at(self, path: LakePath) -> float | None:
        """When an object was written by the store's clock, in seconds since 1970; None if the store does not say.

        Stores refuse requests of machines whose clock differs by more than some minutes.
        """
        info = self._there(path)
        said = next((info[name] for name in _WRITTEN if info.get(name)), None)
        instant = datetime.fromisoformat(said) if isinstance(said, str) else said
        return instant.timestamp() if isinstance(instant, datetime) else None

    def probe(self) -> None:
        """Write an object, read it back, find it in a listing, and remove it. The error says which failed, and why."""
        path, said = self.root / ".probes" / f"{secrets.token_hex(8)}.txt", b"sonnys doctor\n"
        self.put(path, lambda file: file.write(said))
        try:
            if self.content(path) != said:
                raise UnwritableLakeError(f"{path} was written and read back with different bytes; check the store")
            if not any(name.endswith(path.name) for name in self._list(path.parent)):
                raise UnwritableLakeError(f"{path} was written and is not listed; give the credentials list rights")
        except OSError as error:
            raise UnwritableLakeError(f"{path} was written and cannot be read ({error})") from error
        finally:
            self.remove(path)

    @cached_property
    def _driver(self) -> AsyncFileSystem:
        """The connected driver, without a request. Raises LakeError if it would send data to others unencrypted."""
        try:
            driver: Any = self._place.fs
            endpoint = urlsplit(str(driver.s3.meta.endpoint_url) if self._scheme == "s3" else "")
        except Exception as error:
            raise UnreachableLakeError(
                f"{self.root} cannot be opened ({said_by(error)}); see docs/object-storage.md for what the store needs"
            ) from error
        if endpoint.scheme == "http" and not is_loopback(endpoint.hostname or ""):
            raise LakeError(
                f"{self.root}: the endpoint is plain http on another machine, where names and plates would be sent "
                "unencrypted; use https (AWS_ENDPOINT_URL_S3)"
            )
        if self._scheme == "s3":
            driver.retries = 1
        return driver

    def _key(self, path: LakePath) -> str:
        return self._strip(str(path))

    def _there(self, path: LakePath) -> Info:
        info = self._info(path)
        if info is None:
            raise FileNotFoundError(f"{path} is not there")
        return info

    def _info(self, path: LakePath) -> Info | None:
        if self._listed is not None:
            folder = self.root / (name_below(self.root, path) or "").partition("/")[0]
            return self._list(folder).get(self._key(path))
        try:
            info: Info = self._ask(lambda driver: driver._info(self._key(path)))  # noqa: SLF001
        except FileNotFoundError:
            return None
        return info if info["type"] == "file" else None

    def _list(self, folder: LakePath) -> dict[str, Info]:
        """Every object of a folder by its key; a snapshot keeps the first answer."""
        key = self._key(folder)
        if self._listed is not None and key in self._listed:
            return self._listed[key]
        try:
            found = self._ask(lambda driver: driver._find(key, detail=True))  # noqa: SLF001
        except FileNotFoundError as error:
            raise UnreachableLakeError(f"{folder} cannot be listed ({error}); name an existing bucket") from error
        except OSError as error:
            raise UnreachableLakeError(f"{folder} cannot be listed ({error})") from error
        listed: dict[str, Info] = {name: info for name, info in dict(found).items() if info["type"] == "file"}
        if self._listed is not None:
            self._listed[key] = listed
        return listed

    def _range(self, path: LakePath, start: int | None, end: int | None) -> bytes:
        length = (end or 0) - (start or 0)
        content: bytes = self._ask(
            lambda driver: driver._cat_file(self._key(path), start=start, end=end),  # noqa: SLF001
            length,
        )
        return content

    def _open(self, key: str) -> ObjectFile:
        """A file opened by the driver, which on S3 insists on one version from the first byte to the last."""
        self._refuse_tables()
        opened = self._retried(lambda: self._driver.open(key, "rb", cache_type="none"))
        return ObjectFile(opened, self._retried)

    def _refuse_tables(self) -> None:
        """Raise LakeError if the lake is one of Iceberg tables, whose days would not be found."""
        if self._is_checked or str(self.root) in _plain:
            return
        try:
            self._answer(lambda driver: driver._cat_file(self._key(self.root / MARKER)))  # noqa: SLF001
        except FileNotFoundError:
            _plain.add(str(self.root))
            return
        raise LakeError(
            f"{self.root} is a lake of Iceberg tables; set SONNYS_LAKE_FORMAT=iceberg and open it as "
            "`Workspace.of().lake` (`sonnys_pipeline.backfill.workspace`), or name another SONNYS_DATA_URL"
        )

    def _ask(self, call: Callable[[Any], Coroutine[Any, Any, R]], size: int = 0) -> R:
        """The answer to one request, unless the lake has another format. Raises LakeError."""
        self._refuse_tables()
        return self._answer(call, size)

    def _answer(self, call: Callable[[Any], Coroutine[Any, Any, R]], size: int = 0) -> R:
        """The answer to one request with a time limit; repeated while the store is away."""

        def once() -> R:
            started = time.monotonic()
            future = asyncio.run_coroutine_threadsafe(call(self._driver), self._driver.loop)
            try:
                while not wait([future], 0.25).done:
                    if time.monotonic() - started > self._answered_within + size / _SLOWEST:
                        raise TimeoutError(f"no answer within {self._answered_within:g} s")
                return future.result()
            finally:
                future.cancel()  # a late answer must not arrive after we gave up

        return self._retried(once)

    def _retried(self, once: Callable[[], R]) -> R:
        """Run a request until the store answers; other failures become OSErrors whose messages are safe to show."""
        return self._deadline.retry(once, self._outage)

    def _outage(self, error: Exception) -> Exception | None:
        """The error to raise if the store stays away; any other trouble is raised here."""
        if isinstance(error, LakeError):
            return None
        said, trouble = said_by(error), trouble_of(error)
        if trouble is not Trouble.AWAY:
            self._deadline.answered()
        if trouble is Trouble.MISSING:
            raise FileNotFoundError(said) from error
        if trouble is Trouble.REFUSED:
            raise UnreachableLakeError(
                f"{self.root} refuses access ({said}); give the credentials the rights to list, get, put and delete: "
                "docs/object-storage.md. Nothing landed was touched"
            ) from error
        if trouble is Trouble.REPLACED:
            raise OSError("it was replaced while it was read; read it again") from error
        if trouble is Trouble.OTHER:
            raise OSError(said) from error
        if not self._deadline.is_away:
            logger.warning("%s does not answer (%s). Waiting until it does", self.root, said)
        return UnreachableLakeError(
            f"{self.root} does not answer ({said}); check the network and the store, then run it again: nothing "
            "landed was touched"
        )


def _tag(info: Info) -> str:
    """Identifies a version of an object: its tag or modification time, and its size."""
    tag = next((str(info[name]) for name in ("ETag", "etag", "generation", *_WRITTEN) if info.get(name)), "")
    return f"{tag}-{info['size']}".replace('"', "")
