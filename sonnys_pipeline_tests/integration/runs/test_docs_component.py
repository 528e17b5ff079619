"""EC-01: `docs/component.md` does what it says: its code and its YAML are loaded, and all attributes are described."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster.components.testing.utils import create_defs_folder_sandbox

from sonnys_pipeline import SonnysAccountComponent

PAGE = Path(__file__).parents[3] / "docs" / "component.md"
TEXT = PAGE.read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The page's fenced blocks in a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture(autouse=True)
def _credentials(monkeypatch):
    for name in ("NORTH_API_ID", "NORTH_API_KEY", "SOUTH_API_ID", "SOUTH_API_KEY"):
        monkeypatch.setenv(name, "demo")


#: Dagster's own, of its links to code.
beta = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")


@pytest.fixture
def page() -> dict[str, Any]:
    """What stands in the namespace of a reader who pastes all blocks into one file."""
    namespace: dict[str, Any] = {"__name__": "pasted"}
    for block in blocks("python"):
        exec(compile(block, str(PAGE), "exec"), namespace)  # noqa: S102 - the page is ours
    return namespace


@beta
def test_the_code_merges(page):
    """The merged definitions load, with the user's resource, executor and asset, and the names that the page says."""
    merged = page["merged"]

    dg.Definitions.validate_loadable(merged)

    assert merged.resources["lake"] == "mine"
    assert {"north_sonnys", "north_lake", "north_lake_io", "wash_lake"} <= set(merged.resources)
    assert merged.executor is dg.multiprocess_executor
    assert {"wash_watch", "north_watch"} <= {job.name for job in merged.jobs}


@beta
@pytest.mark.filterwarnings("ignore:`parse_obj_as` is deprecated:DeprecationWarning")  # Dagster's own, in its loader
@pytest.mark.parametrize("number", [0, 1])
def test_the_yaml_loads(number):
    """The file of the terminal, and the longer one with its post-processing."""
    (terminal,) = blocks("console")
    short = terminal.partition("defs.yaml\ntype:")[2].partition("\n$ dg check")[0]
    text = [f"type:{short}", *blocks("yaml")][number]
    assert len(text.splitlines()) <= 10 or number == 1

    with create_defs_folder_sandbox() as project:
        folder = project.scaffold_component(SonnysAccountComponent, defs_yaml_contents=yaml.safe_load(text))
        with project.load_component_and_build_defs(folder) as (_, defs):
            dg.Definitions.validate_loadable(defs)
    specs = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
    if number:
        mart = specs["washes/south/site_day_kpis"]
        assert mart.tags["tier"] == "gold"
        assert (mart.description or "").endswith("(site_day_kpis of south)")
        assert "washes/south/items" in specs
    else:
        assert "north/transactions" in specs


@beta
def test_links_lead_to_the_functions(page):
    """Of an asset that no prefix has renamed."""
    spec = next(one for asset in page["linked"] for one in asset.specs if one.key == dg.AssetKey("transactions"))

    (reference,) = spec.metadata["dagster/code_references"].code_references

    file, _, line = reference.url.partition("/tree/main/")[2].partition("#L")
    assert file == "sonnys_pipeline/orchestration/assets/transactions.py"
    lines = (PAGE.parents[1] / file).read_text(encoding="utf-8").splitlines()
    assert "def transactions(" in "".join(lines[int(line) - 1 : int(line) + 20])


def test_every_attribute_has_a_row():
    """Those of the component, no others."""
    cells = re.findall(r"^\| (`[^|]*) \|", TEXT.partition("## Attributes")[2], re.MULTILINE)
    named = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]

    assert sorted(named) == sorted(SonnysAccountComponent.model().model_fields)


def test_nothing_that_others_share_is_changed(tmp_path):
    """Importing and building: warnings' filters, logging and the environment are as Dagster alone leaves them."""
    code = """
import json, logging, os, sys, warnings
import dagster as dg
from dagster.components.core.component_tree import ComponentTree
import dagster.components.component_scaffolding, dagster.components.utils.translation
import pandas, sqlalchemy, duckdb, pyarrow, requests  # third parties have filters and loggers of their own

def state():
    return [repr(warnings.filters), logging.root.level, repr(logging.root.handlers), dict(os.environ), os.getcwd()]

before = state()
from sonnys_pipeline import SonnysAccountComponent
one = SonnysAccountComponent(account="north", api_id="a", api_key="b")
dg.Definitions.validate_loadable(one.build_defs(ComponentTree.for_test().load_context))
json.dump([left == right for left, right in zip(before, state(), strict=True)], sys.stdout)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)

    assert json.loads(done.stdout) == [True] * 5
    assert list(tmp_path.iterdir()) == []
