"""Open the storage that a root names."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.iceberg import MARKER
from sonnys_pipeline.lake.iceberg.options import OPENED, Iceberg, LakeFormat
from sonnys_pipeline.lake.locks.files import Locks
from sonnys_pipeline.lake.storage.folder import FolderStorage, Storage, is_url


def open_storage(
    root: str | os.PathLike[str], lake_format: LakeFormat | None = None, locks: Locks | None = None
) -> Storage:
    """The storage of a folder, or of an object store's URL, in its own format unless one is required.

    A folder says at once if it has another format, an object store at the first request. Without a required format, a
    lake of tables in an object store can be opened only after this process has opened it by its settings: the catalog
    is elsewhere. `locks` are for the commits of tables.

    Raises:
        LakeError: an unknown kind of store, a driver or pyiceberg is missing, or the lake has another format.
    """
    wanted = None if lake_format == "parquet" else lake_format
    if isinstance(root, str) and is_url(root):
        root = root.rstrip("/")
        if wanted is not None or (lake_format is None and root in OPENED):
            return _tables(root, wanted, locks)
        from sonnys_pipeline.lake.storage.objects import ObjectStorage  # noqa: PLC0415 - a folder needs no fsspec

        return ObjectStorage(root)
    folder = FolderStorage(root)
    place = Path(str(folder.root))
    is_iceberg = _is_there(place / MARKER)
    if is_iceberg and lake_format == "parquet":
        raise LakeError(
            f"{place} is a lake of Iceberg tables; set SONNYS_LAKE_FORMAT=iceberg, or name another SONNYS_DATA_URL"
        )
    if not is_iceberg and wanted is None:
        return folder
    if not is_iceberg and _has_files(place):
        raise LakeError(
            f"{place} is a lake of plain Parquet files; set SONNYS_LAKE_FORMAT=parquet, or name another "
            "SONNYS_DATA_URL and land the days there"
        )
    return _tables(place, wanted, locks)


def _tables(root: str | Path, wanted: Iceberg | None, locks: Locks | None) -> Storage:
    try:
        from sonnys_pipeline.lake.iceberg.storage import IcebergStorage  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise LakeError(
            f"{root} needs pyiceberg, which is not installed: pip install 'sonnys-pipeline[iceberg]'"
        ) from error
    return IcebergStorage(root, wanted, locks)


def _has_files(root: Path) -> bool:
    """Whether plain files are landed here: of an asset, or of a day. Raises LakeError if it cannot be read."""
    try:
        assets = [one for one in root.iterdir() if not one.name.startswith(".")]
        return any((one / "part-0.parquet").exists() or any(one.glob("date=*")) for one in assets)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise LakeError(f"{root} cannot be read ({error.strerror or error}); fix its permissions") from error


def _is_there(path: Path) -> bool:
    """False also where it cannot be known: reading the lake then says why."""
    with contextlib.suppress(OSError):
        return path.exists()
    return False
