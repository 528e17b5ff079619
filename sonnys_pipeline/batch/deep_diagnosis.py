"""What `sonnys doctor --deep` reads: every page of the ledger, and every landed file to its last byte.

Damage on a disk shows where it is read, which may be a year after it came. Belongs here: looking at everything. Does
not belong here: what takes a moment (`diagnosis.py`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sonnys_pipeline.batch.diagnosis import Finding, State, skipped
from sonnys_pipeline.batch.ledger_engines import is_server
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.lake.storage import LakePath
from sonnys_pipeline.settings import Settings

LEDGER_PAGES, LANDED_FILES = "ledger pages", "landed files"
#: Damaged files, or complaints of the database, that a line names.
_NAMED = 5
#: Rows that are in memory at once.
_BATCH = 50_000


def check_ledger_pages(settings: Settings) -> Finding:
    """Whether SQLite finds every page, index and reference of the ledger's file whole."""
    subject = LEDGER_PAGES
    url = settings.ledger_url.get_secret_value() if settings.ledger_url else ""
    if is_server(url):
        return skipped(subject, "the server's own tools look at those: pg_amcheck")
    path = Path(url.partition("://")[2][1:]) if url else settings.state_dir / "ledger.sqlite"
    if not path.exists():
        return skipped(subject, f"{path} is not there yet")
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            said = [str(line[0]) for line in opened.execute(f"PRAGMA integrity_check({_NAMED})")]
            strays = opened.execute("PRAGMA foreign_key_check").fetchmany(_NAMED)
    except sqlite3.Error as error:
        said, strays = [str(error)], []
    wrong = [" ".join(line.split()) for line in said if line != "ok"]
    wrong += [f"a row of {table} belongs to none of {parent}" for table, _, parent, _ in strays]
    if not wrong:
        return Finding(subject, State.OK, f"{path}: every page is whole")
    remedy = (
        "restore the ledger from its backup (docs/operations.md), or move it away and begin a new one: landed days "
        "stay, and `sonnys backfill preview --missing-only` plans what is missing"
    )
    return Finding(subject, State.PROBLEM, f"{path} is damaged: {'; '.join(wrong)}", remedy)


def check_landed_files(lake: Lake) -> Finding:
    """Whether every Parquet file of the lake can be read to its last row, as its checksums say it was written."""
    subject = LANDED_FILES
    damaged: dict[str, str] = {}
    files = rows = 0
    try:
        for path in _parquet_files(lake):
            files += 1
            try:
                rows += _read_whole(lake, path)
            except FileNotFoundError:  # replaced or removed since it was listed
                continue
            except (OSError, ValueError, pa.ArrowException) as error:
                damaged[path.relative_to(lake.root).as_posix()] = " ".join(str(error).split())
    except LakeError as error:
        return Finding(subject, State.PROBLEM, str(error), "look at the store, then run `sonnys doctor --deep` again")
    if not damaged:
        return Finding(subject, State.OK, f"{files:,} files with {rows:,} rows are whole")
    return Finding(subject, State.PROBLEM, f"{len(damaged):,} of {files:,} are damaged: {_shown(damaged)}", _REMEDY)


_REMEDY = (
    "restore them from a backup; or make transactions again with `sonnys replay`, or read them once more with `sonnys "
    "backfill preview`, and materialize the tables that follow in Dagster"
)


def _parquet_files(lake: Lake) -> list[LakePath]:
    """Every Parquet file below the root, whatever asset it is of."""
    if lake.storage.is_local:
        return sorted(Path(str(lake.root)).rglob("*.parquet"))
    return [lake.root / name for name in sorted(lake.storage.below(lake.root)) if name.endswith(".parquet")]


def _read_whole(lake: Lake, path: LakePath) -> int:
    """The rows of a file, all of which were read.

    Raises:
        OSError, pa.ArrowException: when it cannot be read.
        ValueError: when it has not as many rows as it says.
    """
    with lake.storage.opened(path) as source, pq.ParquetFile(source, page_checksum_verification=True) as file:
        read = sum(batch.num_rows for batch in file.iter_batches(_BATCH))
        if read != file.metadata.num_rows:
            raise ValueError(f"it says {file.metadata.num_rows} rows, and has {read}")
    return read


def _shown(damaged: Mapping[str, str]) -> str:
    first = [f"{name} ({why})" for name, why in list(damaged.items())[:_NAMED]]
    return "; ".join(first) + (f" and {len(damaged) - _NAMED:,} more" if len(damaged) > _NAMED else "")
