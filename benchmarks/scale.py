"""A large chain on a virtual clock: 500 sites x 2 years, and 50 accounts; requests, hours, bytes, memory, what breaks.

The API forgets after six months, so two years are 180 days of backfill and 18 months of mornings, each of which reads
yesterday and the three days before it. One morning and a few days of backfill run for real, on the virtual clock, with
real ledger, audit, lake and budget arithmetic (`scale_api.py` says what stands in); one day has real rows. What a year
has of them is multiplication, and says so. `python -m benchmarks.scale --quick` tries all of it small.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.table import Table

from benchmarks.scale_api import LargeApi, StandInReader
from benchmarks.scale_files import (
    DayFigures,
    look_at_files,
    one_day,
    plan_days,
    weigh_process,
)
from sonnys_pipeline.backfill.audit import Audit, RunSetup
from sonnys_pipeline.backfill.listener import LandedDay, RunListener
from sonnys_pipeline.backfill.options import ExecutorOptions, OnError
from sonnys_pipeline.backfill.run import JobRun
from sonnys_pipeline.backfill.workspace import Workspace
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.extract.events import LoadObserver
from sonnys_pipeline.extract.loader import Loader
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.account_sites import ALL_AT_ONCE
from sonnys_pipeline.landing.transactions import Source
from sonnys_pipeline.ledger.models import RowSpec
from sonnys_pipeline.ledger.service import open_ledger
from sonnys_pipeline_tests.support.virtual_clock import EPOCH, VirtualBudget, VirtualClock, VirtualWorkerPool

ROWS_A_SITE = 800
SITES = 500
#: Two years: what the API still has on the first day, and the mornings after it.
BACKFILL_DAYS, MORNINGS = 180, 550
#: Days that a morning reads: yesterday, and three once more.
DAYS_A_MORNING = 4
#: Days of backfill that are simulated; the others cost the same.
SIMULATED_DAYS = 3
#: Of a day: `transactions` and its archive, three tables of its lists, three marts, and the report's page and data.
FILES_A_DAY = 10
BLOCK_SECONDS, REQUESTS_A_BLOCK, ROWS_A_PAGE = 15.0, 20, 100
OWNER = "the benchmark"


@dataclass(frozen=True)
class Loading:
    """What a run of days took.

    Attributes:
        case: a morning, or days of backfill.
        sites, days, rows: of it.
        pages: load jobs that brought rows; `requests` over them is two at least.
        requests, refused: sent, and answered with 429.
        hours: from the first request to the last answer, on the virtual clock.
        floor_hours: the arithmetic: requests / 20 x 15 s.
        newest_hours: until the newest day was landed.
        cpu_ms_a_request: of this process, for deciding, ledger, audit and landing.
        audit_bytes_a_request, ledger_bytes_a_day: on disk.
    """

    case: str
    sites: int
    days: int
    rows: int
    pages: int
    requests: int
    refused: int
    hours: float
    floor_hours: float
    newest_hours: float
    cpu_ms_a_request: float
    audit_bytes_a_request: float
    ledger_bytes_a_day: float


@dataclass(frozen=True)
class TwoYears:
    """The multiplication: a chain's first two years.

    Attributes:
        sites, accounts: of the operator, spread evenly.
        rows, pages, requests: landed, and spent.
        backfill_hours, morning_hours: of one account, the whole of its budget.
        lake_gb, archive_gb, audit_gb, ledger_gb: on disk at the end, nothing removed.
        files: in the lake, at the end.
    """

    sites: int
    accounts: int
    rows: int
    pages: int
    requests: int
    backfill_hours: float
    morning_hours: float
    lake_gb: float
    archive_gb: float
    audit_gb: float
    ledger_gb: float
    files: int


def simulate(case: str, sites: int, days: int, *, newest_first: bool = False, late_rows: int = 0) -> Loading:
    """Load and land so many days of so many sites on the virtual clock, through a real `JobRun`.

    Args:
        case: what it is called.
        sites: of 800 rows a day.
        days: so many.
        newest_first: read the last day before the others.
        late_rows: how many arrive while a day is read, evenly, each in the hours that are being read just then.
    """
    clock = VirtualClock()
    seconds = sites * ROWS_A_SITE / ROWS_A_PAGE * 2 / REQUESTS_A_BLOCK * BLOCK_SECONDS
    shares = [(number + 0.5) / late_rows for number in range(late_rows)]
    api = LargeApi(clock, sites * ROWS_A_SITE, late_rows=tuple((share * seconds, share) for share in shares))
    keys = [(EPOCH + timedelta(days=number)).date().isoformat() for number in range(days)]
    landed_at: dict[str, float] = {}
    pages = 0

    def make_loader(observer: LoadObserver) -> Loader:
        return Loader(
            api,
            VirtualBudget(clock),
            VirtualWorkerPool(clock),
            LoaderOptions(),
            observer=observer,
            reader=StandInReader(),
            clock=clock,
            now=clock.now,
            jitter=random.Random(1).random,  # noqa: S311 - the same in every run
        )

    class Landed(RunListener):
        def day_landed(self, day: LandedDay) -> None:
            nonlocal pages
            pages += len(day.loaded.job_hashes)
            landed_at[day.loaded.day.key] = clock()

    with tempfile.TemporaryDirectory() as folder:
        state, lake = Path(folder) / "state", Lake(Path(folder) / "data")
        ledger = state / "ledger.sqlite"
        with open_ledger(f"sqlite:///{ledger}") as jobs:
            empty = _kept(ledger)
            specs = [RowSpec(key) for key in (reversed(keys) if newest_first else keys)]
            job = jobs.create_job(case, rows=specs)
            jobs.leases.acquire(job.id, OWNER, 86_400)
            options = ExecutorOptions("UTC", state, LoaderOptions(), Source("0" * 16), OnError.CONTINUE)
            with Audit(state / "audit", "run", job.id) as audit:
                workspace = Workspace(Settings(state_dir=state))
                workspace.jobs, workspace.lake = jobs, lake  # type: ignore[misc] # parts of its own
                setup = RunSetup(options, Landed(), OWNER, make_loader, clock)
                run = JobRun(workspace, setup, jobs.get_rows(job.id), ALL_AT_ONCE, audit)
                cpu = time.process_time()
                stopped = run.work_off()
                cpu = time.process_time() - cpu
            assert not stopped, stopped
            assert len(landed_at) == days
            audit_bytes = audit.attempts_path.stat().st_size
        ledger_bytes = _kept(ledger) - empty
    requests = api.counts["requests"]
    return Loading(
        case, sites, days, sites * ROWS_A_SITE * days, pages, requests, api.counts["429"],
        hours=clock() / 3600,
        floor_hours=requests / REQUESTS_A_BLOCK * BLOCK_SECONDS / 3600,
        newest_hours=landed_at[keys[-1]] / 3600,
        cpu_ms_a_request=1000 * cpu / requests,
        audit_bytes_a_request=audit_bytes / requests,
        ledger_bytes_a_day=ledger_bytes / days,
    )  # fmt: skip


def _kept(ledger: Path) -> int:
    """Bytes of what a ledger remembers: load jobs in flight come and go, and their room is used again."""
    packed = ledger.with_name("packed.sqlite")
    with closing(sqlite3.connect(ledger)) as connection:
        connection.execute("VACUUM INTO ?", [str(packed)])
    size = packed.stat().st_size
    packed.unlink()
    return size


def two_years(sites: int, accounts: int, morning: Loading, backfill: Loading, day: DayFigures) -> TwoYears:
    """Multiply what was simulated: all figures go by rows, but for the files, which go by days.

    Args:
        sites: of the operator, all accounts together.
        accounts: API ids, each with a budget of its own and the same part of the sites.
        morning: of any number of sites.
        backfill: likewise.
        day: whose bytes a row and a page are taken.
    """
    day_rows = sites * ROWS_A_SITE
    days_read = BACKFILL_DAYS + MORNINGS * DAYS_A_MORNING
    pages = day_rows // ROWS_A_PAGE * days_read
    requests = round(pages * morning.requests / morning.pages)
    landed_days = BACKFILL_DAYS + MORNINGS
    rows = day_rows * landed_days
    share = sites / accounts / morning.sites
    # Eight tables of a day and its archive, and the report: one folder and one file each.
    files = accounts * landed_days * FILES_A_DAY
    return TwoYears(
        sites, accounts, rows, pages, requests,
        backfill_hours=backfill.hours / backfill.days * BACKFILL_DAYS * sites / accounts / backfill.sites,
        morning_hours=morning.hours * share,
        lake_gb=rows * day.day_bytes_a_row / 1e9,
        archive_gb=rows / ROWS_A_PAGE * day.archive_bytes_a_page / 1e9,
        audit_gb=requests * morning.audit_bytes_a_request / 1e9,
        ledger_gb=morning.ledger_bytes_a_day * sites / morning.sites * days_read / 1e9,
        files=files,
    )  # fmt: skip


Figures = TypeVar("Figures")


def in_a_fresh_process(function: Callable[..., Figures], *args: Any, **options: Any) -> Figures:  # noqa: ANN401
    """What a function finds where nothing else has used memory."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, args, options)


def run(*, quick: bool = False) -> Iterator[tuple[str, list[Any]]]:
    """All parts, each with its title, as soon as it is measured."""
    sites, days_kept = (20, 20) if quick else (SITES, BACKFILL_DAYS + MORNINGS)
    mornings = [
        simulate("a morning, oldest first", each, DAYS_A_MORNING) for each in sorted({sites // 10, sites // 5, sites})
    ]
    mornings.append(simulate("a morning, yesterday first", sites, DAYS_A_MORNING, newest_first=True))
    mornings.append(simulate("one day, 10 late rows", sites, 1, late_rows=10))
    backfill = simulate("days of backfill", sites, SIMULATED_DAYS)
    yield "Loading on the virtual clock", [*mornings, backfill]
    day = in_a_fresh_process(one_day, sites, ROWS_A_SITE)
    yield "One real day", [day]
    yield "Two years", [two_years(*size, mornings[-3], backfill, day) for size in ((500, 1), (500, 10), (500, 50))]
    kept = 10 if quick else 180
    yield (
        "Planning",
        [
            in_a_fresh_process(plan_days, f"{kept} days", sites, kept, a_row_a_site=False),
            in_a_fresh_process(plan_days, f"{kept} days x {sites} sites, by CSV", sites, kept, a_row_a_site=True),
        ],
    )
    yield "Looks at all days", [in_a_fresh_process(look_at_files, sites, days_kept)]
    yield "A process", [in_a_fresh_process(weigh_process, 50)]


def main() -> None:
    """Measure and print; `--quick` for a small chain."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="20 sites and few days, in seconds")
    out, started = Console(highlight=False, width=200), time.monotonic()
    for title, figures in run(quick=parser.parse_args().quick):
        print_figures(out, title, figures)
    out.print(f"{time.monotonic() - started:.0f} s")


def print_figures(out: Console, title: str, figures: list[Any]) -> None:
    """A table of figures, a column an attribute."""
    table = Table(*asdict(figures[0]), title=title, title_justify="left")
    for one in figures:
        table.add_row(*(_shown(value) for value in asdict(one).values()))
    out.print(table)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}" if value < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


if __name__ == "__main__":
    main()
