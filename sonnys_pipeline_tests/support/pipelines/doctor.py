"""What the tests of `sonnys doctor` share: an environment where all is well, and the report as they ask it."""

import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner, Result

from sonnys_pipeline.cli import main
from sonnys_pipeline.simulator import Simulator

API_ID, API_KEY = "id-that-must-not-show-0815", "key-that-must-not-show-4711"


class Report:
    """What `sonnys doctor --json` said."""

    def __init__(self, result: Result) -> None:
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        document = json.loads(result.stdout)
        self.exit_code, self.ok = result.exit_code, document["ok"]
        self.findings = {finding["subject"]: finding for finding in document["findings"]}
        self.subjects = [finding["subject"] for finding in document["findings"]]

    def in_state(self, state: str) -> set[str]:
        return {subject for subject, finding in self.findings.items() if finding["state"] == state}

    def of(self, subject: str) -> tuple[str, str, str]:
        finding = self.findings[subject]
        return finding["state"], finding["detail"], finding["remedy"]


def westernmost(simulator: Simulator) -> str:
    """The zone that the doctor finds nothing to say of."""
    zones = [site.timezone for site in simulator.world.sites if site.timezone]
    return min(zones, key=lambda zone: datetime.now(ZoneInfo(zone)).utcoffset())


@pytest.fixture
def diagnose() -> Callable[..., Report]:
    """Runs the command and reads its report; whatever it printed must not hold the credentials."""

    def run(*arguments: str) -> Report:
        result = CliRunner().invoke(main, ["doctor", "--json", *arguments])
        assert API_ID not in result.output
        assert API_KEY not in result.output
        return Report(result)

    return run


@pytest.fixture
def healthy(
    start_simulator: Callable[..., Simulator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Simulator]:
    """Points the environment at a simulator whose clock is ours, and at folders where all is well."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dagster").mkdir()
    shutil.copy(Path(__file__).parents[3] / "deploy" / "dagster.yaml", tmp_path / "dagster")

    def start(**config: Any) -> Simulator:
        config = {"now": datetime.now(UTC), "api_id": API_ID, "api_key": API_KEY, **config}
        simulator = start_simulator(**config)
        variables = {
            "SONNYS_API_ID": API_ID,
            "SONNYS_API_KEY": API_KEY,
            "SONNYS_BASE_URL": simulator.base_url,
            "SONNYS_DATA_URL": str(tmp_path / "data"),
            "SONNYS_STATE_DIR": str(tmp_path / "state"),
            "SONNYS_TIMEZONE": westernmost(simulator),
            "SONNYS_START_DATE": (datetime.now(UTC) - timedelta(days=90)).date().isoformat(),
            "DAGSTER_HOME": str(tmp_path / "dagster"),
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return simulator

    return start
