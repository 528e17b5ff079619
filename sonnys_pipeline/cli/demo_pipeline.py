"""The demo: a simulated chain, a real Dagster, a week landed, in one folder of its own."""

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

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.report.daily import land_report, make_report
from sonnys_pipeline.runtime.private_folder import private_folder
from sonnys_pipeline.simulator import Simulator, SimulatorConfig

#: How much faster than the real API the demo's simulator runs.
SPEED = 30.0
#: The folder in which a user's own state lies by default.
_STATE = ".sonnys"
#: Nothing leaves the machine, and no sign-up dialog greets a newcomer.
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
    """One landed day, for the closing table: `sales` in dollars, `path` of its file.

    `cars` and `sales` are of the sites' own business day of that date; `None` where it is not landed as a whole.
    """

    day: str
    rows: int
    pages: int
    cars: int | None
    sales: float | None
    path: str


class DemoError(Exception):
    """The demo could not be set up, or Dagster did not do what it asked; the message says what to do."""


@contextmanager
def demo_environment(folder: Path, sites: int, api: Literal["live", "documented"] = "live") -> Iterator[dict[str, str]]:
    """A running simulator, and the environment in which Dagster uses it; every duration scaled by the same factor.

    Raises:
        DemoError: when the folder cannot be used.
    """
    home = folder / "dagster"
    try:
        # Above it lies what the user's own runs will keep (`.sonnys`): that is made for its owner alone, too.
        private_folder(folder.parent if folder.parent.name == _STATE else folder)
        (private_folder(home) / "dagster.yaml").write_text(_DAGSTER_YAML)
    except OSError as error:
        raise DemoError(f"cannot write in {folder} ({error.strerror}); choose another --folder") from error
    config = SimulatorConfig(api=api, sites=sites, speed=SPEED)
    with Simulator(config) as simulator:
        scaled = {
            "SONNYS_RATE_LIMIT": f"{config.rate_limit}/{config.block_seconds / SPEED:g}",
            "SONNYS_POLL_INTERVAL": f"{2 / SPEED:g}",
            "SONNYS_JOB_TIMEOUT": f"{300 / SPEED:g}",
            "SONNYS_HASH_LIFETIME": f"{config.hash_seconds / SPEED:g}",
        }
        yield {
            # The user's own SONNYS_ settings stay out of the demo, and the demo out of the user's lake.
            **{name: value for name, value in os.environ.items() if not name.startswith("SONNYS_")},
            **scaled,
            "SONNYS_API_ID": config.api_id,
            "SONNYS_API_KEY": config.api_key,
            "SONNYS_BASE_URL": simulator.base_url,
            "SONNYS_TIMEZONE": _westernmost([site.timezone for site in simulator.world.sites if site.timezone]),
            # Four whole months at least, none so old that the `ageing` check would warn of it.
            "SONNYS_START_DATE": f"{datetime.now(UTC) - timedelta(days=130):%Y-%m}-01",
            "SONNYS_DATA_URL": str(folder / "data"),
            "SONNYS_STATE_DIR": str(folder / "state"),
            "DAGSTER_HOME": str(home),
            # Dagster advertises its successor commands on each start; these are the ones that we promise (DG-03).
            "PYTHONWARNINGS": "ignore:Function `dev_command` is,ignore:Function `asset_materialize_command` is",
        }


def _westernmost(zones: Sequence[str]) -> str:
    """The zone in which a day is over last; what docs/first-day.md tells its readers to set."""
    now = datetime.now(UTC)
    return min(zones, key=lambda zone: (now.astimezone(ZoneInfo(zone)).utcoffset() or timedelta(), zone))


def last_days(count: int) -> list[str]:
    """The last days, oldest first, that are over in every US zone."""
    last: date = datetime.now(UTC).date() - timedelta(days=2)
    return [(last - timedelta(days=back)).isoformat() for back in reversed(range(count))]


# Both run in the demo's folder: Dagster puts the working directory's `.env` over the environment, and the user's own
# one must neither send his key to the simulator nor the demo to his API.
def materialize(folder: Path, environment: Mapping[str, str], days: list[str]) -> list[DemoDay]:
    """Let Dagster land the days, then count cars and sales, each in a process of its own.

    The day before them is landed as well: the business day of a site east of the pipeline's zone begins in it.

    Returns:
        Every day that was landed, the one before first.

    Raises:
        DemoError: when the run fails; Dagster's log lies in the folder.
    """
    before = (date.fromisoformat(days[0]) - timedelta(days=1)).isoformat()
    log = folder / "dagster.log"
    with log.open("w") as output:
        # Nothing of the day before is counted: it could not be as a whole, and its check would say so.
        for assets, first in (("transactions,sites", before), ("site_day_kpis", days[0])):
            command = [
                sys.executable, "-m", "dagster", "asset", "materialize", "-m", "sonnys_pipeline.definitions",
                "--select", assets, "--partition-range", f"{first}...{days[-1]}",
            ]  # fmt: skip
            done = subprocess.run(  # noqa: S603 - our own command
                command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, check=False
            )
            if done.returncode != 0:
                raise DemoError(f"Dagster's run failed: {_said(log)}; its log is {log}")
    lake = Lake(folder / "data")
    return [_landed(lake, before, is_whole=False), *(_landed(lake, day) for day in days)]


def _said(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return next((line for line in lines if "Failure: " in line or "Error: " in line), "it said nothing")


def report(folder: Path, environment: Mapping[str, str], day: str) -> Path:
    """Make the morning report of a day; where its page lies.

    Raises:
        DemoError: when it cannot be made.
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
