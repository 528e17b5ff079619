"""The chain of `by_site.py` over HTTP, by the commands that people type: what the virtual clock says, confirmed.

Five sites, ten days, 4,000 rows a day (about 800 a site); one site is closed on three days, one opens in the middle.
The simulator has a process of its own and behaves as live; its clock and all durations are scaled by `--speed`. Times
are the server's, from its first request to its last, and the floor is that of as many requests. A part of the margin
between two blocks does not shrink with the clock: it is 2 % in all at full speed, 4 % at speed 5, 5 % at speed 10.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.by_site import CLOSED, CLOSED_DAYS, OPENED, floor_of
from benchmarks.loading import LAST_DAY
from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.transactions import ASSET, landed_sites
from sonnys_pipeline.simulator import SimulatorConfig
from sonnys_pipeline.simulator.world.chain import World

SITES, DAYS, ROWS_A_DAY = 5, 10, 4000
BIN = Path(sys.executable).parent
PROCESSES = 4


@dataclass(frozen=True)
class Run:
    """What one way of reading the chain took, by the server's own log.

    Attributes:
        way: the command, and how many processes ran it.
        states: as `SONNYS_STATES`.
        rows, once: landed, and whether that is every row of the chain once.
        whole_days: days that are landed with all sites.
        pages: load jobs submitted; `requests` less those to lists, by `pages`, is two at least.
        lists: requests for counts, states and sites.
        refused: answered with 429.
        over_floor: first to last request beside the floor of as many.
    """

    way: str
    states: str
    rows: int
    once: bool
    whole_days: int
    pages: int
    requests: int
    lists: int
    refused: int
    over_floor: float

    @property
    def requests_a_page(self) -> float:
        """Without those to lists."""
        return (self.requests - self.lists) / self.pages


class Bench:
    """A simulator in a process of its own, and a folder in which the commands work."""

    def __init__(self, folder: Path, speed: float) -> None:
        """Start the simulator."""
        self.days = [LAST_DAY - timedelta(days=back) for back in reversed(range(DAYS))]
        codes = [site.code for site in World(sites=SITES).sites]
        chain: dict[str, Any] = {
            "sites": SITES,
            "rows_per_day": ROWS_A_DAY,
            "opened": {codes[OPENED]: self.days[DAYS // 2]},
            "closed": {codes[CLOSED]: [self.days[number] for number in CLOSED_DAYS]},
        }
        self.config = SimulatorConfig.model_validate({**chain, "speed": speed})
        self.folder = folder
        command = [BIN / "sonnys", "simulate", "--port", "0", "--config", self.config.model_dump_json()]
        self._server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)  # noqa: S603 - ours
        lines = [self._server.stdout.readline() for _ in range(4)] if self._server.stdout else []
        scaled = dict(word.split("=", 1) for line in lines for word in line.removeprefix("export ").split())
        self.control = scaled["SONNYS_BASE_URL"].removesuffix("/v1") + "/_simulator"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SONNYS_")},
            **scaled,
            "SONNYS_START_DATE": self.days[0].isoformat(),
        }

    def close(self) -> None:
        """Stop the simulator."""
        self._server.terminate()
        self._server.wait()

    def log(self) -> list[dict[str, Any]]:
        """All requests so far."""
        with urllib.request.urlopen(f"{self.control}/log") as answer:  # noqa: S310 - loopback
            found: list[dict[str, Any]] = json.load(answer)["records"]
        return found

    def start(self, *command: str | date, home: str = "dagster", **settings: str) -> subprocess.Popen[str]:
        """A command of the product, started."""
        (self.folder / home).mkdir(exist_ok=True)
        own = {"DAGSTER_HOME": str(self.folder / home), **settings}
        return subprocess.Popen(  # noqa: S603 - ours
            [BIN / str(command[0]), *map(str, command[1:])],
            cwd=self.folder, env={**self.environment, **own}, text=True,
            stdout=subprocess.PIPE, stderr=(self.folder / f"{home}.stderr").open("w"),
        )  # fmt: skip

    def materialize(self, states: str, days: Sequence[date], home: str = "dagster") -> subprocess.Popen[str]:
        """`dagster asset materialize` of some days."""
        select = ("-m", "sonnys_pipeline.definitions", "--select", "transactions")
        span = f"{days[0]}...{days[-1]}"
        return self.start(
            "dagster", "asset", "materialize", *select, "--partition-range", span, home=home, SONNYS_STATES=states
        )


def by_range(bench: Bench, states: str) -> int:
    """`dagster asset materialize --partition-range`; requests that do not belong to it."""
    finished(bench.materialize(states, bench.days))
    return 0


def by_backfill(bench: Bench, states: str) -> int:
    """`sonnys backfill preview` and `run`; the preview's requests are its own."""
    span = ("--start", bench.days[0], "--end", bench.days[-1])
    previewed = json.loads(
        finished(bench.start("sonnys", "backfill", "preview", *span, "--json", SONNYS_STATES=states))
    )
    before = len(bench.log())
    run = ("backfill", "run", previewed["job_id"], "--mode", "auto", "--json")
    finished(bench.start("sonnys", *run, SONNYS_STATES=states))
    return before


def by_four(bench: Bench, states: str) -> int:
    """Four processes at once on one key, each with its share of the days."""
    cuts = [DAYS * number // PROCESSES for number in range(PROCESSES + 1)]
    shares = [bench.days[start:end] for start, end in pairwise(cuts)]
    running = [bench.materialize(states, share, f"dagster-{number}") for number, share in enumerate(shares)]
    for process in running:
        finished(process)
    return 0


def finished(process: subprocess.Popen[str]) -> str:
    """What a command has printed.

    Raises:
        RuntimeError: when it did not end well.
    """
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{process.args!r} ended with {process.returncode}: {output[-2000:]}")
    return output


WAYS: dict[str, Callable[[Bench, str], int]] = {
    "materialize --partition-range": by_range,
    "backfill run": by_backfill,
    f"materialize, {PROCESSES} processes": by_four,
}


def measure(way: str, states: str, speed: float) -> Run:
    """Read the chain once, in a fresh server and a fresh folder."""
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), speed)
        try:
            before = WAYS[way](bench, states)
            asked = bench.log()[before:]
        finally:
            bench.close()
        lake = Lake(bench.folder / "data")
        keys = [day.isoformat() for day in bench.days]
        ids = Counter(lake.read(ASSET, keys, ["id"])["id"].to_pylist())
        whole = sum(landed_sites(lake, key) is None for key in keys)
    config = bench.config
    world = World(
        config.seed, config.sites, config.rows_per_day, api=config.api, opened=config.opened, closed=config.closed
    )  # fmt: skip
    has = world.rows(Day.of(keys[0]).start, Day.of(keys[-1]).end - timedelta(milliseconds=1))
    operations = Counter(record["operation"] for record in asked)
    moments = [record["at"] for record in asked]
    return Run(
        way, states, ids.total(), ids == Counter(row["id"] for row in has), whole, operations["submit"], len(asked),
        operations["list"] + operations["sites"], sum(record["status"] == 429 for record in asked),
        (max(moments) - min(moments)) / floor_of(len(asked), speed),
    )  # fmt: skip


def show(out: Console, speed: float = 5.0) -> list[Run]:
    """Measure and print: every way, with and without states."""
    table = Table(
        "way", "states", "rows", "each once", "whole days", "pages", "requests/page", "for lists", "429", "÷ floor",
        title=f"5 sites x 10 days over HTTP, speed {speed:g}", title_justify="left",
    )  # fmt: skip
    found = [measure(way, states, speed) for way in WAYS for states in ("off", "auto")]
    for one in found:
        table.add_row(
            one.way, one.states, f"{one.rows:,}", str(one.once), str(one.whole_days), str(one.pages),
            f"{one.requests_a_page:.3f}", str(one.lists), str(one.refused), f"{one.over_floor:.3f}",
        )  # fmt: skip
    out.print(table)
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speed", type=float, default=5.0)
    show(Console(highlight=False, width=160), parser.parse_args().speed)
