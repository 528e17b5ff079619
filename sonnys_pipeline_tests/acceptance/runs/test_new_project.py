"""EC-01: a project that `create-dagster` has just made, with our wheel: three commands of `dg` land a day.

Then a second account and the component of dlt from docs/component.md stand beside it. `dg` and Dagster are those of
the tests' environment; `sonnys_pipeline` is the wheel of the last commit.
"""

import json
import shlex
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from examples.new_project import COMPONENT, NAME, NewProject
from release.build import ROOT
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline_tests.acceptance.conftest import BIN, Site

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(not (BIN / "dg").exists(), reason="dagster-dg-cli is not installed: pip install -e '.[dev]'"),
]

DAY = "2026-11-10"
ZONE = "America/Chicago"
#: Configuration of a run whose steps share one process: a process for each step would take minutes on two cores.
IN_PROCESS = shlex.quote(json.dumps({"execution": {"config": {"in_process": {}}}}))
PAGE = (ROOT / "docs" / "component.md").read_text(encoding="utf-8").partition("## Beside dlt")[2]


def test_three_commands_land_a_day_and_others_stand_beside_it(open_site, tmp_path):
    """The day has each row of the simulator once; account and dlt beside it run in one run, and no names clash."""
    site: Site = open_site(timezone=ZONE, speed=40, now=datetime(2026, 11, 20, 12, tzinfo=UTC), lake="folder")
    project = NewProject.make(tmp_path)
    project.run(f"create-dagster project {NAME} --no-uv-sync")
    imported = project.run("python -c 'import sonnys_pipeline; print(sonnys_pipeline.__file__)'")
    assert Path(imported.strip()).is_relative_to(tmp_path / "venv")

    assert "Creating defs" in project.run(f"dg scaffold defs {COMPONENT} north --start-date 2026-11-01")
    add_account_of(site, project, "north")
    assert "validated successfully" in project.run("dg check yaml")
    log = project.run(f"dg launch --assets north/transactions --partition {DAY} --config-json {IN_PROCESS}")

    assert landed(project, "north") == site.expected_ids(DAY, ZONE) != []
    assert f"{DAY} {len(site.expected_ids(DAY, ZONE)):>9}" in log

    beside = project.root / "src" / NAME / "defs"
    (beside / "south").mkdir()
    (beside / "south" / "defs.yaml").write_text(
        (beside / "north" / "defs.yaml").read_text().replace("north", "south").replace("NORTH", "SOUTH")
    )
    add_account_of(site, project, "south", with_settings=False)
    (beside / "hr").mkdir()
    for file, language in (("loads.py", "py"), ("defs.yaml", "yaml")):
        (beside / "hr" / file).write_text(PAGE.partition(f"```{language}\n")[2].partition("```")[0])
    listed = json.loads(project.run("dg list defs --json"))
    project.run(f"dg launch --assets south/transactions,hr/shifts --partition {DAY} --config-json {IN_PROCESS}")

    assets = [one["asset_key"] for one in listed["assets"]]
    assert {"north/transactions", "south/transactions", "north/daily_report", "hr/shifts"} <= set(assets)
    for kind, name in (("assets", "asset_key"), ("jobs", "name"), ("schedules", "name"), ("sensors", "name")):
        names = [one[name] for one in listed[kind]]
        assert len(names) == len(set(names)) > 0, kind
    assert landed(project, "south") == site.expected_ids(DAY, ZONE)
    with duckdb.connect(str(project.root / "data" / "staff.duckdb"), read_only=True) as database:
        assert database.sql("SELECT sum(hours) FROM hr.shifts").fetchall() == [(14,)]


def add_account_of(site: Site, project: NewProject, name: str, *, with_settings: bool = True) -> None:
    """The credentials in `.env`; and in the YAML, which keeps to ten lines, that the API is the simulator."""
    config = site.simulator.config
    with (project.root / ".env").open("a") as variables:
        variables.write(f"{name.upper()}_API_ID={config.api_id}\n{name.upper()}_API_KEY={config.api_key}\n")
    if with_settings:
        settings = {"base_url": site.simulator.base_url, "rate_limit": site.environment["SONNYS_RATE_LIMIT"]}
        file = project.root / "src" / NAME / "defs" / name / "defs.yaml"
        file.write_text(f"{file.read_text()}  settings: {json.dumps(settings)}\n")
        assert len(file.read_text().splitlines()) <= 10


def landed(project: NewProject, account: str) -> list[str]:
    """Ids of the day in an account's lake."""
    ids: list[str] = Lake(project.root / "data" / account).read("transactions", [DAY], ["id"])["id"].to_pylist()
    return sorted(ids)
