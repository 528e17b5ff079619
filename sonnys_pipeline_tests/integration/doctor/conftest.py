"""What tests of `sonnys first-contact` share: a simulator with the API's own budget, and what the command tells."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from sonnys_pipeline.cli import main
from sonnys_pipeline.simulator import Account, Simulator

Open = Callable[..., Simulator]
#: How many times faster than the API the simulator is.
SPEED = 50
V2_FIELDS = ["isRecurringPlanRedemption", "isRecurringPlanSale", "transactionStatus"]


def run(*arguments: str, exit_code: int = 0) -> Result:
    """`sonnys first-contact` with these arguments."""
    result = CliRunner().invoke(main, ["first-contact", *arguments], prog_name="sonnys")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == exit_code, result.output
    return result


def told(*arguments: str) -> dict[str, Any]:
    """What `--json` prints, and nothing beside it."""
    return json.loads(run("--json", *arguments).stdout)


def values(document: dict[str, Any]) -> dict[str, Any]:
    """The answers alone."""
    return {name: one["answer"] for name, one in document["answers"].items()}


@pytest.fixture
def open_api(start_simulator: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Starts a simulator with the API's own budget, at the real present, and points the environment at it."""
    monkeypatch.chdir(tmp_path)

    def start(**config: Any) -> Simulator:
        simulator = start_simulator(
            **{
                "now": datetime.now(UTC),
                "rate_limit": 20,
                "block_seconds": 30.0,
                "job_seconds": (3.0, 3.0),
                "rows_per_day": 150,
                "sites": 3,  # and those that the profile adds: one online, live also one without a code
                "virtual_site": None,
                **config,
            }
        )
        account = simulator.config.all_accounts()[-1]
        variables = {
            "API_ID": account.api_id,
            "API_KEY": account.api_key,
            "BASE_URL": simulator.base_url,
            "RATE_LIMIT": f"20/{simulator.config.block_seconds / SPEED}",
            "POLL_INTERVAL": "0.04",
            "STATE_DIR": str(tmp_path / "state"),
        }
        for name, value in variables.items():
            monkeypatch.setenv(f"SONNYS_{name}", value)
        return simulator

    return start


def refused(simulator: Simulator) -> int:
    """Requests that met a 429."""
    return sum(record.status == 429 for record in simulator.log)


def one_site(*codes: str) -> tuple[Account, ...]:
    """An account that sees these sites alone."""
    return (Account(api_id="narrow-id", api_key="narrow-key", sites=frozenset(codes)),)


#: What the simulator does by default, as its documentation says.
USUAL = {
    "load_job_needs_site": True,
    "lists_need_site": False,
    "list_ends": "both",
    "job_ends": "both",
    "same_hash": True,
    "empty_job_total": "null",
    "empty_list_total": "null",
    "fail_fields": None,
    "unknown_fields": {"job": [], "list": [], "version_2": []},
    "absent_fields": {"job": V2_FIELDS, "list": [], "version_2": []},
    "refused_fields": {},
    "budget_per": None,
}
