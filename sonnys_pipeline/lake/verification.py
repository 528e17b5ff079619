"""Reads landed Parquet files from the first byte to the last, so that damage is found before the rows are needed.

A footer can be whole over rows that are not: only decoding all of them, and comparing the checksums of their pages,
tells. Files landed by earlier versions have no checksums; of these only what cannot be decoded is found.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import UnreachableLakeError
from sonnys_pipeline.lake.storage.folder import LakePath

#: Rows that are held at once.
_BATCH = 8192
#: A file that is replaced while it is read is read again; after so many times its last error counts.
_TRIES = 3


def damaged_files(lake: Lake) -> Iterator[tuple[LakePath, str]]:
    """The Parquet files of all assets that cannot be read whole, each with the reason in one line.

    Files that are replaced or removed meanwhile are not damaged. Memory holds one batch of rows at a time.

    Raises:
        UnreachableLakeError: when an object store stays away.
        OSError: when the folder cannot be listed.
    """
    for name in sorted(lake.storage.below(lake.root)):
        if name.endswith(".parquet") and not any(part.startswith(".") for part in name.split("/")):
            path = lake.root / name
            if reason := _damage(lake, path):
                yield path, reason


def _damage(lake: Lake, path: LakePath) -> str | None:
    """Why a file cannot be read; `None` when it can, or is not there any more."""
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
