"""RB-03, BM-05, DG-03: after a power cut at any moment everything recovers by itself, Dagster's runs included.

Everything of a deployment is killed at a random moment while days are read and followed, and started again:
`SONNYS_TEST_CUTS=30` cuts the power 30 times, CI three times; `SONNYS_TEST_STORES=postgres` has PostgreSQL die with it.
"""

import logging
import os
import random
import statistics
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest

from sonnys_pipeline_tests.acceptance.conftest import STORES, Process, Site
from sonnys_pipeline_tests.support.processes.dagster_dev import until
from sonnys_pipeline_tests.support.processes.power_cuts import LONGEST, Plant, inbox

pytestmark = [pytest.mark.acceptance, pytest.mark.outage]
#: Figures of the test; `pytest --log-cli-level=INFO` shows them.
logger = logging.getLogger(__name__)

CUTS = int(os.environ.get("SONNYS_TEST_CUTS", "3"))
SEED = int(os.environ.get("SONNYS_TEST_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
DAYS = [(date(2026, 3, 8) + timedelta(days=number)).isoformat() for number in range(8)]
#: Power cuts in a row before the deployment is left alone until it is well.
IN_A_ROW = int(os.environ.get("SONNYS_TEST_CUTS_IN_A_ROW", "2"))


def test_everything_recovers_from_power_cuts(
    open_site: Callable[..., Site], start: Callable[..., Process], request: pytest.FixtureRequest
) -> None:
    """Every row once, as the API has it by then; marts of exactly those rows; no run without a process; all told of."""
    chance = random.Random(SEED)
    postgres = request.getfixturevalue("postgres_server") if STORES == "postgres" else None
    site = open_site(
        timezone="UTC", lake="folder", sites=1, rows_per_day=249, speed=20, now=datetime(2026, 3, 20, 12, tzinfo=UTC)
    )
    asked: set[str] = set()
    edited = ""
    seconds: list[float] = []
    killed: list[int] = []
    amid: Counter[bool] = Counter()
    with inbox() as told:
        plant = Plant(site, start, told, postgres)
        plant.switch_on()
        for number in range(1, CUTS + 1):
            # A day with an edited row is asked for next: nobody reads it again by himself.
            first = min(DAYS.index(edited), len(DAYS) - 2) if edited else chance.randrange(len(DAYS) - 1)
            edited = ""
            days = DAYS[first : first + 2]
            until(lambda days=days: plant.ask_for([*days]), LONGEST)
            asked |= set(days)
            if chance.random() < 0.5:
                until(plant.has_started_run, LONGEST, every=0.5)
                time.sleep(chance.uniform(0, 6))  # amid a run of days or of marts
            else:
                time.sleep(chance.uniform(0, 6))  # before the daemon looks, or while it launches
            amid[plant.has_started_run()] += 1
            killed.append(plant.cut())
            logger.info("cut %d of %d (seed %d): %d processes", number, CUTS, SEED, killed[-1])
            began = time.monotonic()
            plant.switch_on()
            if number % IN_A_ROW and number != CUTS:
                continue
            wrong = "nothing is known"
            while wrong:
                wrong = plant.is_well(asked)
                assert time.monotonic() - began < LONGEST, f"seed {SEED}, cut {number}: {wrong}\n{plant.log}"
                time.sleep(1)
            seconds.append(round(time.monotonic() - began, 1))
            logger.info("well %.0f s after cut %d", seconds[-1], number)
            edited = edit_some(site, chance, sorted(asked))
        assert not list((site.folder / "data").rglob("*.tmp"))
        with plant.instance() as instance:
            ended = Counter(run.status.value for run in instance.get_runs())
        plant.cut()
    logger.info(
        "%s",
        {
            "seed": SEED, "cuts": CUTS, "while a run was STARTED": amid[True], "killed": killed,
            "seconds until well": seconds,
            "median": statistics.median(seconds), "runs": dict(ended), "messages": len(told.messages),
        },
    )  # fmt: skip


def edit_some(site: Site, chance: random.Random, days: list[str]) -> str:
    """Edit a row of a day; its load jobs have expired, so that the next read sees it; the day."""
    edited = chance.choice(days)
    day = datetime.combine(date.fromisoformat(edited), datetime.min.time(), UTC)
    site.simulator.world.edit_rows(day + timedelta(hours=15), day + timedelta(hours=20))
    site.simulator.advance(1300)
    return edited
