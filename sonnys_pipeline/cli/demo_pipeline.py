"""The demo: land a week of simulated data with Dagster, in a folder of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from sonnys_pipeline.calendar.mornings import last_expected_day
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.report.daily import land_report, make_report
from sonnys_pipeline.runtime.private_folder import private_folder
from sonnys_pipeline.simulator import Simulator, SimulatorConfig

#: How much faster than the real API the demo's simulator runs.
SPEED = 30.0
#: No demo takes longer.
_LONGEST = timedelta(minutes=30)
#: Default folder of a user's own state.
_STATE = ".sonnys"
#: No telemetry, and no sign-up dialog.
_DAGSTER_YAML = """telemetry:
  enabled: false
nux:
  enabled: false
python_logs:
  python_log_level: INFO
run_launcher:
  module: sonnys_pipeline.orchestration.services.local_launcher
  class: LocalRunLauncher
run_monitoring:
  enabled: true
  poll_interval_seconds: 15
"""


@dataclass(frozen=True)
class DemoDay:
    """One landed day for the closing table.

    `cars` and `sales` (dollars) count the sites' own business day of that date; `None` if that day is incomplete.
    """

    day: str
    rows: int
    pages: int
    cars: int | None
    sales: float | None
    path: str


class DemoError(Exception):
    """The demo could not be set up, or Dagster's run failed; the message says what to do."""


@contextmanager
def demo_environment(folder: Path, sites: int, api: Literal["live", "documented"] = "live") -> Iterator[dict[str, str]]:
    """Run a simulator; yields the environment in which Dagster uses it, all durations scaled alike.

    Raises:
        DemoError: the folder cannot be written.
    """
    home = folder / "dagster"
    try:
        # `.sonnys` above it will hold the state of the user's own runs: make that private, too.
        private_folder(folder.parent if folder.parent.name == _STATE else folder)
        (private_folder(home) / "dagster.yaml").write_text(_DAGSTER_YAML)
    except OSError as error:
        raise DemoError(f"cannot write in {folder} ({error.strerror}); choose another --folder") from error
    config = SimulatorConfig(api=api, sites=sites, speed=SPEED)
    with Simulator(config) as simulator:
        yield {
            # Without the user's own SONNYS_ settings, so that the demo does not write into the user's lake.
            **{name: value for name, value in os.environ.items() if not name.startswith("SONNYS_")},
            **config.environment(simulator.base_url),
            "SONNYS_TIMEZONE": _westernmost([site.timezone for site in simulator.world.sites if site.timezone]),
            # At least four whole months, none old enough for the `ageing` check to warn.
            "SONNYS_START_DATE": f"{datetime.now(UTC) - timedelta(days=130):%Y-%m}-01",
            "SONNYS_DATA_URL": str(folder / "data"),
            "SONNYS_STATE_DIR": str(folder / "state"),
            "DAGSTER_HOME": str(home),
            # Dagster warns that newer commands exist; DG-03 requires these.
            "PYTHONWARNINGS": "ignore:Function `dev_command` is,ignore:Function `asset_materialize_command` is",
        }


def _westernmost(zones: Sequence[str]) -> str:
    """The zone in which a day ends last, as the README advises."""
    now = datetime.now(UTC)
    return min(zones, key=lambda zone: (now.astimezone(ZoneInfo(zone)).utcoffset() or timedelta(), zone))


def last_days(count: int, timezone: str, now: datetime) -> list[str]:
    """The latest days of a zone, oldest first, that the check `freshness` expects at an aware instant, and soon after.

    Yesterday is expected from eight in the morning on; before that its latest rows may still arrive.
    """
    last = last_expected_day(now + _LONGEST, timezone)
    return [(last - timedelta(days=back)).isoformat() for back in reversed(range(count))]


# Run in the demo's folder: Dagster prefers the working directory's `.env` to the environment, and the user's own
# `.env` must not send the user's key to the simulator, or the demo to the real API.
def materialize(folder: Path, environment: Mapping[str, str], days: list[str]) -> list[DemoDay]:
    """Land the days and compute their KPIs, in two Dagster processes; returns every landed day, oldest first.

    The day before the first one is landed, too: a business day of a site east of the pipeline's zone begins in it.

    Raises:
        DemoError: the run failed; the message names Dagster's log.
    """
    before = (date.fromisoformat(days[0]) - timedelta(days=1)).isoformat()
    log = folder / "dagster.log"
    with log.open("w") as output:
        # No KPIs of the day before: it is incomplete, and a check would say so.
        for assets, first in (("transactions,sites", before), ("site_day_kpis", days[0])):
            command = [
                sys.executable, "-m", "dagster", "asset", "materialize", "-m", "sonnys_pipeline.definitions",
                "--select", assets, "--partition-range", f"{first}...{days[-1]}",
            ]  # fmt: skip
            done = subprocess.run(  # noqa: S603 - our own command
                command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False
            )
            if done.returncode != 0:
                raise DemoError(f"Dagster's run failed: {_first_error(log)}; its log is {log}")
    lake = Lake(folder / "data")
    return [_landed(lake, before, is_whole=False), *(_landed(lake, day) for day in days)]


def _first_error(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return next((line for line in lines if "Failure: " in line or "Error: " in line), "no error in its log")


def report(folder: Path, environment: Mapping[str, str], day: str) -> Path:
    """Write the morning report of a day; returns the path of its page.

    Raises:
        DemoError: the report cannot be made.
    """
    lake, zone = Lake(folder / "data"), environment["SONNYS_TIMEZONE"]
    try:
        found = make_report(lake, date.fromisoformat(day), timezone=zone, made_at=datetime.now(ZoneInfo(zone)))
        return Path(str(land_report(lake, found).path))
    except LakeError as error:
        raise DemoError(f"the report of {day} could not be made: {error}") from error


def _landed(lake: Lake, day: str, *, is_whole: bool = True) -> DemoDay:
    windows = json.loads(lake.metadata("transactions", day)["windows"])
    counted = lake.read("site_day_kpis", [day], ["total_cars", "sales"]).to_pylist() if is_whole else []
    return DemoDay(
        day=day,
        rows=lake.rows("transactions", day),
        pages=sum(len(window["hashes"]) for window in windows),
        cars=sum(row["total_cars"] for row in counted) if is_whole else None,
        sales=float(sum(row["sales"] for row in counted)) if is_whole else None,
        path=str(lake.path("transactions", day)),
    )
