"""LV-01: `/site/list` changes between runs: what is read, what stays landed, and what is counted."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from sonnys_pipeline.marts.incremental.inputs import MartInputs
from sonnys_pipeline.marts.kpis import site_day_kpis
from sonnys_pipeline.simulator import Simulator
from sonnys_pipeline_tests.support.pipelines.sites import Chain

DAYS = ["2026-03-09", "2026-03-10", "2026-03-11"]


@pytest.fixture
def chain(start_simulator: Callable[..., Simulator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chain:
    """Three sites, three days landed; every run asks for the list again."""
    monkeypatch.setattr("sonnys_pipeline.landing.account_sites.LIST_LIFETIME", timedelta(0))
    made = Chain(start_simulator(sites=3, rows_per_day=90, virtual_site=False, codeless_site=False), tmp_path)
    assert made.run(DAYS).success
    return made


def counted(chain: Chain) -> dict[tuple[str, date], int]:
    """Transactions by site and business day, of the first two days."""
    table = MartInputs(chain.lake, "UTC").count(site_day_kpis, DAYS[:2]).table
    return {(row["site"], row["business_date"]): row["transactions"] for row in table.to_pylist()}


@pytest.mark.parametrize("kept", [0, 1])
def test_sites_of_a_list_that_is_much_shorter_are_read_on(
    chain: Chain, kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    """b: the next day landed without them, and said that it was whole."""
    world = chain.simulator.world
    world.list_sites(world.sites[:kept])
    assert chain.run(["2026-03-12"]).success
    assert chain.landed([*DAYS, "2026-03-12"]) == chain.expected([*DAYS, "2026-03-12"])
    assert f"lacks {3 - kept} of 3 known sites" in caplog.text
    assert chain.lake.read("sites")["is_current"].to_pylist() == [True] * 3


def test_a_site_that_leaves_keeps_rows_and_states_of_days_that_are_read_again(chain: Chain) -> None:
    """b: they went with the next morning, which reads the last days again."""
    before, figures, states = chain.landed(DAYS), counted(chain), chain.with_states(DAYS)
    world = chain.simulator.world
    world.list_sites(world.sites[:2])
    result = chain.run(DAYS, proof="off")
    assert result.success, result.failures
    assert chain.landed(DAYS) == before
    assert chain.with_states(DAYS) == states
    assert counted(chain) == figures
    gone = chain.lake.read("sites").to_pylist()[2]
    assert (gone["code"], gone["is_current"]) == ("SUNSET", False)


def test_a_code_that_changes_with_number_and_name_is_one_site_by_its_terminals(chain: Chain) -> None:
    """b: the days that are read again under the new code count as before, with no zeros beside them."""
    figures, world = counted(chain), chain.simulator.world
    chain.simulator.state.rename_site("SUNSET", "NOVA")
    *others, sunset = world.sites
    world.list_sites([*others, replace(sunset, site_id=99, name="Nova Plaza")])
    assert chain.run([*DAYS[1:], "2026-03-12"]).success
    assert chain.landed([*DAYS, "2026-03-12"]) == chain.expected([*DAYS, "2026-03-12"])
    rows = [row for row in chain.lake.read("sites").to_pylist() if row["site"] == "sunset"]
    assert [row["code"] for row in rows] == ["SUNSET", "NOVA"]
    assert "same terminals" in rows[1]["because"]
    assert chain.lake.metadata("sites")["questions"] == "[]"
    assert counted(chain) == figures
