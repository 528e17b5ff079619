"""Mornings that go wrong: when yesterday is landed, and for how many runs, messages and requests (KT-03, KT-05).

Schedule, sensors and the check of missing days are evaluated every half minute of a scaled clock. Runs land 5 sites of
800 rows a day over HTTP, in this process, without marts. A power cut amid a run is measured by
`sonnys_pipeline_tests/acceptance/runs/test_missed_mornings.py`.
"""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    ScheduleInstigatorData,
    TickData,
    TickStatus,
)
from rich.console import Console

from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.transactions import is_landed
from sonnys_pipeline.orchestration.automation.alerts import alerts_sensor
from sonnys_pipeline.orchestration.automation.missed_mornings import missed_mornings_sensor
from sonnys_pipeline.orchestration.automation.mornings import MORNING
from sonnys_pipeline.orchestration.automation.schedules import WATCH_HOURS, schedules, watch_job
from sonnys_pipeline.orchestration.build import build_defs
from sonnys_pipeline.orchestration.checks.all_days import watch_checks
from sonnys_pipeline.orchestration.partitions import daily_partitions
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.simulator import Faults, Simulator, SimulatorConfig

SITES, ROWS, SPEED = 5, 800, 20
TODAY = date(2026, 3, 20)
_LOOK = 30.0
_AWAY = Faults(drop_before=-1)


@dataclass
class Measured:
    """What a morning took; `landed`: when the run began that landed the last day."""

    case: str
    landed: str = ""
    missing: int = 0
    runs: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    requests: int = 0


class Deployment:
    """Schedule and sensors of a pipeline, evaluated by hand as the daemon would."""

    def __init__(self, simulator: Simulator, instance: dg.DagsterInstance, lake: Lake) -> None:
        self.simulator, self.instance, self.lake = simulator, instance, lake
        self.messages: list[str] = []
        partitions = daily_partitions(Settings.load())
        assets = dg.AssetSelection.assets("transactions", "transaction_states", "sites")
        checks = watch_checks(partitions, self.now)
        job = dg.define_asset_job("daily_transactions", assets.without_checks())
        own = build_defs()
        watch = watch_job(checks)
        defs = dg.Definitions(own.assets, jobs=[job, watch], resources=own.resources, asset_checks=checks)
        self._job, self._watch = defs.resolve_job_def(job.name), defs.resolve_job_def(watch.name)
        self._schedule, _ = schedules(partitions, job, watch, LakeResource())
        self._missed = missed_mornings_sensor(partitions, job, LakeResource(), now=self.now)
        self._alerts = alerts_sensor(lambda: self.messages.append, now=self.now)
        self._cursors: dict[str, str | None] = {}
        origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("here"), "__repository__")
        self._state = InstigatorState(
            RemoteInstigatorOrigin(origin, MORNING),
            InstigatorType.SCHEDULE,
            InstigatorStatus.RUNNING,
            ScheduleInstigatorData("0 6 * * *", 0.0),
        )
        instance.add_instigator_state(self._state)
        self._look(self._alerts)

    def now(self) -> datetime:
        """By the simulator's clock."""
        return self.simulator.state.clock.now()

    def live(self, until: datetime) -> list[str]:
        """Look every half minute; how each run of the morning ended, with the time."""
        ended: list[str] = []
        seen = self.now()
        while (now := self.now()) < until:
            due = datetime(now.year, now.month, now.day, 6, tzinfo=UTC)
            if not self._has_ticked(due) and due <= now:
                with dg.build_schedule_context(self.instance, scheduled_execution_time=due) as context:
                    requests = self._schedule.evaluate_tick(context).run_requests or ()
                self._tick(due)
                ended += [self._run(request) for request in requests]
            ended += [self._run(request) for request in self._look(self._missed)]
            if any(seen < now.replace(hour=hour, minute=0, second=0) <= now for hour in WATCH_HOURS):
                self._watch.execute_in_process(instance=self.instance)
            seen = now
            self._look(self._alerts)
            self.simulator.advance(_LOOK)
        return ended

    def _run(self, request: dg.RunRequest) -> str:
        result = self._job.execute_in_process(instance=self.instance, tags=request.tags, raise_on_error=False)
        return f"{'landed' if result.success else 'failed'} {self.now():%H:%M}"

    def _look(self, sensor: dg.SensorDefinition) -> list[dg.RunRequest]:
        with dg.build_sensor_context(self.instance, cursor=self._cursors.get(sensor.name)) as context:
            found = sensor.evaluate_tick(context)
        self._cursors[sensor.name] = found.cursor
        return list(found.run_requests or ())

    def _has_ticked(self, due: datetime) -> bool:
        ticks = self.instance.get_ticks(self._state.instigator_origin_id, self._state.selector_id, limit=1)
        return bool(ticks) and ticks[0].timestamp >= due.timestamp()

    def _tick(self, due: datetime) -> None:
        tick = TickData(
            self._state.instigator_origin_id, MORNING, InstigatorType.SCHEDULE, TickStatus.SUCCESS, due.timestamp(),
            run_ids=["asked"], selector_id=self._state.selector_id,
        )  # fmt: skip
        self.instance.create_tick(tick)


@contextmanager
def deployment(now: datetime, landed_until: date) -> Iterator[Deployment]:
    """Four days up to one are landed; then it is `now`."""
    start = datetime(landed_until.year, landed_until.month, landed_until.day, 8, tzinfo=UTC) + timedelta(days=1)
    config = SimulatorConfig(
        speed=SPEED, now=start, sites=SITES, rows_per_day=SITES * ROWS, virtual_site=False, codeless_site=False
    )
    with tempfile.TemporaryDirectory() as folder, Simulator(config) as simulator, dg.instance_for_test() as instance:
        os.environ |= {
            **config.environment(simulator.base_url),
            "SONNYS_DATA_URL": f"{folder}/data",
            "SONNYS_STATE_DIR": f"{folder}/state",
        }
        os.chdir(folder)
        found = Deployment(simulator, instance, Lake(f"{folder}/data"))
        assert found.live(start + timedelta(minutes=1))[0].startswith("landed")
        for day in found.lake.partitions("transactions"):  # the files say when they were read by the real clock
            rows, metadata = found.lake.read("transactions", [day]), found.lake.metadata("transactions", day)
            read = {**metadata, "loaded_at": start.isoformat()}
            found.lake.land("transactions", rows, partition=day, metadata=read)
        simulator.advance((now - found.now()).total_seconds())
        found.messages.clear()
        yield found


@contextmanager
def api_away(deployed: Deployment, until: datetime) -> Iterator[None]:
    """The API drops every connection until a moment, also amid a run."""
    deployed.simulator.set_faults(_AWAY)
    over = threading.Event()

    def wait() -> None:
        while deployed.now() < until and not over.wait(0.05):
            pass
        deployed.simulator.set_faults(None)

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def morning(case: str, now: datetime, landed_until: date, away_until: datetime | None = None) -> Measured:
    """One morning, until an hour after all is well."""
    found = Measured(case)
    with deployment(now, landed_until) as deployed:
        before = deployed.simulator.stats()
        wanted = [str(landed_until + timedelta(days=number)) for number in range(1, (TODAY - landed_until).days)]
        found.missing = len(wanted)
        with api_away(deployed, away_until or now):
            found.runs = deployed.live((away_until or now) + timedelta(hours=1, minutes=30))
        assert all(is_landed(deployed.lake, day, None) for day in wanted), found
        found.landed = next(run.split()[1] for run in reversed(found.runs) if run.startswith("landed"))
        after = deployed.simulator.stats()
        found.messages = [" ".join(message.split())[:100] for message in deployed.messages]
        found.requests = after.requests - before.requests
    return found


def run() -> list[Measured]:
    """All cases."""
    at: Callable[..., datetime] = lambda hour, minute=0: datetime(2026, 3, 20, hour, minute, tzinfo=UTC)  # noqa: E731
    return [
        morning("an ordinary morning", at(5, 50), date(2026, 3, 18)),
        morning("the API drops connections from 05:50 to 06:02", at(5, 50), date(2026, 3, 18), at(6, 2)),
        morning("the API is away from 05:50 to 09:30", at(5, 50), date(2026, 3, 18), at(9, 30)),
        morning("the machine was off for nine days, until 09:00", at(9), date(2026, 3, 10)),
    ]


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    here = Path.cwd()
    for measured in run():
        Console(highlight=False, width=160).print(asdict(measured))
    os.chdir(here)
