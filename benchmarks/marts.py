"""A year of 20 sites in Parquet → `site_day_kpis`, for all of it and for one day: seconds and peak memory.

Beside it, in the same run: the script that is written first, in plain pandas, which reads the same files and counts
the same figures. Each way runs in a fresh process; its peak is that of the process, and what the imports take is told
apart. Both must agree on cars and sales before anything is reported.

Rows are those of the simulator's world for a week (20 sites, 16,000 rows a day); the other weeks are the same rows with
ids and instants moved by whole weeks, since writing six million rows one by one would take longer than all that is
measured here. So clocks are changed in the year, while the rows' own hours are not.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sonnys_pipeline.calendar.business_days import partitions_needed
from sonnys_pipeline.client import Site, TransactionJobItem
from sonnys_pipeline.client.models import parse_rows
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.schema import TRANSACTIONS, arrow_schema, to_table
from sonnys_pipeline.marts.kpis import site_day_kpis
from sonnys_pipeline.simulator import World

SITES, ROWS_PER_SITE = 20, 800
FIRST = date(2025, 3, 3)
DAYS = 371  # a year of business days, and the neighbours that its edges need
ONE_DAY = FIRST + timedelta(days=100)
PIPELINE_ZONE = "UTC"


@dataclass(frozen=True)
class Measured:
    """One way's figures; `rows` is how many lie in the files that it was given."""

    way: str
    span: str
    rows: int
    seconds: float
    peak_mib: float
    imports_mib: float


def write_year(lake: Lake, days: int) -> int:
    """Land `days` partitions and the site list; how many rows."""
    world = World(seed=7, sites=SITES, rows_per_day=SITES * ROWS_PER_SITE, virtual_site=False, codeless_site=False)
    listed = [Site(code=spec.code, name=spec.name, timezone=spec.timezone) for spec in world.sites]
    lake.land("sites", to_table(listed, arrow_schema(Site)))
    week = []
    for number in range(7):
        start = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) + timedelta(days=number)
        rows = world.rows(start, start + timedelta(days=1) - timedelta(milliseconds=1))
        week.append(to_table(parse_rows(TransactionJobItem, rows), TRANSACTIONS))
    written = 0
    for number in range(days):
        weeks, weekday = divmod(number, 7)
        table = moved(week[weekday], weeks)
        written += lake.land("transactions", table, partition=(FIRST + timedelta(days=number)).isoformat()).rows
    return written


def moved(table: pa.Table, weeks: int) -> pa.Table:
    """The same rows some weeks later, under ids of their own."""
    ids = pc.binary_join_element_wise(table["id"], pa.scalar(f"-{weeks}"), "")
    later = pc.add(table["complete_date"], pa.scalar(timedelta(weeks=weeks), pa.duration("us")))
    for name, column in (("id", ids), ("complete_date", later)):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(place), column)
    return table


def ours(root: Path, dates: list[date]) -> pd.DataFrame:
    """`site_day_kpis` over the files that the dates need."""
    lake = Lake(root)
    sites = lake.read("sites")
    needed = sorted({day for one in partitions_needed(dates, sites, PIPELINE_ZONE) for day in one.partitions})
    paths = [lake.path("transactions", day.isoformat()) for day in needed]
    mart = site_day_kpis(paths, sites, dates, landed=needed, timezone=PIPELINE_ZONE)
    assert not mart.missing
    return mart.table.to_pandas()


def plain_pandas(root: Path, dates: list[date]) -> pd.DataFrame:
    """The first script: one frame of all rows, Python over the lists inside them, then groups."""
    lake = Lake(root)
    zones = lake.read("sites").to_pandas().set_index("code")["timezone"]
    around = [day.isoformat() for day in pd.date_range(min(dates), max(dates) + timedelta(days=1)).date]
    columns = [
        "complete_date", "location_code", "total", "items", "tenders", "discounts", "is_recurring_sale",
        "is_recurring_payment", "is_recurring_redemption", "is_recurring_plan_sale", "is_recurring_plan_redemption",
        "transaction_status",
    ]  # fmt: skip
    frames = [pd.read_parquet(lake.path("transactions", day), columns=columns, partitioning=None) for day in around]
    frame = pd.concat(frames, ignore_index=True)
    frame["business_date"] = None
    for code, zone in zones.items():
        own = frame["location_code"] == code
        frame.loc[own, "business_date"] = frame.loc[own, "complete_date"].dt.tz_convert(zone).dt.date
    frame = frame[frame["business_date"].isin(set(dates))].copy()
    redemption = frame["is_recurring_plan_redemption"].astype("boolean").fillna(frame["is_recurring_redemption"])
    plan_sale = frame["is_recurring_plan_sale"].astype("boolean").fillna(frame["is_recurring_sale"])
    redemption, plan_sale = redemption.astype(bool), plan_sale.astype(bool)
    wash = frame["items"].map(lambda items: any(x["department"] == "Wash" and not x["is_voided"] for x in items))
    cents = (frame["total"] * 100).round().astype("int64")
    retail = wash & ~redemption & ~plan_sale & ~frame["is_recurring_payment"]
    frame["total_cars"] = redemption | (wash & (plan_sale | ~frame["is_recurring_payment"]))
    frame["member_washes"] = redemption
    frame["retail_washes"] = retail
    frame["free_washes"] = retail & (cents == 0)
    frame["new_memberships"] = plan_sale & frame["is_recurring_sale"]
    frame["sales"] = cents.where(~redemption, 0)
    frame["plan_sales"] = cents.where(~redemption & plan_sale, 0)
    frame["discounts"] = frame["discounts"].map(lambda given: sum(round(one["discount"] * 100) for one in given))
    frame["voided_transactions"] = frame["transaction_status"] == "Voided"
    frame["voided_items"] = frame["items"].map(lambda items: sum(x["is_voided"] for x in items))
    frame["void_tenders"] = frame["tenders"].map(lambda paid: sum(x["tender"] == "Void" for x in paid))
    frame["unsettled"] = frame["transaction_status"].isin(["Incomplete", "In-Progress", "Suspended"])
    frame["transactions"] = 1
    added = [
        "total_cars", "member_washes", "retail_washes", "free_washes", "new_memberships", "sales", "plan_sales",
        "discounts", "voided_transactions", "voided_items", "void_tenders", "unsettled", "transactions",
    ]  # fmt: skip
    grouped = frame.groupby(["location_code", "business_date"])[added].sum().reset_index()
    grouped["eligible_washes"] = grouped["total_cars"] - grouped["member_washes"] - grouped["free_washes"]
    grouped["conversion_rate"] = grouped["new_memberships"] / grouped["eligible_washes"]
    grouped["average_ticket"] = grouped["sales"] / grouped["total_cars"] / 100
    grouped["sales"] = grouped["sales"].map(lambda amount: Decimal(amount) / 100)
    return grouped


WAYS: dict[str, Callable[[Path, list[date]], pd.DataFrame]] = {"site_day_kpis": ours, "plain pandas": plain_pandas}


def measure(way: str, root: Path, dates: list[date]) -> dict[str, Any]:
    """Run one way; called in a fresh process."""
    duckdb.sql("SELECT 1")  # loaded in both, so that imports weigh the same
    imports = peak_mib()
    started = time.perf_counter()
    found = WAYS[way](root, dates)
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "peak_mib": peak_mib(),
        "imports_mib": imports,
        "answer": (
            len(found),
            int(found["total_cars"].sum()),
            str(sum(found["sales"], Decimal(0)).quantize(Decimal(1))),
        ),
    }


def peak_mib() -> float:
    """The most memory that this process has held so far. Not `ru_maxrss`, which a child inherits from its parent."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert found, "only Linux tells the peak of a process"
    return int(found[1]) / 1024


def run(days: int = DAYS) -> list[Measured]:
    """Both ways, over all days and over one."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        rows = write_year(Lake(root), days)
        whole = [FIRST + timedelta(days=number) for number in range(1, days - 2)]
        one = [ONE_DAY if ONE_DAY in whole else whole[len(whole) // 2]]
        found = []
        for span, dates in ((f"{len(whole)} days", whole), ("1 day", one)):
            answers = set()
            for way in WAYS:
                with multiprocessing.get_context("spawn").Pool(1) as pool:
                    figures = pool.apply(measure, (way, root, dates))
                answers.add(figures.pop("answer"))
                given = rows if len(dates) > 1 else 2 * rows // days
                found.append(Measured(way, span, given, **figures))
            assert len(answers) == 1, f"the ways do not agree: {answers}"
    return found


def main() -> None:
    """Measure and print; `--days` for a smaller lake."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=DAYS, help="how many daily partitions to write (at least 4)")
    started = time.monotonic()
    for row in run(parser.parse_args().days):
        print(json.dumps(row.__dict__), flush=True)  # noqa: T201 - a benchmark prints
    print(f"{time.monotonic() - started:.0f} s")  # noqa: T201


if __name__ == "__main__":
    main()
