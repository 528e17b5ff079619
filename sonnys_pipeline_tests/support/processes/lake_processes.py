"""Processes beside a lake: one that lands days without end, to be killed, and other people's tools that read all of it.

Every row says of which landing of its day it is, and how many rows that has: so a reader can tell a whole day from
parts of one, and from a mixture of two.
"""

import glob
import json
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from sonnys_pipeline.lake.dataset import Lake

ASSETS = ("transactions", "big_tickets")
DAYS = [f"2026-03-{day:02d}" for day in range(10, 14)]
COLUMNS = ["date", "version", "of"]
#: Errors that a reader's report quotes.
_QUOTED = 3


def rows(version: int) -> pa.Table:
    """A day's rows, some 400 kB of them: of another number from version to version, and none of a round row group."""
    count = 9_000 + 997 * (version % 7)
    chance = random.Random(version)
    return pa.table(
        {
            "id": pa.array(range(count), pa.int64()),
            "version": pa.array([version] * count, pa.int64()),
            "of": pa.array([count] * count, pa.int64()),
            "filling": [chance.random() for _ in range(count)],
        }
    )


def land_without_end(root: str, first: int, ready: Any) -> None:
    """Land days and a page, over and over, until somebody kills this process."""
    lake, version = Lake(root), first
    tables = [rows(first + shift) for shift in range(3)]
    ready.set()
    while True:
        for day in DAYS:
            table = tables[version % 3]
            version += 1
            for asset in ASSETS:
                with lake.writing(asset):
                    lake.land(asset, table, partition=day)
            lake.land("sites", table)
            lake.land_page("daily_report", "report.html", f"{version}", partition=day)


def pandas_reads(folder: str) -> Iterator[pa.Table]:
    """A folder, as the README shows it; and a dataset of Arrow's."""
    import pandas as pd
    import pyarrow.dataset as ds

    yield pa.Table.from_pandas(pd.read_parquet(folder)[COLUMNS])
    yield ds.dataset(folder, partitioning="hive").to_table(columns=COLUMNS)


def duckdb_reads(folder: str) -> Iterator[pa.Table]:
    """A pattern of all files below, in a view that is asked twice."""
    import duckdb

    with duckdb.connect() as connection:
        pattern = f"{glob.escape(folder)}/**/*.parquet"
        connection.execute(f"CREATE VIEW landed AS FROM read_parquet('{pattern}', hive_partitioning = true)")
        for _ in range(2):
            yield connection.sql(f"SELECT {', '.join(COLUMNS)} FROM landed").to_arrow_table()  # noqa: S608


def polars_reads(folder: str) -> Iterator[pa.Table]:
    """A folder at once, and a lazy frame."""
    import polars as pl

    yield pl.read_parquet(folder).select(COLUMNS).to_arrow()
    yield pl.scan_parquet(folder).select(COLUMNS).collect().to_arrow()


READERS: Mapping[str, Callable[[str], Iterator[pa.Table]]] = {
    "pandas": pandas_reads,
    "duckdb": duckdb_reads,
    "polars": polars_reads,
}


def judge(read: pa.Table) -> str | None:
    """What is wrong with the days that were read; `None` when all are there, each whole and of one landing."""
    groups = read.group_by(COLUMNS).aggregate([([], "count_all")]).to_pylist()
    if sorted(str(group["date"]) for group in groups) != DAYS or any(one["of"] != one["count_all"] for one in groups):
        return f"not {len(DAYS)} whole days: {groups}"
    return None


def read_without_end(kind: str, root: str, stop: str) -> None:
    """Read all days of an asset, once and then until a file `stop` is there; then report as JSON.

    DuckDB and Polars open some files twice, for the footer and for the rows. Where a day is replaced in between they
    fail, and that is told apart: no lake of plain files can keep them from it.
    """
    lake, (asset, *_) = Lake(root), ASSETS
    reads, overtaken, wrong = 0, 0, []
    while not reads or not Path(stop).exists():
        before = [lake.version(asset, day) for day in DAYS]
        try:
            for read in READERS[kind](str(lake.root / asset)):
                reads += 1
                if (problem := judge(read)) is not None:
                    wrong.append(problem)
        except BaseException as error:  # noqa: BLE001 - a panic of Polars is no Exception
            reads += 1
            if before == [lake.version(asset, day) for day in DAYS]:
                wrong.append(f"{type(error).__name__}: {error}")
            else:
                overtaken += 1
        time.sleep(0.001)
    json.dump({"reads": reads, "overtaken": overtaken, "wrong": len(wrong), "quoted": wrong[:_QUOTED]}, sys.stdout)


if __name__ == "__main__":
    read_without_end(*sys.argv[1:])
