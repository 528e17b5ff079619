"""Days by pages over real HTTP on the simulator: this loader, the plain `load_job`, and the arithmetic floor.

The floor: two requests a page, 20 requests a block, from the first request to the last. Times are the server's, from
its first request to its last; durations are the API's own divided by `speed`, on both sides. The simulator runs in a
process of its own, so that it does not share an interpreter with what is measured.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.client import SonnysClient
from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.extract.loader import Loader
from sonnys_pipeline.extract.pages.assemble import LoadedDay
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline.extract.worker_pool import ThreadWorkerPool

BLOCK_SECONDS = 15.0
REQUESTS_A_BLOCK = 20
LAST_DAY = datetime.now(UTC).date() - timedelta(days=2)


@dataclass(frozen=True)
class Case:
    """What the API is like: job time and latency in seconds, rows a day, and how much faster than life it runs."""

    name: str
    job_seconds: tuple[float, float] = (1.0, 4.0)
    latency: float = 0.0
    days: int = 30
    rows_per_day: int = 799  # 800 with the row on the next midnight, which the API includes: eight pages
    speed: float = 5.0


@dataclass(frozen=True)
class Measured:
    """One way's figures: pages, requests, seconds at full speed, and both beside the floor."""

    way: str
    case: str
    pages: int
    requests: int
    refused: int
    seconds: float
    floor_seconds: float
    peak_mib: float

    @property
    def requests_a_page(self) -> float:
        """Two is the floor."""
        return self.requests / self.pages

    @property
    def over_floor(self) -> float:
        """Time beside the floor's."""
        return self.seconds / self.floor_seconds


def days_of(case: Case) -> list[str]:
    """The last days that are over, oldest first."""
    return [(LAST_DAY - timedelta(days=back)).isoformat() for back in reversed(range(case.days))]


@contextmanager
def simulator(case: Case) -> Iterator[str]:
    """The simulator in a process of its own, with one site, which no load job need name; its base URL."""
    command = [
        sys.executable, "-m", "sonnys_pipeline.cli", "simulate", "--port", "0",
        "--sites", "1", "--config", '{"virtual_site": false}',
        "--rows-per-day", str(case.rows_per_day), "--midnight-row",
        "--speed", str(case.speed), "--latency", str(case.latency),
        "--job-seconds", str(case.job_seconds[0]), str(case.job_seconds[1]),
    ]  # fmt: skip
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # noqa: S603 - ours
    try:
        line = server.stdout.readline() if server.stdout else ""
        yield line.split("SONNYS_BASE_URL=")[1].split()[0]
    finally:
        server.terminate()
        server.wait()


def stats(base_url: str) -> dict[str, float]:
    """The server's own counts."""
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/_simulator/stats") as answer:  # noqa: S310 - loopback
        found: dict[str, float] = json.load(answer)
    return found


def settings_for(case: Case, base_url: str, state: Path) -> Settings:
    """Every duration scaled as the server's clock is."""
    return Settings.load(
        api_id="demo-id",
        api_key="demo-key",
        base_url=base_url,
        rate_limit=f"{REQUESTS_A_BLOCK}/{BLOCK_SECONDS / case.speed}",
        poll_interval=2.0 / case.speed,
        job_timeout=300.0 / case.speed,
        hash_lifetime=1200.0 / case.speed,
        state_dir=state,
    )


def load_with_loader(case: Case, base_url: str, state: Path, keys: list[str]) -> tuple[int, float]:
    """This loader; pages, and the peak of memory above what the imports take (MiB)."""
    settings = settings_for(case, base_url, state)
    before = psutil.Process().memory_info().rss
    peak = 0
    pages = 0
    with settings.open_client() as client:
        loader = Loader(
            client.unthrottled(),
            client.budget,
            ThreadWorkerPool(32),
            LoaderOptions(settings.poll_interval, settings.job_timeout, settings.max_retries, settings.hash_lifetime),
        )
        for outcome in loader.load(DayRequest(Day.of(key)) for key in keys):
            if not isinstance(outcome, LoadedDay):
                raise outcome.error
            pages += len(outcome.job_hashes)
            peak = max(peak, psutil.Process().memory_info().rss)
    return pages, (peak - before) / 2**20


def load_with_load_job(case: Case, base_url: str, state: Path, keys: list[str]) -> tuple[int, float]:
    """The plain, sequential call."""
    settings = settings_for(case, base_url, state)
    pages = 0
    with settings.open_client() as client:
        for key in keys:
            for window in Day.of(key).windows:
                pages += sum(1 for _ in load_pages(client, settings, window.params))
    return pages, 0.0


def load_pages(client: SonnysClient, settings: Settings, params: dict[str, int]) -> Iterator[object]:
    """One window, page after page."""
    yield from client.transactions.load_pages(
        poll_interval=settings.poll_interval, timeout=settings.job_timeout, **params
    )  # fmt: skip


def measure(way: str, case: Case, processes: int = 1) -> Measured:
    """Run one way on one case, in a fresh server and fresh processes."""
    load = {"loader": load_with_loader, "load_job": load_with_load_job}[way]
    keys = days_of(case)
    with simulator(case) as base_url, tempfile.TemporaryDirectory() as state:
        shares = [keys[number::processes] for number in range(processes)]
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            found = pool.starmap(load, [(case, base_url, Path(state), share) for share in shares], chunksize=1)
        counted = stats(base_url)
    pages = sum(pages for pages, _ in found)
    blocks = -(-2 * pages // REQUESTS_A_BLOCK)
    return Measured(
        way if processes == 1 else f"{way}, {processes} processes",
        case.name,
        pages,
        int(counted["requests"]),
        int(counted["rate_limited"]),
        (counted["last_request_at"] - counted["first_request_at"]) * case.speed,
        (blocks - 1) * BLOCK_SECONDS,
        max(peak for _, peak in found),
    )


CASES = (
    Case("job time 1 to 4 s"),
    Case("job time 2 to 20 s", job_seconds=(2.0, 20.0)),
    Case("latency 2 s a request", latency=2.0),
)


def run(*, with_load_job: bool = True) -> list[Measured]:
    """All cases, one after the other."""
    found = []
    for case in CASES:
        found.append(measure("loader", case))
        if with_load_job and case.latency == 0:
            found.append(measure("load_job", Case(case.name, case.job_seconds, days=4, speed=20.0)))
    found.append(measure("loader", Case("job time 1 to 4 s, 40 days", days=40), processes=4))
    found.append(measure("loader", Case("60 days, for memory", days=60, speed=20.0)))
    return found


if __name__ == "__main__":
    started = time.monotonic()
    os.environ.pop("SONNYS_API_ID", None)
    for row in run(with_load_job="--quick" not in sys.argv):
        print(  # noqa: T201 - a benchmark prints
            f"{row.way:22} {row.case:26} {row.pages:5} pages {row.requests:5} requests {row.requests_a_page:.3f}/page "
            f"{row.refused} refused {row.seconds:6.0f} s, floor {row.floor_seconds:5.0f} s: {row.over_floor:.3f} x "
            f"+{row.peak_mib:.0f} MiB",
            flush=True,
        )
    print(f"{time.monotonic() - started:.0f} s")  # noqa: T201
