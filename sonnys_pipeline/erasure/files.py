"""Every file that the product has written: those of the lake, and those of the state folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.scans import landed_assets
from sonnys_pipeline.landing.archive import ARCHIVE, STATES_ARCHIVE
from sonnys_pipeline.marts.frequency.columns import WASH_FREQUENCY_ASSET

#: Archives are rewritten page by page. States are last: what is found in other files by their numbers stays findable
#: after an interruption. What is computed of them comes after: a run in between would bring the customer back.
_FIRST, _LAST = (ARCHIVE, STATES_ARCHIVE), ("transactions", "transaction_states", WASH_FREQUENCY_ASSET)


def landed_files(lake: Lake) -> list[tuple[str, str | None]]:
    """Asset and day of each table, in the order in which they are to be erased."""

    def order(asset: str) -> int:
        return 0 if asset in _FIRST else 2 + _LAST.index(asset) if asset in _LAST else 1

    found: list[tuple[str, str | None]] = []
    for asset in sorted(landed_assets(lake), key=order):
        found += [(asset, day) for day in lake.partitions(asset)]
        if lake.has(asset):
            found.append((asset, None))
    return found


def quarantined(state_dir: Path) -> list[Path]:
    """Pages that could not be parsed."""
    return sorted((state_dir / "quarantine").glob("*.json"))


def contents(lake: Lake, state_dir: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of every file, once; tables as JSON, then the bodies in them as they are.

    Raises:
        LakeError: a file cannot be read.
    """
    inside = str(lake.root)
    for path in sorted(lake.storage.below(lake.root)):
        place = lake.root / path
        try:
            content = lake.storage.content(place)
            yield str(place), _decoded(content) if path.endswith(".parquet") else content
        except FileNotFoundError:
            continue  # removed meanwhile, such as an unfinished file
        except (OSError, pa.ArrowException) as error:
            raise LakeError(f"{place} cannot be searched ({error}); remove or restore it, then run it again") from error
    for file in sorted(state_dir.rglob("*")):
        if not file.is_file() or str(file).startswith(f"{inside}/"):
            continue
        try:
            yield str(file), file.read_bytes()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise LakeError(f"{file} cannot be searched ({error}); fix its permissions, then run it again") from error


def _decoded(content: bytes) -> bytes:
    file = pq.ParquetFile(pa.BufferReader(content))
    metadata = b"\n".join(value for value in (file.metadata.metadata or {}).values())
    bodies: list[bytes] = []

    def plain(value: Any) -> str:  # noqa: ANN401 - any column's value
        if isinstance(value, bytes):
            bodies.append(value)
            return ""
        return str(value)

    rows = json.dumps(file.read().to_pylist(), ensure_ascii=False, default=plain)
    return b"\n".join([rows.encode("utf-8", "surrogatepass"), metadata, *bodies])
