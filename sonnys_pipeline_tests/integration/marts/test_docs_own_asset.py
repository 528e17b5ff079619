"""DG-05: `docs/your-own-asset.md` does what it says: each of its code blocks is run against landed days."""

import re
import subprocess
import sys
import types
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
import yaml

PAGE = Path(__file__).parents[3] / "docs" / "your-own-asset.md"
DAYS = ("2026-03-10", "2026-03-11")


def blocks(language: str) -> list[str]:
    """The page's fenced blocks in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def landed(open_pipeline, beginning):
    """A pipeline of three sites with two landed days and the list of sites."""
    pipeline = open_pipeline(sites=3, midnight_row=True)
    runs = (lambda: pipeline.run("transactions", days=DAYS), lambda: pipeline.run("sites"))
    assert beginning.of(pipeline, lambda: all(run().success for run in runs))
    return pipeline


@pytest.fixture
def page(landed) -> types.SimpleNamespace:
    """What stands in the namespace of a reader who has pasted all blocks into one file, one after the other."""
    namespace: dict[str, Any] = {"__name__": "my_assets"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # single_run; Dagster prints it, and the asset works
        for block in blocks("python"):
            exec(compile(block, str(PAGE), "exec"), namespace)  # noqa: S102 - the page is ours
    return types.SimpleNamespace(**namespace)


@pytest.fixture
def metadata(landed) -> Callable[[str], dict[str, Any]]:
    """Metadata of the only materialization of an asset."""

    def found(asset: str) -> dict[str, Any]:
        (record,) = landed.materializations(asset)
        return {name: value.value for name, value in record.asset_materialization.metadata.items()}

    return found


def test_the_first_asset_has_ten_lines():
    """The function itself, its decorator included, is what the page promises."""
    first = blocks("python")[0]
    asset = re.search(r"^@dg\.asset.*?^    return [^\n]*$", first, re.MULTILINE | re.DOTALL)
    assert asset

    assert len(asset[0].splitlines()) <= 10


def test_pandas(landed, page, metadata):
    """Tickets of $50 and more, landed day by day as a table of their own, which the next asset can read."""
    assert landed.run(page.big_tickets, days=DAYS).success

    rows = landed.lake.read("transactions", DAYS, ["id", "location_code", "total"])
    expected = [row for row in rows.to_pylist() if row["total"] >= 50]
    assert expected
    assert landed.lake.read("big_tickets", DAYS).to_pylist() == expected
    assert landed.times_materialized("big_tickets") == dict.fromkeys(DAYS, 1)
    assert landed.run(page.big_tickets, days=DAYS[0]).success
    assert landed.lake.read("big_tickets", DAYS).to_pylist() == expected


def test_arrow_with_columns_and_sites(landed, page, metadata):
    """Only rows of the two sites that the metadata names."""
    assert landed.run(page.two_sites, days=DAYS[1]).success

    rows = landed.lake.read("transactions", [DAYS[1]]).to_pylist()
    totals = [row["total"] for row in rows if row["location_code"] in {"MAIN", "SUNSET"}]
    assert 0 < len(totals) < len(rows)
    found = metadata("two_sites")
    assert found["rows"] == len(totals)
    assert found["dollars"] == pytest.approx(sum(totals))


def test_duckdb_over_a_range(landed, page):
    """One run, one query, a file for each of its days."""
    assert landed.run(page.tenders_by_site, days=DAYS).success

    expected: Counter[tuple[Any, ...]] = Counter()
    for row in landed.lake.read("transactions", DAYS).to_pylist():
        for part in row["tenders"]:
            expected[row["date"], row["location_code"], part["tender"]] += round(part["total"] * 100)
    table = landed.lake.read("tenders_by_site", DAYS)
    found = {(row["date"], row["site"], row["tender"]): round(row["total"] * 100) for row in table.to_pylist()}
    assert found == dict(expected)
    assert landed.times_materialized("tenders_by_site") == dict.fromkeys(DAYS, 1)


def test_polars_over_a_range(landed, page):
    """The same with two lazy frames, one of them the states, which have what live rows lack."""
    assert landed.run(page.new_members, days=DAYS).success

    rows = landed.lake.read("transactions", DAYS).to_pylist()
    states = landed.lake.read("transaction_states", DAYS).to_pylist()
    plans = {state["transaction_id"] for state in states if state["is_recurring_plan_sale"]}
    expected = Counter(
        (row["date"], row["location_code"]) for row in rows if row["id"] in plans and row["is_recurring_sale"]
    )
    assert expected
    table = landed.lake.read("new_members", DAYS)
    assert {(row["date"], row["location_code"]): row["sold"] for row in table.to_pylist()} == dict(expected)


def test_sites_beside_a_day(landed, page, metadata):
    """A table without partitions joins one with them."""
    assert landed.run(page.rows_by_name, days=DAYS[0]).success

    names = {row["code"]: row["name"] for row in landed.lake.read("sites").to_pylist()}
    codes = landed.lake.read("transactions", [DAYS[0]])["location_code"].to_pylist()
    assert metadata("rows_by_name") == dict(Counter(names[code] for code in codes))


def test_without_dagster(landed, page):
    """The last block reads the same rows."""
    rows = landed.lake.read("transactions", DAYS)
    totals = rows.filter(pa.compute.equal(rows["location_code"], "MAIN"))["total"].to_pylist()

    assert page.average == pytest.approx(sum(totals) / len(totals))


def test_its_definitions_hold_ours_and_the_readers(page):
    """`Definitions.merge` keeps every asset of this project; the daily job takes the new one along."""
    keys = {spec.key.to_user_string() for spec in page.defs.resolve_all_asset_specs()}

    assert {"transactions", "sites", "big_tickets"} <= keys
    dg.Definitions.validate_loadable(page.defs)
    job = page.defs.resolve_job_def("daily_transactions")
    assert dg.AssetKey("big_tickets") in job.asset_layer.executable_asset_keys


@pytest.mark.acceptance
def test_dagster_loads_the_workspace_of_the_page(landed, tmp_path):
    """`my_assets.py` and `workspace.yaml`, copied as they stand, are loaded and run by Dagster's own commands."""
    (tmp_path / "my_assets.py").write_text(blocks("python")[0], encoding="utf-8")
    (tmp_path / "workspace.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    assert yaml.safe_load(blocks("yaml")[0])
    dagster = str(Path(sys.executable).with_name("dagster"))
    (command,) = [line.split() for line in blocks("sh")[0].splitlines()]
    assert command[0] == "dagster"
    command[command.index("--partition") + 1] = DAYS[0]

    for words in (["definitions", "validate", "-w", "workspace.yaml"], command[1:]):
        done = subprocess.run([dagster, *words], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert done.returncode == 0, done.stderr
    assert landed.lake.rows("big_tickets", DAYS[0]) > 0
