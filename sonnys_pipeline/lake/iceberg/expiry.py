"""Expiry of earlier versions: snapshots first, then the files that no remaining snapshot has."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import PurePath

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Operation, Snapshot

from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.iceberg.catalogs import answering
from sonnys_pipeline.lake.iceberg.files import Files, path_of
from sonnys_pipeline.lake.iceberg.tables import TRIES, Tables
from sonnys_pipeline.lake.storage.folder import LakePath
from sonnys_pipeline.runtime.processes import is_dead_writer

#: Folders of a table below its asset's.
DATA, METADATA = "data", "metadata"
#: Snapshots with replaced files that a table keeps at most: each makes the next commit slower.
MOST_VERSIONS = 100
#: Snapshots that expire together, unless they are due by their age.
_AT_ONCE = 32
#: Seconds after which a file that no snapshot has counts as left by an interrupted commit; one takes less than one.
_ABANDONED_AFTER = 3600.0


def is_due(table: Table, before: datetime) -> bool:
    """Whether `expire` has enough to do: not one snapshot with each commit."""
    return len(_expired(table, before)) >= _AT_ONCE or any(
        successor.timestamp_ms <= _milliseconds(before - timedelta(days=1)) for _, successor in _replaced(table)
    )


def expire(tables: Tables, asset: str, before: datetime) -> int:
    """Expire the snapshots that were replaced before an instant, and delete the files that only they have.

    A snapshot before a new day goes, too: it has no version of a file that the next one lacks. Of others, at most
    `MOST_VERSIONS` stay.

    Files that interrupted commits have left are deleted, too. Returns the number of deleted files.

    Raises:
        UnreachableLakeError: the catalog does not answer.
        LakeError: other programs change the table all the time.
    """
    with tables.writing(asset):
        for _ in range(TRIES):
            now = tables.current(asset)
            if now is None:
                return 0
            table = now.table
            old = _expired(table, before)
            try:
                with answering(tables.root):
                    dropped = _files(tables, table, old)
                    if old:
                        _drop(now.to_change(), old)
                    needed = _needed(tables, asset)
            except (CommitFailedException, FileNotFoundError):
                continue  # another machine wrote the table meanwhile
            listed = tables.files.snapshot()
            gone = [
                place
                for place in _written(tables.root / asset, listed)
                if place not in needed and (place in dropped or _is_abandoned(place, listed))
            ]
            tables.files.each(tables.files.remove, gone)
            return len(gone)
    raise LakeError(f"{asset}: other programs changed the table during each of {TRIES} attempts; run it again later")


def _drop(table: Table, old: Sequence[Snapshot]) -> None:
    """Expire snapshots. Raises CommitFailedException if another machine did."""
    try:
        table.maintenance.expire_snapshots().by_ids([one.snapshot_id for one in old]).commit()
    except ValueError as gone:  # one is not there any more
        raise CommitFailedException(str(gone)) from gone


def _needed(tables: Tables, asset: str) -> set[LakePath]:
    now = tables.current(asset)
    return set() if now is None else _files(tables, now.table, now.table.snapshots())


def _expired(table: Table, before: datetime) -> list[Snapshot]:
    """What may go, unless a branch or tag keeps it. When a version was made says nothing of its replacement."""
    replaced, limit = _replaced(table), _milliseconds(before)
    kept = {one.snapshot_id for one, successor in replaced[-MOST_VERSIONS:] if successor.timestamp_ms > limit}
    kept |= {ref.snapshot_id for ref in table.metadata.refs.values()}
    return [one for one in table.snapshots() if one.snapshot_id not in kept]


def _replaced(table: Table) -> list[tuple[Snapshot, Snapshot]]:
    """Snapshots of which the next one lacks a file, each with the next one; oldest first."""
    line = sorted(table.snapshots(), key=lambda one: (one.sequence_number or 0, one.timestamp_ms))
    return [
        (one, successor)
        for one, successor in pairwise(line)
        if successor.summary is None or successor.summary.operation is not Operation.APPEND
    ]


def _milliseconds(instant: datetime) -> float:
    return instant.timestamp() * 1000


def _files(tables: Tables, table: Table, snapshots: Iterable[Snapshot]) -> set[LakePath]:
    """Manifest lists, manifests and data files of these snapshots."""
    found: set[LakePath] = set()
    for snapshot in snapshots:
        found.add(path_of(tables.files, snapshot.manifest_list))
        for manifest in snapshot.manifests(table.io):
            if (path := path_of(tables.files, manifest.manifest_path)) in found:
                continue
            found.add(path)
            entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
            found |= {tables.path_of(entry.data_file) for entry in entries}
    return found


def _written(folder: LakePath, files: Files) -> list[LakePath]:
    """Files of a table, except `*.metadata.json`, which pyiceberg deletes by itself."""
    kept_as = {DATA: ".parquet", METADATA: ".avro"}
    return [
        folder / name for name in files.below(folder) if PurePath(name).suffix == kept_as.get(name.partition("/")[0])
    ]


def _is_abandoned(place: LakePath, files: Files) -> bool:
    if is_dead_writer(place.stem.rpartition("-")[0]):
        return True
    with contextlib.suppress(OSError):
        written = files.written_at(place)
        return written is not None and time.time() - written > _ABANDONED_AFTER
    return False
