"""Two chains of one operator, each a simulator with an API id, a key and rows of its own, in one code location."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from sonnys_pipeline.config.accounts import ALL_ACCOUNTS
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.orchestration.checks.evaluations import RANGE
from sonnys_pipeline.simulator import Simulator
from sonnys_pipeline_tests.support.pipelines.definitions import asset_job, built_defs
from sonnys_pipeline_tests.support.pipelines.snapshots import _copy as copy_memory

NAMES = ("north", "south")
DAYS = ("2026-03-10", "2026-03-12")
EACH = ("2026-03-10", "2026-03-11", "2026-03-12")
MARTS = ("site_day_kpis", "membership_daily", "item_mix")
#: Stands in each credential, so that tests can look for it where it must not stand.
SECRET = "that-must-not-show"


@dataclass
class Chains:
    """The two, and the instance that remembers their runs."""

    simulators: Mapping[str, Simulator]
    instance: dg.DagsterInstance
    folder: Path
    cursor: Any = field(default=None)

    def lake(self, account: str) -> Lake:
        """Where an account's days land; `all_accounts` has one, too."""
        return Lake(self.folder / "data" / account)

    def run(
        self,
        *keys: str,
        days: str | tuple[str, str] | None = None,
        own: Sequence[dg.AssetsDefinition] = (),
        checks: bool = True,
    ) -> dg.ExecuteInProcessResult:
        """Materialize assets by their keys (`north/transactions`), with their checks, and the test's `own` ones."""
        chosen = [dg.AssetKey(key.split("/")) for key in keys] + [asset.key for asset in own]
        selection: dg.AssetSelection = dg.AssetSelection.assets(*chosen)
        if not checks:
            selection = selection.without_checks()
        how: dict[str, Any] = {
            "instance": self.instance,
            "partition_key": days if isinstance(days, str) else None,
            "tags": dict(zip(RANGE, days, strict=True)) if isinstance(days, tuple) else None,
            "raise_on_error": False,
        }
        if not own:
            return asset_job(selection).execute_in_process(**how)
        defs = built_defs()
        return dg.materialize(
            [*(defs.assets or ()), *(defs.asset_checks or ()), *own],
            selection=selection,
            resources=dict(defs.resources or {}),
            **how,
        )

    def land(self, *accounts: str, days: tuple[str, str] = DAYS, marts: bool = True, checks: bool = True) -> None:
        """The days of accounts, with the marts that are put together."""
        own = ("transactions", "sites", *(MARTS if marts else ()))
        keys = [f"{account}/{asset}" for account in accounts for asset in own]
        assert self.run(*keys, days=days, checks=checks).success

    def tick(self) -> dict[str, list[str]]:
        """Days that the conditions of marts, and of what stands across accounts, ask for, by asset."""
        keys = [dg.AssetKey([name, asset]) for name in (*self.simulators, "all_accounts") for asset in MARTS]
        result = dg.evaluate_automation_conditions(
            built_defs(),
            self.instance,
            asset_selection=dg.AssetSelection.assets(*keys),
            cursor=self.cursor,
            evaluation_time=datetime(2026, 3, 20, 12, tzinfo=UTC),
        )
        self.cursor = result.cursor
        asked = {key.to_user_string(): result.get_requested_partitions(key) for key in keys}
        return {name: sorted(days) for name, days in asked.items() if days}

    def expected_ids(self, account: str, *days: str) -> list[str]:
        """What UTC days must hold, straight from the account's simulated world, in order of id."""
        found = []
        for day in days:
            start = datetime.fromisoformat(day).replace(tzinfo=UTC)
            rows = self.simulators[account].world.rows(start, start + timedelta(days=1) - timedelta(milliseconds=1))
            found += [row["id"] for row in rows]
        return sorted(found)

    def landed_ids(self, account: str, *days: str) -> list[str]:
        """What has landed, in order of id, repeated ones included."""
        return sorted(self.lake(account).read("transactions", days, ["id"])["id"].to_pylist())

    def together(self, day: str, asset: str = "site_day_kpis") -> list[dict[str, Any]]:
        """Rows of a mart across accounts."""
        rows: list[dict[str, Any]] = self.lake("all_accounts").read(asset, [day]).drop_columns("date").to_pylist()
        return rows


def failures(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """What Dagster's UI says of each failed step, by step."""
    found = {}
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            own = data.user_failure_data.description if data.user_failure_data else None
            found[str(event.step_key)] = own or data.error.message
    return found


def _simulated(start: Callable[..., Simulator], **config: Any) -> dict[str, Simulator]:
    """120 rows on each UTC day of the north, 230 in the south."""
    return {
        name: start(
            rows_per_day=rows, seed=seed, sites=sites, api_id=f"{name}-id-{SECRET}", api_key=f"{name}-key-{SECRET}",
            **config,
        )
        for name, rows, seed, sites in (("north", 120, 7, 2), ("south", 230, 8, 3))
    }  # fmt: skip


def _point(
    monkeypatch: pytest.MonkeyPatch, simulators: Mapping[str, Simulator], folder: Path, shared: Mapping[str, str]
) -> None:
    """Point the environment at them and at a folder, all durations scaled as their clocks are."""
    config = simulators["north"].config
    variables = {
        "ACCOUNTS": ",".join(NAMES),
        "RATE_LIMIT": f"{config.rate_limit}/{config.block_seconds / config.speed:g}",
        "POLL_INTERVAL": f"{2 / config.speed:g}",
        "JOB_TIMEOUT": f"{300 / config.speed:g}",
        "HASH_LIFETIME": f"{config.hash_seconds / config.speed:g}",
        "DATA_URL": str(folder / "data"),
        "STATE_DIR": str(folder / "state"),
        **shared,
    }
    for name, simulator in simulators.items():
        variables[f"{name.upper()}__API_ID"] = simulator.config.api_id
        variables[f"{name.upper()}__API_KEY"] = simulator.config.api_key
        variables[f"{name.upper()}__BASE_URL"] = simulator.base_url
    monkeypatch.chdir(folder)  # no .env from outside
    for name, value in variables.items():
        monkeypatch.setenv(f"SONNYS_{name}", value)


@pytest.fixture
def open_chains(
    start_simulator: Callable[..., Simulator],
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Chains]:
    """Points the environment at two new simulators, at noon of 2026-03-20 unless told otherwise.

    Settings given are shared variables, without their prefix.
    """

    def open_both(*, speed: float = 50, now: datetime = datetime(2026, 3, 20, 12, tzinfo=UTC), **shared: str) -> Chains:
        simulators = _simulated(start_simulator, speed=speed, now=now)
        _point(monkeypatch, simulators, tmp_path, shared)
        return Chains(simulators, instance, tmp_path)

    return open_both


@pytest.fixture
def chains(open_chains: Callable[..., Chains]) -> Chains:
    """Both, with the shared settings' defaults: days are UTC days from the first of January on."""
    return open_chains()


@pytest.fixture(scope="module")
def _landed(
    simulators_of_module: Callable[..., Simulator], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Chains]:
    """Both, landed in one run, and what stands across them in another."""
    folder = tmp_path_factory.mktemp("landed")
    with dg.DagsterInstance.ephemeral() as memory, pytest.MonkeyPatch.context() as patch:
        found = Chains(_simulated(simulators_of_module), memory, folder)
        _point(patch, found.simulators, folder, {})
        found.land(*NAMES)
        assert found.run(*(f"{ALL_ACCOUNTS}/{asset}" for asset in MARTS), days=DAYS).success
        patch.undo()
        yield found


@pytest.fixture
def landed(_landed: Chains, monkeypatch: pytest.MonkeyPatch) -> Chains:
    """Both, landed, and what stands across them: one for all tests of a module, to be looked at and not changed."""
    _point(monkeypatch, _landed.simulators, _landed.folder, {})
    return _landed


@pytest.fixture
def copied(_landed: Chains, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Chains:
    """A copy of what is `landed` for a test that adds to it, without the ledgers; the simulators are the same."""
    shutil.copytree(_landed.folder / "data", tmp_path / "data")
    copy_memory(_landed.instance, instance)
    _point(monkeypatch, _landed.simulators, tmp_path, {})
    return Chains(_landed.simulators, instance, tmp_path)
