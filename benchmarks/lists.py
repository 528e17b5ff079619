"""Lists of a chain of 20 sites: requests and minutes of a first load and a morning, against the floor (RS-02).

300 employees, 40,000 customers and 20,000 memberships, over HTTP with a clock that is faster than the API's. Then a day
of transactions, alone and while the lists are read: `.venv/bin/python -m benchmarks.lists`.
"""

from __future__ import annotations

import math
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

from rich.console import Console
from rich.table import Table

from sonnys_pipeline.backfill.executor import BatchExecutor, JobIdentity
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.client.lists.spans import SIX_MONTHS
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.landing.dimensions.read import read_and_land
from sonnys_pipeline.landing.dimensions.tables import ACCOUNTS, DIMENSIONS, EMPLOYEES
from sonnys_pipeline.landing.facts.read import read_and_land_days
from sonnys_pipeline.landing.facts.tables import CLOCK_ENTRIES, READ_FACTS, SALES_OUTCOMES, STATUS_CHANGES
from sonnys_pipeline.simulator import Simulator, SimulatorConfig
from sonnys_pipeline.simulator.api.request_log import RequestLog

SITES, EMPLOYEES_A_SITE, ACCOUNTS_A_SITE, CUSTOMERS_A_SITE = 20, 15, 1000, 1200
SPEED, DAYS = 12, 30
_MORNING = 12
#: The status list takes any span.
FIRST = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Read:
    """What a list took; `floor` are its pages, and a request for each detail, since no list has what those say."""

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


def pages_of_accounts(workspace: Workspace, changed_since: datetime) -> int:
    """Pages of both lists of what is not older than six months, and of all changes of status since a time."""
    now, accounts = workspace.now(), workspace.client.recurring_accounts
    listed = accounts.count(start=now - SIX_MONTHS, end=now)
    changes = accounts.count_status_changes(start=changed_since, end=now)
    return 2 * math.ceil(listed / 100) + math.ceil(changes / 1000)


def read_all(workspace: Workspace, days: list[date], log: RequestLog, changed_since: datetime) -> list[Read]:
    """Every list, one after the other, as a morning's two jobs do.

    `log` has what arrived, and changes of memberships are asked for since `changed_since`.
    """
    found = []
    for dimension in DIMENSIONS:
        before = len(log.records())
        read = read_and_land(workspace.lake, dimension, workspace.lists(), workspace.now())
        answered = {one.path for one in log.records()[before:] if one.status == HTTPStatus.OK}
        floor = len([path for path in answered if re.search(r"/\d+(:\d+)?(/detail)?$", path)])
        if dimension is ACCOUNTS:
            floor += pages_of_accounts(workspace, changed_since)
        elif dimension is EMPLOYEES:
            floor += 1
        else:
            floor += max(1, math.ceil(read.landed.current / 100))
        found.append(Read(dimension.asset, read.landed.current, read.requests, floor))
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
    table = Table("list", "rows", "requests", "at least", "÷ floor", title=title, title_justify="left")
    together = (sum(one.rows for one in found), sum(one.requests for one in found), sum(one.floor for one in found))
    for one in (*found, Read("all", *together)):
        over = f"{one.requests / one.floor:.2f}"
        table.add_row(one.name, f"{one.rows:,}", f"{one.requests:,}", f"{one.floor:,}", over)
    out.print(table)
    floor = sum(one.floor for one in found) / 80
    out.print(f"{minutes:.1f} minutes of the API's clock; at 80 requests a minute at least {floor:.1f}")


def main() -> None:
    """Measure and print."""
    out = Console(highlight=False)
    config = SimulatorConfig(
        sites=SITES,
        employees_per_site=EMPLOYEES_A_SITE,
        accounts_per_site=ACCOUNTS_A_SITE,
        customers_per_site=CUSTOMERS_A_SITE,
        speed=SPEED,
    )
    with (
        Simulator(config) as simulator,
        tempfile.TemporaryDirectory() as folder,
        opened(simulator, Path(folder)) as workspace,
    ):
        today = workspace.now().date()
        days = [today - timedelta(days=number) for number in range(DAYS, 0, -1)]
        log, began = simulator.state.log, workspace.now()
        found, minutes = timed(lambda: read_all(workspace, days, log, FIRST))
        show(out, f"First load, {DAYS} days", found, minutes)
        simulator.advance(86_400)
        morning = [today - timedelta(days=number) for number in range(_MORNING - 1, -1, -1)]
        since = began - timedelta(days=2)
        found, minutes = timed(lambda: read_all(workspace, morning, log, since))
        show(out, "The morning after", found, minutes)
        alone = load_day(workspace, days[-3])
        reading = threading.Thread(target=lambda: read_all(workspace, morning, log, since), daemon=True)
        reading.start()
        beside = load_day(workspace, days[-4])
        out.print(
            f"A day of transactions of {SITES} sites: {alone / 60:.1f} minutes alone, {beside / 60:.1f} while lists "
            f"are read ({beside / alone:.2f}). The jobs of the lists begin one and two hours after the morning's run."
        )
        reading.join()


if __name__ == "__main__":
    main()
