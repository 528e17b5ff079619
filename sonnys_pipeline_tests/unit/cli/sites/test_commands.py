"""LV-01: `sonnys sites`: what it shows, what it takes from a person, and what it refuses."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from sonnys_pipeline.cli import main
from sonnys_pipeline.client import Site
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.sites.history import land_sites
from sonnys_pipeline.simulator import Simulator

A, B, C = (Site(code=code, name=f"Site {code}", timezone="America/Chicago") for code in "ABC")


@pytest.fixture
def lake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Lake:
    """B has left the list, and C is new in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SONNYS_DATA_URL", str(tmp_path / "data"))
    landed = Lake(tmp_path / "data")
    land_sites(landed, [A, B], datetime(2026, 3, 10, 12, tzinfo=UTC))
    land_sites(landed, [A, C], datetime(2026, 3, 11, 12, tzinfo=UTC))
    return landed


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["sites", *arguments], prog_name="sonnys", env={"COLUMNS": "200"})


def test_the_history_and_its_questions(lake: Lake) -> None:
    """A line a version; what is to be answered goes to standard error, with the command."""
    result = run("list")
    assert result.exit_code == 0
    assert "2026-03-11" in next(line for line in result.stdout.splitlines() if line.startswith("B"))
    assert "sonnys sites same B C" in result.stderr
    document = json.loads(run("list", "--json").stdout)
    assert document["questions"] == [["B", "C"]]
    assert [(row["code"], row["is_current"]) for row in document["sites"]] == [("A", True), ("B", False), ("C", True)]


@pytest.mark.parametrize(("verb", "sites"), [("same", 2), ("different", 3)])
def test_an_answer_ends_the_question(lake: Lake, verb: str, sites: int) -> None:
    document = json.loads(run(verb, "b", "c", "--json").stdout)
    assert document["questions"] == []
    assert len({row["site"] for row in document["sites"]}) == sites
    land_sites(lake, [A, C], datetime(2026, 3, 12, 12, tzinfo=UTC))
    assert json.loads(run("list", "--json").stdout)["questions"] == []


def test_a_zone_is_said_of_a_site_and_of_one_that_no_list_has(lake: Lake) -> None:
    """The latter stays, although lists go on without it."""
    assert run("zone", "A", "Asia/Tokyo", "--since", "2026-03-01").exit_code == 0
    assert run("zone", "Annex", "America/Denver").exit_code == 0
    land_sites(lake, [A, C], datetime(2026, 3, 12, 12, tzinfo=UTC))
    rows = {(row["code"], row["timezone"]): row for row in lake.read("sites").to_pylist() if row["is_current"]}
    assert rows["A", "Asia/Tokyo"]["valid_from"].isoformat() == "2026-03-01"
    assert ("Annex", "America/Denver") in rows


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["same", "A", "NOWHERE"], "no site has or had the code NOWHERE"),
        (["zone", "A", "Mars/Olympus"], "is not a time zone"),
        (["zone", "A", "UTC", "--since", "March"], "give a day as YYYY-MM-DD"),
    ],
)
def test_what_cannot_be_is_refused(lake: Lake, arguments: list[str], said: str) -> None:
    """In one line; nothing is changed."""
    before = lake.path("sites").read_bytes()
    result = run(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert lake.path("sites").read_bytes() == before


def test_without_a_list_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("list")
    assert (result.exit_code, "sonnys sites read" in result.stderr) == (1, True)


def test_a_shorter_list_is_taken_when_a_person_says_so(
    lake: Lake, start_simulator: Callable[..., Simulator], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API lists other sites than A and C: refused without the option."""
    simulator = start_simulator(sites=1, virtual_site=False, codeless_site=False)
    monkeypatch.setenv("SONNYS_BASE_URL", simulator.base_url)
    monkeypatch.setenv("SONNYS_API_ID", simulator.config.api_id)
    monkeypatch.setenv("SONNYS_API_KEY", simulator.config.api_key)
    refused = run("read")
    assert (refused.exit_code, "lacks 2 of 2 known sites" in refused.stderr) == (1, True)
    taken = json.loads(run("read", "--accept-shorter", "--json").stdout)
    assert [row["code"] for row in taken["sites"] if row["is_current"]] == ["MAIN"]
    assert taken["refused"] == ""
