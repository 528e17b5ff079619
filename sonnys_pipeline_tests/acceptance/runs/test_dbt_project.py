"""EC-02: `examples/dbt`: dbt builds its models on landed files, and stands behind our assets in one graph.

dbt has an environment of its own below that of the tests, which `make test` makes: dbt-core needs another `pathspec`.
"""

import json
import os
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.simulator.world.chain import World
from sonnys_pipeline_tests.support.landed_marts import land_marts
from sonnys_pipeline_tests.support.landed_members import land_movement, movement
from sonnys_pipeline_tests.support.servers import IS_CI
from sonnys_pipeline_tests.support.site_lists import DATES, PARTITIONS, ListedChain

ROOT = Path(__file__).parents[3]
DBT = Path(sys.prefix) / "dbt" / "bin"

pytestmark = [
    pytest.mark.acceptance,
    pytest.mark.skipif(not DBT.exists() and not IS_CI, reason="dbt is not installed: make .venv/dbt/.installed"),
]

#: What Dagster makes of the project: dependencies of the models, what is built, and the tests as checks of assets.
BUILD = """
import json, sys
from importlib.metadata import version
import dagster as dg
from dagster_dbt import DbtCliResource
from packaging.version import parse
# Each resource would start dbt to ask: two seconds each time.
DbtCliResource._cli_version = parse(version("dbt-core"))
from carwash.definitions import defs
from carwash.defs.models import models

loaded = defs()
dg.Definitions.validate_loadable(loaded)
graph = loaded.resolve_asset_graph()
done = dg.materialize([models], resources=loaded.resources, raise_on_error=False)
checks = done.get_asset_check_evaluations()
json.dump({
    "success": done.success,
    "parents": {
        key.to_user_string(): sorted(parent.to_user_string() for parent in graph.get(key).parent_keys)
        for key in models.keys
    },
    "external": [key.to_user_string() for key in graph.external_asset_keys],
    "built": sorted(event.asset_key.to_user_string() for event in done.get_asset_materialization_events()),
    "checked": sorted({one.asset_key.to_user_string() for one in checks}),
    "failed": [one.check_name for one in checks if not one.passed],
}, open(sys.argv[1], "w"))
"""


def test_models_are_built_behind_our_assets(tmp_path: Path) -> None:
    """Every model and test passes on two landed days; the sources are the account's assets, no others; sums agree."""
    project = tmp_path / "carwash"
    shutil.copytree(ROOT / "examples" / "dbt", project)
    # Dagster and two dbt processes: most of their work is imports, which the garbage collector looks through again.
    (project / "src" / "sitecustomize.py").write_text("import gc\n\ngc.set_threshold(20_000, 20, 20)\n")
    lake = Lake(project / "data" / "north")
    chain = ListedChain(lake, World(seed=5, sites=2, rows_per_day=60))
    chain.read_list()
    chain.land_days(PARTITIONS[:3])
    land_marts(lake, DATES[:2])
    land_movement(lake, DATES[1], movement("S1"), movement("S2", "Top"), movement("S2", None, active=None))

    found = built(project)

    assert (found["success"], found["failed"]) == (True, [])
    assert found["parents"] == {
        "dbt/best_sellers": ["north/transactions"],
        "dbt/members_by_plan": ["north/membership_movement"],
        "dbt/weekly_sales": ["north/site_day_kpis", "north/sites"],
    }
    assert found["external"] == [], "a source that is no asset of ours"
    assert found["built"] == sorted(found["parents"])
    assert {"north/transactions", "north/site_day_kpis", "dbt/weekly_sales"} <= set(found["checked"])
    kpis = lake.read("site_day_kpis", PARTITIONS[:2]).to_pylist()
    with duckdb.connect(str(project / "data" / "carwash.duckdb"), read_only=True) as database:
        weeks = database.sql("SELECT sum(days), sum(cars), sum(sales), bool_and(site_name <> '') FROM weekly_sales")
        assert weeks.fetchall() == [
            (len(kpis), sum(row["total_cars"] for row in kpis), sum(Decimal(row["sales"]) for row in kpis), True)
        ]
        plans = database.sql("SELECT plan, active FROM members_by_plan ORDER BY plan").fetchall()
    assert plans == [("(no plan)", None), ("Basic", 100), ("Top", 100)]


def built(project: Path) -> dict[str, object]:
    """What `BUILD` says of a project, in dbt's environment."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("SONNYS_", "DAGSTER_"))},
        "PATH": f"{DBT}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(project / "src"),
        "NORTH_API_ID": "demo-id",
        "NORTH_API_KEY": "demo-key",
        "DAGSTER_IS_DEV_CLI": "1",  # as `dg dev` sets it: the manifest is made when the code is loaded
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
    }
    answer = project / "answer.json"
    done = subprocess.run(
        [DBT / "python", "-c", BUILD, answer], env=environment, cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    found: dict[str, object] = json.loads(answer.read_text())
    return found
