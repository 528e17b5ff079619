"""What tests of Iceberg lakes share: small days, and a landing that kills its own process at a chosen call."""

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from sqlalchemy import Engine, event

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.iceberg.options import Iceberg

DAY, NEXT = "2026-11-10", "2026-11-11"
#: Calls of files and folders, as Python's audit events name them.
_CALLS = {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.listdir", "os.scandir", "sqlite3.connect"}


def rows(*ids: str, note: str = "first") -> pa.Table:
    """Rows with a nested column, an instant and a text."""
    count = len(ids)
    return pa.table(
        {
            "id": pa.array(ids, pa.string()),
            "at": pa.array([datetime(2026, 11, 10, 12, tzinfo=UTC)] * count, pa.timestamp("us", tz="UTC")),
            "items": pa.array(
                [[{"sku": "W1", "net": 12.5}]] * count,
                pa.list_(pa.struct([("sku", pa.string()), ("net", pa.float64())])),
            ),
            "note": pa.array([note] * count, pa.string()),
        }
    )


def iceberg(root: Path | str, **options: object) -> Lake:
    """A lake of Iceberg tables, in a folder or an object store."""
    return Lake(root, lake_format=Iceberg(**options))  # type: ignore[arg-type]


def land_and_die(root: str, moment: int, note: str, said: str) -> None:
    """Replace a day, and be killed before a call to a file or the catalog; writes how many calls there were.

    To be run in a process of its own.
    """
    calls = 0

    def call(*_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    lake = iceberg(Path(root))
    table = rows("a", "b", "c", note=note)
    sys.addaudithook(lambda name, args: call() if name in _CALLS and root in str(args) else None)
    event.listen(Engine, "before_cursor_execute", call)
    event.listen(Engine, "commit", call)
    lake.land("transactions", table, partition=DAY)
    counted = calls
    Path(said).write_text(str(counted), encoding="utf-8")


def land_plainly_and_die(root: str, moment: int, note: str, said: str) -> None:
    """The same in plain Parquet, where few calls are of files: killed before a call of any function."""
    calls = 0

    def call(_: object, event: str, __: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}
        if calls == moment:
            os.kill(os.getpid(), signal.SIGKILL)

    lake, table = Lake(root), rows("a", "b", "c", note=note)
    # What the first landing of a process imports would be most of the calls, and kills would rarely come after it. It
    # also removes the leftover of the writer killed before, so that the next landing always makes as many calls.
    lake.land("first", table, partition=DAY)
    lake.remove("first", DAY)
    sys.setprofile(call)
    lake.land("transactions", table, partition=DAY)
    sys.setprofile(None)
    Path(said).write_text(str(calls), encoding="utf-8")
