"""RS-02: `items` as Dagster lands it: one row for each version, as of any day what the API listed then."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.landing.dimensions.history import as_of
from sonnys_pipeline.simulator import Simulator
from sonnys_pipeline.simulator.world import menu
from sonnys_pipeline_tests.support.pipelines.definitions import built_defs

_WORKSPACE_NOW = "sonnys_pipeline.backfill.workspace.datetime"


class Shop:
    """A chain whose items are read, day after day."""

    def __init__(self, simulator: Simulator, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.simulator = simulator
        self.lake = Lake(str(folder / "data"))
        self.truth: dict[date, dict[tuple[str, str, str], Decimal]] = {}
        for name, value in simulator.config.environment(simulator.base_url).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("SONNYS_DATA_URL", str(folder / "data"))
        monkeypatch.setenv("SONNYS_STATE_DIR", str(folder / "state"))
        monkeypatch.setattr(_WORKSPACE_NOW, _Clock(simulator))

    @property
    def today(self) -> date:
        return self.simulator.state.clock.now().date()

    def listed(self) -> dict[tuple[str, str, str], Decimal]:
        """Prices that the API lists now, by site, number and name."""
        world = self.simulator.world
        sites = [site for site in world.sites if site.timezone and site.code]
        rows = menu.items(sites, {site.code for site in sites}, "", world.prices, live=True)
        return {
            (row["siteLocation"], row["sku"], row["name"]): Decimal(row["priceAtSite"].replace(",", "")) for row in rows
        }

    def read(self, **config: Any) -> dg.ExecuteInProcessResult:
        """Materialize `items` as the daily job does, with its check."""
        self.truth[self.today] = self.listed()
        run_config = {"ops": {"items": {"config": config}}}
        job = built_defs().resolve_job_def("daily_dimensions")
        only = [dg.AssetKey("items")]
        return job.execute_in_process(run_config=run_config, asset_selection=only, raise_on_error=False)

    def next_day(self) -> None:
        self.simulator.advance(86_400)

    def as_of(self, day: date) -> dict[tuple[str, str, str], Decimal]:
        rows = as_of(self.lake.read("items"), day).to_pylist()
        return {(row["site_location"], row["sku"], row["name"]): Decimal(f"{row['price_at_site']:.2f}") for row in rows}


class _Clock:
    """Stands in for `datetime` where the workspace asks for the time."""

    def __init__(self, simulator: Simulator) -> None:
        self._clock = simulator.state.clock

    def now(self, _zone: object) -> Any:
        return self._clock.now()


@pytest.fixture
def shop(start_simulator: Callable[..., Simulator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(start_simulator(sites=6, rate_limit=1000), tmp_path, monkeypatch)


def metadata_of(result: dg.ExecuteInProcessResult, asset: str = "items") -> Mapping[str, Any]:
    landed = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
    (mine,) = [one for one in landed if one.asset_key.path == [asset]]
    return {name: value.value for name, value in mine.metadata.items()}


def test_each_past_day_is_what_the_api_listed_then(shop: Shop) -> None:
    """A price that changes, one site's price, an item that goes and comes back: one row where something changed."""
    assert shop.read().success
    first = shop.today
    assert shop.lake.rows("items") == len(shop.truth[first])
    one, other = sorted({name for _, _, name in shop.truth[first]})[:2]
    for name, cents, site in ((one, 2_150, None), (one, 1_950, "SUNSET"), (other, None, None)):
        shop.next_day()
        shop.simulator.world.set_price(name, cents, site)
        assert shop.read().success
    shop.next_day()
    shop.simulator.world.set_price(other, 175)
    shop.next_day()
    result = shop.read()
    assert result.success
    for day, listed in shop.truth.items():
        assert shop.as_of(day) == listed, day
    assert shop.as_of(first - timedelta(days=1)) == {}
    # Between two readings, what the earlier one saw.
    assert shop.as_of(shop.today - timedelta(days=1)) == shop.truth[shop.today - timedelta(days=2)]
    sites = {site for site, _, _ in shop.truth[first]}
    changed = len(sites) + ("SUNSET" in sites) + len(sites)
    assert shop.lake.rows("items") == len(shop.truth[first]) + changed
    metadata = metadata_of(result)
    assert (metadata["listed"], metadata["begun_today"], metadata["ended_today"]) == (
        len(shop.truth[shop.today]), len(sites), 0,
    )  # fmt: skip
    assert metadata["requests"] == -(-len(shop.truth[shop.today]) // 100)


def test_a_list_without_site_that_is_refused_is_read_site_by_site(
    start_simulator: Callable[..., Simulator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contract, [?]: whether lists without `site` are refused on keys of several sites."""
    shop = Shop(start_simulator(sites=3, rate_limit=1000, lists_need_site=True), tmp_path, monkeypatch)
    assert shop.read().success
    assert shop.as_of(shop.today) == shop.listed()


def test_a_much_shorter_list_is_refused_until_it_is_accepted(shop: Shop) -> None:
    """Decision 5: nothing replaces what is landed without a word."""
    assert shop.read().success
    before = shop.lake.read("items")
    for _, _, name in sorted(shop.listed())[:-3]:
        shop.simulator.world.set_price(name, None)
    shop.next_day()
    shop.simulator.state.cached_lists.clear()
    refused = shop.read()
    assert not refused.success
    assert shop.lake.read("items").equals(before)
    (failed,) = [event for event in refused.all_events if event.is_step_failure]
    assert "accept_shorter" in str(failed.step_failure_data.user_failure_data)
    assert shop.read(accept_shorter=True).success
    assert shop.as_of(shop.today) == shop.listed()


def test_the_check_names_items_without_a_price(shop: Shop) -> None:
    """A price below 0 is no price that sales can be compared with."""
    names = sorted({name for _, _, name in shop.listed()})
    shop.simulator.world.set_price(names[0], -100, "SUNSET")
    (evaluation,) = shop.read().get_asset_check_evaluations()
    assert not evaluation.passed
    assert "1 id: SUNSET" in str(evaluation.description)
    assert names[0] in str(evaluation.description)


def test_another_accounts_history_is_not_continued(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two accounts in one folder would end each other's items."""
    assert shop.read().success
    monkeypatch.setenv("SONNYS_TIMEZONE", "America/Chicago")
    refused = shop.read()
    assert not refused.success
    (failed,) = [event for event in refused.all_events if event.is_step_failure]
    assert "SONNYS_DATA_URL" in str(failed.step_failure_data.user_failure_data)
