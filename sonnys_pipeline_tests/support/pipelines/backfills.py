"""`sonnys backfill …` as a person types it, in this process, on a simulator over HTTP."""

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from click.testing import CliRunner, Result

from sonnys_pipeline.calendar.windows import Day
from sonnys_pipeline.cli import main
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.simulator import Faults, Simulator

#: The keys that docs/compatibility.md, promises.
PREVIEW_KEYS = {"job_id", "fingerprint", "total_rows", "preview_rows", "additional_rows", "estimated"}
ESTIMATE_KEYS = {"rows", "pages", "requests", "seconds"}
STATUS_KEYS = {
    "job_id", "status", "mode", "total_rows", "processed_rows", "successful_rows", "failed_rows", "pending_rows",
    "requests", "seconds",
}  # fmt: skip


def days_ago(number: int) -> str:
    """A day of this calendar, for the command knows only the real present; 1 is yesterday, in UTC."""
    return (datetime.now(UTC).date() - timedelta(days=number)).isoformat()


def last_days(count: int) -> list[str]:
    """So many days in order, the day before yesterday last: they stay over when midnight passes meanwhile."""
    return [days_ago(number) for number in range(count + 1, 1, -1)]


@dataclass(frozen=True)
class Desk:
    """A person at a terminal-less shell: settings in the environment, a folder, and an API to ask."""

    simulator: Simulator
    folder: Path

    @property
    def lake(self) -> Lake:
        """What has landed."""
        return Lake(self.folder / "data")

    @property
    def requests(self) -> int:
        """Requests that have reached the API."""
        return self.simulator.stats().requests

    def types(self, *arguments: str | Path, exit_code: int | None = 0) -> Result:
        """`sonnys backfill` with these arguments; anything but a clean end with this exit code fails the test."""
        result = CliRunner().invoke(main, ["backfill", *map(str, arguments)], prog_name="sonnys")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        if exit_code is not None:
            assert result.exit_code == exit_code, result.output
        return result

    def asks(self, *arguments: str | Path, exit_code: int = 0) -> dict[str, Any]:
        """The same with `--json`: the one document on stdout; more than that on it fails the test."""
        return json.loads(self.types(*arguments, "--json", exit_code=exit_code).stdout)

    def preview(self, days: Sequence[str], *options: str) -> str:
        """A pending job of a span of days; its id."""
        return self.asks("preview", "--start", days[0], "--end", days[-1], *options)["job_id"]

    def approved(self, days: Sequence[str], *options: str) -> str:
        """The same, approved."""
        job = self.preview(days, *options)
        self.types("approve", job)
        return job

    def fail_days(self, *days: str) -> None:
        """Let every load job of these days fail, and of no others; without days, of none."""
        self.simulator.set_faults(Faults(fail_dates=frozenset(map(date.fromisoformat, days))))

    def submissions(self, since: int = 0) -> Counter[str]:
        """How many load jobs were submitted for each UTC day, since so many requests."""
        asked = [parse_qs(record.query) for record in self.simulator.log[since:] if record.operation == "submit"]
        return Counter(f"{datetime.fromtimestamp(int(query['startDate'][0]), UTC):%Y-%m-%d}" for query in asked)

    def landed_ids(self, day: str) -> list[str]:
        """Ids that are landed, in order, repeated ones included."""
        return sorted(self.lake.read("transactions", [day], ["id"])["id"].to_pylist())

    def expected_ids(self, day: str, site: str | None = None) -> list[str]:
        """What a UTC day has, straight from the simulated world, in order of id."""
        span = Day.of(day)
        rows = self.simulator.world.rows(span.start, span.end - timedelta(milliseconds=1), site)
        return sorted(row["id"] for row in rows)

    def everything(self) -> dict[str, bytes | str]:
        """Whatever a refused command could have changed: the ledger's content, the lake, files beside them."""
        found: dict[str, bytes | str] = {
            str(path): path.read_bytes()
            for path in self.folder.rglob("*")
            if path.is_file() and not path.name.startswith(("ledger.sqlite", "budget.sqlite"))
        }
        ledger = self.folder / "state" / "ledger.sqlite"
        if ledger.exists():
            with closing(sqlite3.connect(ledger)) as opened:
                found["ledger"] = "\n".join(opened.iterdump())
        return found

    def change_ledger(self, statement: str, *values: str) -> None:
        """What only somebody with a database's tool can do."""
        with closing(sqlite3.connect(self.folder / "state" / "ledger.sqlite")) as opened, opened:
            opened.execute(statement, values)


def point_environment(simulator: Simulator, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings for a simulator, all durations scaled as its clock is; no Dagster, and failures are final soon."""
    config, scale = simulator.config, simulator.config.speed
    variables = {
        "API_ID": config.api_id,
        "API_KEY": config.api_key,
        "BASE_URL": simulator.base_url,
        "RATE_LIMIT": f"{config.rate_limit}/{config.block_seconds / scale:g}",
        "POLL_INTERVAL": f"{2 / scale:g}",
        "JOB_TIMEOUT": f"{300 / scale:g}",
        "HASH_LIFETIME": f"{config.hash_seconds / scale:g}",
        "MAX_RETRIES": "1",
        "DATA_URL": str(folder / "data"),
        "STATE_DIR": str(folder / "state"),
        "START_DATE": days_ago(170),
    }
    monkeypatch.chdir(folder)  # no .env from outside
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(f"SONNYS_{name}", value)
