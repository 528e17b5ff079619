"""`site_day_kpis` of 20 and of 200 sites by DuckDB and by Spark in local mode, on the same Parquet files.

`python -m benchmarks.spark --sites 20 200 --days 371`. Rows are those of `benchmarks/marts.py`; 200 sites are its 20,
ten times under other codes. Each engine runs in a fresh process and counts twice, since Spark's first count also starts
Java and compiles. Both must be equal to the cent before anything is reported. Local mode has the cores of this machine:
a cluster divides Spark's seconds by its cores at best.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.table import Table

from benchmarks.marts import DAYS, FIRST, PIPELINE_ZONE, ROWS_PER_SITE, SITES, moved
from sonnys_pipeline.client import Site, TransactionJobItem
from sonnys_pipeline.client.models import parse_rows
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.engines.sessions import DUCKDB, Engine
from sonnys_pipeline.lake.engines.spark import SparkEngine
from sonnys_pipeline.lake.schema import TRANSACTIONS, arrow_schema, to_table
from sonnys_pipeline.marts.incremental.inputs import MartInputs
from sonnys_pipeline.marts.kpis import site_day_kpis
from sonnys_pipeline.simulator import World

ENGINES: dict[str, Callable[[], Engine]] = {
    "DuckDB": lambda: DUCKDB,
    "Spark, local[*]": partial(SparkEngine, "local[*]"),
}


def write_lake(lake: Lake, sites: int, days: int) -> int:
    """Land `days` partitions and the site list; how many rows."""
    world = World(seed=7, sites=SITES, rows_per_day=SITES * ROWS_PER_SITE, virtual_site=False, codeless_site=False)
    copies = range(sites // SITES)
    listed = [
        Site(code=f"{spec.code}-{copy}", name=spec.name, timezone=spec.timezone)
        for copy in copies
        for spec in world.sites
    ]
    lake.land("sites", to_table(listed, arrow_schema(Site)))
    week = []
    for number in range(min(7, days)):
        start = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) + timedelta(days=number)
        rows = world.rows(start, start + timedelta(days=1) - timedelta(milliseconds=1))
        table = to_table(parse_rows(TransactionJobItem, rows), TRANSACTIONS)
        week.append(pa.concat_tables(copied(table, copy) for copy in copies))
    written = 0
    for number in range(days):
        weeks, weekday = divmod(number, 7)
        day = (FIRST + timedelta(days=number)).isoformat()
        written += lake.land("transactions", moved(week[weekday], weeks), partition=day).rows
    return written


def copied(table: pa.Table, copy: int) -> pa.Table:
    """The same rows at other sites, under ids of their own."""
    for name in ("id", "location_code"):
        place = table.schema.get_field_index(name)
        column = pc.binary_join_element_wise(table[name], pa.scalar(f"-{copy}"), "")
        table = table.set_column(place, table.schema.field(place), column)
    return table


def measure(engine: str, root: Path, days: list[str]) -> tuple[list[tuple[float, float]], pa.Table]:
    """Seconds of two counts, by the clock and of processors, and the mart; called in a fresh process."""
    inputs = MartInputs(Lake(root), PIPELINE_ZONE, engine=ENGINES[engine]())
    spent = []
    for _ in range(2):
        started, used = time.perf_counter(), processor_seconds()
        mart = inputs.count(site_day_kpis, days)
        spent.append((time.perf_counter() - started, processor_seconds() - used))
    assert not mart.missing
    return spent, mart.table


def processor_seconds() -> float:
    """Of this process and of Java, which is its child: other work on the machine does not change them much."""
    this = psutil.Process()
    return sum(sum(one.cpu_times()[:2]) for one in [this, *this.children(recursive=True)])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sites", type=int, nargs="+", default=[SITES, 10 * SITES], help="multiples of 20")
    parser.add_argument("--days", type=int, default=DAYS, help="how many daily partitions to write (at least 4)")
    given = parser.parse_args()
    table = Table("sites", "days", "rows", "MiB", "engine", "first: s", "CPU s", "second: s", "CPU s", "CPU ÷ DuckDB")
    for sites in given.sites:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            rows = write_lake(Lake(root), sites, given.days)
            size = sum(file.stat().st_size for file in root.rglob("*.parquet")) / 2**20
            dates = [(FIRST + timedelta(days=number)).isoformat() for number in range(1, given.days - 2)]
            marts, reference = [], 0.0
            for engine in ENGINES:
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    spent, mart = pool.apply(measure, (engine, root, dates))
                marts.append(mart)
                reference = reference or spent[1][1]
                figures = [f"{figure:,.1f}" for count in spent for figure in count]
                ratio = f"{spent[1][1] / reference:.1f}"
                table.add_row(str(sites), str(len(dates)), f"{rows:,}", f"{size:,.0f}", engine, *figures, ratio)
            assert marts[0].equals(marts[1]), "the engines do not agree"
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
