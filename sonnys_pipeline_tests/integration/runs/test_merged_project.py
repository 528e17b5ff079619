"""EC-01: definitions merged by hand run with what the user's project has: its IO manager, executor and own assets."""

from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from sonnys_pipeline.config.given import GivenSettings
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.orchestration.build import build_defs

DAY = "2026-03-11"
ROWS = dg.AssetKey(["north", "transactions"])


class Shelf(dg.IOManager):
    """A user's IO manager, which takes the outputs of the user's own assets and refuses any other."""

    def __init__(self) -> None:
        """Empty."""
        self.held: dict[dg.AssetKey, Any] = {}

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        assert context.has_asset_key, "an output of a check"
        assert context.asset_key.path[0] == "mine", context.asset_key
        self.held[context.asset_key] = obj

    def load_input(self, context: dg.InputContext) -> Any:
        return self.held[context.asset_key]


@pytest.fixture
def settings(start_simulator, tmp_path, monkeypatch) -> GivenSettings:
    """An account whose settings come from code; each variable that would say otherwise is wrong."""
    simulator = start_simulator(rows_per_day=120, api_id="id", api_key="key")
    for name in ("API_ID", "API_KEY", "BASE_URL", "START_DATE", "DATA_URL", "STATE_DIR", "ACCOUNTS", "EXECUTION"):
        monkeypatch.setenv(f"SONNYS_{name}", "not of this account")
    scale = simulator.config.speed
    return GivenSettings.of(
        "north",
        api_id="id",
        api_key="key",
        base_url=simulator.base_url,
        rate_limit=f"{simulator.config.rate_limit}/{simulator.config.block_seconds / scale:g}",
        poll_interval=2 / scale,
        data_url=str(tmp_path / "lake"),
        state_dir=tmp_path / "state",
    )


def test_the_users_io_manager_executor_and_assets(settings, tmp_path):
    """A day lands by our IO manager, our checks leave the user's alone, and the user's assets read and use both."""
    shelf = Shelf()
    days = dg.DailyPartitionsDefinition("2026-01-01")

    @dg.asset(key_prefix="mine", partitions_def=days, ins={"rows": dg.AssetIn(key=ROWS)})
    def tickets(rows: pa.Table) -> int:
        return rows.num_rows

    @dg.asset(key_prefix="mine", partitions_def=days)
    def twice(tickets: int) -> int:
        return 2 * tickets

    mine = dg.Definitions(
        assets=[tickets, twice],
        resources={"io_manager": shelf, "lake": "mine"},
        executor=dg.in_process_executor,
        loggers={"console": dg.colored_console_logger},
    )
    merged = dg.Definitions.merge(build_defs(settings=settings, embedded=True), mine)

    done = merged.resolve_implicit_global_asset_job_def().execute_in_process(
        asset_selection=[ROWS, *tickets.keys, *twice.keys], partition_key=DAY
    )

    landed = Lake(str(tmp_path / "lake" / "north")).read("transactions", [DAY], ["id"])
    assert done.success
    assert len(set(landed["id"].to_pylist())) == landed.num_rows == 120
    assert shelf.held == {dg.AssetKey(["mine", "tickets"]): 120, dg.AssetKey(["mine", "twice"]): 240}
    assert "complete_and_unique" in {one.check_name for one in done.get_asset_check_evaluations()}
    assert merged.resolve_job_def("north_daily_transactions").executor_def is dg.in_process_executor
    assert list(merged.loggers) == ["console"]
