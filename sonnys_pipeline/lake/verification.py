"""Find damaged Parquet files by reading them completely.

A valid footer does not prove valid rows: only decoding all of them and comparing page checksums does. Files of earlier
versions have no checksums; their damage is found only if they cannot be decoded.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import UnreachableLakeError
from sonnys_pipeline.lake.storage.folder import LakePath

#: Rows in memory at once.
_BATCH = 8192
#: Attempts for a file that is replaced while it is read; then the last error counts.
_TRIES = 3


def damaged_files(lake: Lake) -> Iterator[tuple[LakePath, str]]:
    """The damaged Parquet files of all assets, each with the reason in one line.

    Files that are replaced or removed meanwhile do not count. Raises UnreachableLakeError; for a folder, OSError.
    """
    for name in sorted(lake.storage.below(lake.root)):
        if name.endswith(".parquet") and not any(part.startswith(".") for part in name.split("/")):
            path = lake.root / name
            if reason := _damage(lake, path):
                yield path, reason


def _damage(lake: Lake, path: LakePath) -> str | None:
    """Why a file cannot be read; None if it can, or was removed."""
    reason = None
    for _ in range(_TRIES):
        version = None
        try:
            version = lake.storage.version(path)
            if version is None:
                return None
            _read(lake, path)
        except UnreachableLakeError:
            raise
        except FileNotFoundError:
            return None
        except (pa.ArrowException, OSError, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            if _version(lake, path) == version:
                return reason
        else:
            return None
    return reason


def _read(lake: Lake, path: LakePath) -> None:
    with (
        lake.storage.opened(path) as source,
        pq.ParquetFile(source, pre_buffer=False, page_checksum_verification=True) as file,
    ):
        for _ in file.iter_batches(_BATCH):
            pass


def _version(lake: Lake, path: LakePath) -> str | None:
    try:
        return lake.storage.version(path)
    except UnreachableLakeError:
        raise
    except OSError:
        return None
