"""What the tests of reports share: a small lake, landed without an API, whose sites are west of the pipeline's zone."""

import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from pathlib import Path

import pyarrow as pa
import pytest

from sonnys_pipeline.client.models import Site, TransactionJobItem, parse_rows
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.schema import TRANSACTIONS, arrow_schema, to_table
from sonnys_pipeline.simulator.world.chain import World

FIRST, DAYS = date(2026, 2, 10), 40
#: Made in the afternoon of the last landed day's morrow.
NOW = datetime(2026, 3, 22, 15, tzinfo=UTC)
#: The last business day of which all partitions are landed: its evening lies in the last partition.
LAST = date(2026, 3, 20)


@cache
def world() -> World:
    """Three physical sites and the online store, 90 rows a day."""
    return World(seed=5, sites=3, rows_per_day=90, api="documented", virtual_site=True)


@cache
def rows_of(day: date) -> pa.Table:
    """A UTC day's rows."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    rows = world().rows(start, start + timedelta(days=1) - timedelta(milliseconds=1))
    return to_table(parse_rows(TransactionJobItem, rows), TRANSACTIONS)


@cache
def sites() -> pa.Table:
    """The list of sites."""
    listed = [Site(code=spec.code or None, name=spec.name, timezone=spec.timezone) for spec in world().sites]
    return to_table(listed, arrow_schema(Site))


@cache
def _landed(folder: Path) -> Lake:
    """Each day is landed here once, when a test first asks for it; lakes of tests get copies of the files."""
    return Lake(folder / "small-lake")


@pytest.fixture
def land(tmp_path_factory: pytest.TempPathFactory, tmp_path: Path) -> Callable[..., Lake]:
    """Lands the last days, up to and with the 21st of March, and the sites."""
    landed = _landed(tmp_path_factory.getbasetemp())

    def land_file(lake: Lake, asset: str, rows: Callable[[], pa.Table], day: str | None = None) -> None:
        if not landed.has(asset, day):
            landed.land(asset, rows(), partition=day)
        path = Path(str(lake.path(asset, day)))
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        shutil.copy(str(landed.path(asset, day)), path)

    def land_days(days: int = DAYS, *, listed: bool = True) -> Lake:
        lake = Lake(tmp_path / "data")
        for back in range(days):
            day = FIRST + timedelta(days=DAYS - 1 - back)
            land_file(lake, "transactions", partial(rows_of, day), day.isoformat())
        if listed:
            land_file(lake, "sites", sites)
        return lake

    return land_days
