"""What it costs that each load job names its site: requests and time on the virtual clock, which are exact (LV-01).

The loader, its schedule, both proofs and the states are the real ones. The chain has 700 to 900 rows a site and day,
drawn once; one site is closed on three days, one opens in the middle. `by_site_http.py` confirms the same over HTTP.
`python -m benchmarks.by_site` prints all of it; `--quick` leaves out the largest chain.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache

from rich.console import Console
from rich.table import Table

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.extract.loader import Loader
from sonnys_pipeline.extract.pages.assemble import LoadedDay
from sonnys_pipeline.extract.protocols import DayRequest
from sonnys_pipeline.extract.scheduler import LoaderOptions
from sonnys_pipeline_tests.support.virtual_clock import (
    EPOCH,
    VirtualApi,
    VirtualBudget,
    VirtualClock,
    VirtualWorkerPool,
)

BLOCK_SECONDS, REQUESTS_A_BLOCK = 15.0, 20
FEWEST_ROWS, MOST_ROWS = 700, 900
FIRST_DAY = int(EPOCH.timestamp()) // 86400
#: The site that opens in the middle, and the one that is closed, with its days, by number from 0.
OPENED, CLOSED, CLOSED_DAYS = 1, 2, frozenset({2, 3, 7})


@dataclass(frozen=True)
class Chain:
    """What is read, and how.

    Attributes:
        sites, days: so many.
        load_by: `site`, or `all` where the key allows it.
        proof: whether each day is counted.
        states: as `SONNYS_STATES`; rows come without what the states say.
        lists_need_site: whether the key refuses lists that name no site.
        job_seconds: shortest and longest load job.
        latency: seconds a request.
        gaps: whether one site opens in the middle, and one is closed on three days.
    """

    sites: int = 5
    days: int = 10
    load_by: str = "site"
    proof: bool = True
    states: str = "auto"
    lists_need_site: bool = False
    job_seconds: tuple[float, float] = (1.0, 4.0)
    latency: float = 0.05
    gaps: bool = True


@dataclass(frozen=True)
class Spent:
    """What a chain took.

    Attributes:
        chain: which.
        rows: distinct ones that came.
        whole_days: days whose rows are all that the API has, and whose count agrees where it was asked for.
        pages: load jobs that a day is made of; a site without rows has one.
        requests: all of them; `counts` and `states` are among them.
        refused: answered with 429.
        seconds: from the first request to the last.
        floor_seconds: of as many requests, without any margin.
    """

    chain: Chain
    rows: int
    whole_days: int
    pages: int
    requests: int
    counts: int
    states: int
    refused: int
    seconds: float
    floor_seconds: float

    @property
    def requests_a_page(self) -> float:
        """Without those to lists; two is the floor."""
        return (self.requests - self.counts - self.states) / self.pages

    @property
    def over_floor(self) -> float:
        """Time beside the floor's."""
        return self.seconds / self.floor_seconds


def floor_of(requests: int, speed: float = 1.0) -> float:
    """Seconds from the first of so many requests to the last, if every block is full."""
    return ((requests - 1) // REQUESTS_A_BLOCK) * BLOCK_SECONDS / speed


def rows_of(number: int, days: int, *, gaps: bool) -> Callable[[int], int]:
    """Rows a day of a site by its number, for days since 1970."""

    @cache
    def told(day: int) -> int:
        place = day - FIRST_DAY
        if gaps and ((number == OPENED and place < days // 2) or (number == CLOSED and place in CLOSED_DAYS)):
            return 0
        return random.Random(f"{number},{day}").randint(FEWEST_ROWS, MOST_ROWS)  # noqa: S311 - rows, not secrets

    return told


def load(chain: Chain) -> Spent:
    """Load a chain's days.

    Raises:
        APIError: of the first day that failed; none should.
    """
    clock = VirtualClock()
    sites = {f"S{number:03}": rows_of(number, chain.days, gaps=chain.gaps) for number in range(chain.sites)}
    api = VirtualApi(
        clock,
        sites=sites,
        needs_site=chain.load_by == "site",
        lists_need_site=chain.lists_need_site,
        job_seconds=chain.job_seconds,
    )
    loader = Loader(
        api,
        VirtualBudget(clock),
        VirtualWorkerPool(clock, lambda: chain.latency),
        LoaderOptions(proof=chain.proof, states=chain.states, in_order=True),
        clock=clock,
        now=clock.now,
        jitter=random.Random(1).random,  # noqa: S311 - pauses, not secrets
    )
    keys = ((EPOCH + timedelta(days=number)).date().isoformat() for number in range(chain.days))
    named = tuple(sites) if chain.load_by == "site" else ()
    rows = whole = pages = 0
    for outcome in loader.load(DayRequest(Day.of(key), sites=named) for key in keys):
        if not isinstance(outcome, LoadedDay):
            raise outcome.error
        (span,) = outcome.day.windows
        has = len(api.instants(span.params["startDate"], span.params["endDate"] - 1))
        proven = outcome.proof is None or outcome.proof.missing == 0
        whole += outcome.table.num_rows == has == len(set(outcome.table["id"].to_pylist())) and proven
        rows += outcome.table.num_rows
        pages += len(outcome.job_hashes)
    counts = api.counts
    return Spent(
        chain, rows, whole, pages, counts["requests"], counts["count"], counts["states"], counts["429"],
        api.arrivals[-1] - api.arrivals[0], floor_of(counts["requests"]),
    )  # fmt: skip


#: The chain of the promise (LV-01: 5 sites, 10 days), in every way in which it may have to be read.
PROMISED = (
    Chain(proof=False, states="off"),
    Chain(states="off"),
    Chain(states="off", lists_need_site=True),
    Chain(),
    Chain(lists_need_site=True),
    Chain(job_seconds=(2.0, 20.0)),
    Chain(latency=2.0),
    Chain(load_by="all"),
)
PRICED_SITES = (1, 5, 20, 100)


def prices(sizes: tuple[int, ...] = PRICED_SITES) -> Iterator[tuple[int, dict[str, Spent]]]:
    """Two days of a chain of each size: by site and at once, and with lists that need a site."""
    for sites in sizes:
        yield (
            sites,
            {
                "all": load(Chain(sites, 2, "all", gaps=False)),
                "site": load(Chain(sites, 2, gaps=False)),
                "site, lists need one": load(Chain(sites, 2, lists_need_site=True, gaps=False)),
            },
        )


def show(out: Console, *, quick: bool = False) -> dict[str, list[Spent]]:
    """Measure and print: the chain of the promise, and what chains of several sizes cost."""
    table = Table(
        "read", "rows", "whole days", "pages", "requests/page", "counts", "states", "429", "seconds", "÷ floor",
        title="5 sites x 10 days, on the virtual clock", title_justify="left",
    )  # fmt: skip
    promised = [load(chain) for chain in PROMISED]
    for spent in promised:
        chain = spent.chain
        table.add_row(
            f"by {chain.load_by}, proof {'count' if chain.proof else 'off'}, states {chain.states}"
            f"{', lists need a site' * chain.lists_need_site}, jobs of {chain.job_seconds[0]:g} to "
            f"{chain.job_seconds[1]:g} s, latency {chain.latency:g} s",
            f"{spent.rows:,}", str(spent.whole_days), str(spent.pages), f"{spent.requests_a_page:.3f}",
            str(spent.counts), str(spent.states), str(spent.refused), f"{spent.seconds:,.0f}",
            f"{spent.over_floor:.3f}",
        )  # fmt: skip
    out.print(table)
    table = Table(
        "sites", "load by", "pages a day", "requests a day for rows", "for the count", "for states", "together",
        title="Two days of a chain, by its size", title_justify="left",
    )  # fmt: skip
    priced = dict(prices(PRICED_SITES[:-1] if quick else PRICED_SITES))
    for sites, ways in priced.items():
        for way, spent in ways.items():
            asked = (spent.pages, spent.requests - spent.counts - spent.states, spent.counts, spent.states)
            table.add_row(str(sites), way, *(f"{number / 2:,.1f}" for number in (*asked, spent.requests)))
    out.print(table)
    return {"promised": promised, "priced": [spent for ways in priced.values() for spent in ways.values()]}


if __name__ == "__main__":
    show(Console(highlight=False, width=160), quick="--quick" in sys.argv)
