"""KT-03, KT-05: a real daemon lands nine missed days by itself, though the API is away and everything is killed.

The deployment of `deploy/` was off for nine days; when it is started, the API drops every connection. Pauses are sixty
times shorter than deployed.
"""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import dagster as dg
import pytest

from sonnys_pipeline.simulator import Faults
from sonnys_pipeline_tests.acceptance.conftest import Process, Site
from sonnys_pipeline_tests.support.processes.dagster_dev import until
from sonnys_pipeline_tests.support.processes.power_cuts import LONGEST, Plant, inbox

pytestmark = [pytest.mark.acceptance, pytest.mark.outage]
#: Figures of the test; `pytest --log-cli-level=INFO` shows them.
logger = logging.getLogger(__name__)

#: The morning that is due now, whatever the time of day.
TODAY = (datetime.now(UTC) - timedelta(hours=6)).date()
BEFORE, *MISSED = [(TODAY - timedelta(days=age)).isoformat() for age in range(10, 0, -1)]


def test_nine_missed_mornings_are_landed_without_a_person(
    open_site: Callable[..., Site], start: Callable[..., Process], materialize: Callable[..., Process]
) -> None:
    """One run at a time, until every row is there; one message that it failed, and one that it is well again."""
    site = open_site(timezone="UTC", lake="folder", sites=1, rows_per_day=999, speed=60)
    with inbox() as told:
        plant = Plant(site, start, told)
        assert materialize(site, BEFORE).wait() == 0
        spent = site.simulator.stats().requests
        plant.switch_on(daemon=False)
        until(lambda: plant.schedule_mornings(since=datetime.now(UTC) - timedelta(days=9, hours=1)), LONGEST)
        plant.cut()

        site.simulator.set_faults(Faults(drop_before=-1))
        plant.switch_on()
        began = time.monotonic()
        until(lambda: len(mornings(plant, dg.DagsterRunStatus.FAILURE)) >= 3, LONGEST, every=1)
        site.simulator.set_faults(None)
        back = time.monotonic()
        until(lambda: site.lake.has("transactions", MISSED[2]), LONGEST)
        assert not site.lake.has("transactions", MISSED[-1])  # oldest first
        killed = plant.cut()
        plant.switch_on()
        until(lambda: all(site.lake.has("transactions", day) for day in MISSED), LONGEST)
        landed = time.monotonic()
        until(lambda: any("well again" in message for message in told.messages), LONGEST)
        # The last run still has its checks to make when its day is there.
        until(lambda: all(record.dagster_run.is_finished for record in mornings(plant)), LONGEST)
        runs = mornings(plant)
        time.sleep(10)  # several looks of the sensor: nothing is asked for any more
        assert len(mornings(plant)) == len(runs)
        plant.cut()

    for day in MISSED:
        assert site.landed_ids(day) == site.expected_ids(day)
    spans = sorted((record.start_time or 0.0, record.end_time or 0.0) for record in runs)
    assert all(one[1] <= other[0] for one, other in pairwise(spans)), "two runs at a time"
    broke = [message for message in told.messages if "daily_transactions" in message and " failed\n" in message]
    well = [message for message in told.messages if "daily_transactions is well again" in message]
    assert (len(broke), len(well)) == (1, 1), told.messages
    logger.info(
        "%s",
        {
            "runs": [record.dagster_run.status.value for record in runs], "messages": len(told.messages),
            "killed processes": killed, "requests": site.simulator.stats().requests - spent,
            "seconds away": round(back - began), "seconds until landed": round(landed - back),
        },
    )  # fmt: skip


def mornings(plant: Plant, *statuses: dg.DagsterRunStatus) -> list[dg.RunRecord]:
    """Runs of the morning's job."""
    with plant.instance() as instance:
        wanted = dg.RunsFilter(job_name="daily_transactions", statuses=list(statuses))
        return list(instance.get_run_records(wanted))
