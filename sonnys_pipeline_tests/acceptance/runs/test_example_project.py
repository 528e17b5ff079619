"""EC-01: a project made by `create-dagster`, with two accounts as components and an asset of its own beside them.

`dg` is the program that users type; it finds the component by our entry point, in the environment of the tests.
"""

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline_tests.acceptance.conftest import BIN

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(not (BIN / "dg").exists(), reason="dagster-dg-cli is not installed: pip install -e '.[dev]'"),
]

EXAMPLE = Path(__file__).parents[3] / "examples" / "washes"
DAY = "2026-11-10"
SECRET = "that-must-not-show"


def test_dg_checks_lists_and_lands(open_site, start, tmp_path):
    """`dg check yaml`, `dg list defs`, `dg launch`: the day of one account lands, each row once, no secret shown."""
    site = open_site(
        timezone="America/Chicago", speed=40, now=datetime(2026, 11, 20, 12, tzinfo=UTC), api_key=SECRET, lake="folder"
    )
    project = tmp_path / "washes"
    shutil.copytree(EXAMPLE, project)
    config = site.simulator.config
    credentials = {"API_ID": config.api_id, "API_KEY": config.api_key}
    environment = {
        **{name: value for name, value in site.environment.items() if not name.startswith("SONNYS_")},
        **{f"{account}_{name}": value for account in ("NORTH", "SOUTH") for name, value in credentials.items()},
        "SIMULATOR_URL": site.simulator.base_url,
        "SIMULATOR_RATE": site.environment["SONNYS_RATE_LIMIT"],
        "PYTHONPATH": f"{project / 'src'}:{site.environment['PYTHONPATH']}",
    }

    def dg(*words: str) -> str:
        process = start(["dg", *words, "--target-path", str(project)], environment, forked=True)
        assert process.wait() == 0, process.output
        assert SECRET not in process.output
        return process.stdout.read_text()

    assert "validated successfully" in dg("check", "yaml")
    listed = json.loads(dg("list", "defs", "--json"))
    dg("launch", "--assets", "north/transactions", "--partition", DAY)

    assets = {one["asset_key"]: one for one in listed["assets"]}
    assert {"north/daily_report", "washes/south/line_items", "washes/south/items", "landed_days"} <= set(assets)
    assert "washes/south/customers" not in assets, "not chosen"
    mart = assets["washes/south/site_day_kpis"]
    assert mart["owners"] == [{"team": "south"}]
    assert mart["description"].endswith("(of the southern sites)"), "translated"
    assert {"key": "tier", "value": "gold"} in mart["tags"], "post-processed"
    jobs = [one["name"] for one in listed["jobs"]]
    assert len(jobs) == len(set(jobs))
    assert {"north_daily_transactions", "south_daily_transactions"} <= set(jobs)
    landed = Lake(project / "data" / "north").read("transactions", [DAY], ["id"])["id"].to_pylist()
    assert sorted(landed) == site.expected_ids(DAY, "America/Chicago") != []
