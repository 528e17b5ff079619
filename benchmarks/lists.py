"""Lists of a chain of 20 sites: requests and minutes of a first load and a morning, against the floor (RS-02).

300 employees, 47,000 customers, 14,000 memberships of six months, over HTTP with the clock 20 times as fast. Then a day
of transactions, alone and while the lists are read: `.venv/bin/python -m benchmarks.lists`.
"""

from __future__ import annotations

import math
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sonnys_pipeline.backfill.executor import BatchExecutor, JobIdentity
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.landing.dimensions.read import read_and_land
from sonnys_pipeline.landing.dimensions.tables import DIMENSIONS
from sonnys_pipeline.landing.facts.read import read_and_land_days
from sonnys_pipeline.landing.facts.tables import CLOCK_ENTRIES, READ_FACTS, SALES_OUTCOMES, STATUS_CHANGES
from sonnys_pipeline.simulator import Simulator, SimulatorConfig

SITES, EMPLOYEES_A_SITE, SPEED, DAYS = 20, 15, 20, 30
_MORNING = 12


@dataclass(frozen=True)
class Read:
    """What a list took; `floor` are the requests that its pages need at least."""

    name: str
    rows: int
    requests: int
    floor: int


@contextmanager
def opened(simulator: Simulator, folder: Path) -> Iterator[Workspace]:
    """An account's workspace; its clock is that of the simulated API."""
    config = simulator.config
    settings = Settings(
        api_id=config.api_id,
        api_key=config.api_key,
        base_url=simulator.base_url,
        rate_limit=f"{config.rate_limit}/{config.block_seconds / config.speed:g}",
        poll_interval=2 / SPEED,
        data_url=str(folder / "data"),
        state_dir=folder / "state",
    )
    with Workspace(settings) as workspace:
        workspace.now = simulator.state.clock.now
        yield workspace


def read_all(workspace: Workspace, days: list[date]) -> list[Read]:
    """Every list, one after the other, as a morning's two jobs do."""
    found = []
    for dimension in DIMENSIONS:
        read = read_and_land(workspace.lake, dimension, workspace.lists(), workspace.now())
        pages = math.ceil(read.landed.current / 100)
        found.append(Read(dimension.asset, read.landed.current, read.requests, max(1, pages)))
    page = {STATUS_CHANGES: 1000, SALES_OUTCOMES: 500}
    for fact in READ_FACTS:
        landed = read_and_land_days(workspace.lake, fact, workspace.lists(), days, workspace.now())
        rows = sum(one.table.num_rows for one in landed.days.values())
        employees = workspace.lake.rows("employees")
        spans = math.ceil(len(days) / _MORNING)
        floor = spans * employees if fact is CLOCK_ENTRIES else math.ceil(rows / page[fact])
        found.append(Read(fact.asset, rows, landed.requests, max(1, floor)))
    return found


def load_day(workspace: Workspace, day: date) -> float:
    """Seconds of the API's clock that a day of transactions takes."""
    began = time.monotonic()
    result = BatchExecutor(workspace).load([day.isoformat()], JobIdentity([f"bench {day} {began}"]))
    assert result.success, result.failures
    return (time.monotonic() - began) * SPEED


def timed(call: Callable[[], list[Read]]) -> tuple[list[Read], float]:
    """The result, and minutes of the API's clock."""
    began = time.monotonic()
    return call(), (time.monotonic() - began) * SPEED / 60


def show(out: Console, title: str, found: list[Read], minutes: float) -> None:
    """One table."""
    table = Table("list", "rows", "requests", "pages at least", "÷ floor", title=title, title_justify="left")
    together = (sum(one.rows for one in found), sum(one.requests for one in found), sum(one.floor for one in found))
    for one in (*found, Read("all", *together)):
        over = f"{one.requests / one.floor:.2f}"
        table.add_row(one.name, f"{one.rows:,}", f"{one.requests:,}", f"{one.floor:,}", over)
    out.print(table)
    floor = sum(one.floor for one in found) / 80
    out.print(f"{minutes:.1f} minutes of the API's clock; all pages at 80 requests a minute: {floor:.1f}")


def main() -> None:
    """Measure and print."""
    out = Console(highlight=False)
    config = SimulatorConfig(sites=SITES, employees_per_site=EMPLOYEES_A_SITE, speed=SPEED)
    with (
        Simulator(config) as simulator,
        tempfile.TemporaryDirectory() as folder,
        opened(simulator, Path(folder)) as workspace,
    ):
        today = workspace.now().date()
        days = [today - timedelta(days=number) for number in range(DAYS, 0, -1)]
        found, minutes = timed(lambda: read_all(workspace, days))
        show(out, f"First load, {DAYS} days", found, minutes)
        simulator.advance(86_400)
        morning = [today - timedelta(days=number) for number in range(_MORNING - 1, -1, -1)]
        found, minutes = timed(lambda: read_all(workspace, morning))
        show(out, "The morning after", found, minutes)
        alone = load_day(workspace, days[-3])
        reading = threading.Thread(target=lambda: read_all(workspace, morning), daemon=True)
        reading.start()
        beside = load_day(workspace, days[-4])
        out.print(
            f"A day of transactions of {SITES} sites: {alone / 60:.1f} minutes alone, {beside / 60:.1f} while lists "
            f"are read ({beside / alone:.2f}). The jobs of the lists begin one and two hours after the morning's run."
        )
        reading.join()


if __name__ == "__main__":
    main()
