"""What the Dagster tests share: a pipeline whose API is a simulator, run in this process."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.orchestration.build import build_defs
from sonnys_pipeline.simulator import Simulator
from sonnys_pipeline_tests.support.pipelines.backfills import Desk, point_environment
from sonnys_pipeline_tests.support.pipelines.chains import (  # noqa: F401 - fixtures
    _landed,
    chains,
    copied,
    landed,
    open_chains,
)
from sonnys_pipeline_tests.support.pipelines.definitions import asset_job, built_defs
from sonnys_pipeline_tests.support.pipelines.doctor import diagnose, healthy  # noqa: F401 - fixtures
from sonnys_pipeline_tests.support.pipelines.snapshots import Beginning

API_ID = "id-that-must-not-show-0815"
API_KEY = "key-that-must-not-show-4711"


@dataclass(frozen=True)
class Pipeline:
    """The product's definitions on a simulator, with an instance that remembers their runs."""

    simulator: Simulator
    instance: dg.DagsterInstance
    lake: Lake
    state: Path

    def run(
        self,
        *assets: str | dg.AssetsDefinition,
        days: str | tuple[str, str] | None = None,
        selection: dg.AssetSelection | None = None,
        resources: Mapping[str, Any] | None = None,
        run_config: Mapping[str, Any] | None = None,
    ) -> dg.ExecuteInProcessResult:
        """Materialize assets, by name or the test's own, with their checks: for one day, or first and last of a range.

        `selection` replaces the assets named; `resources` replaces the pipeline's own, by name.
        """
        own = [asset for asset in assets if isinstance(asset, dg.AssetsDefinition)]
        keys = [asset.key if isinstance(asset, dg.AssetsDefinition) else dg.AssetKey(asset) for asset in assets]
        selection = selection or dg.AssetSelection.assets(*keys)
        how: dict[str, Any] = {
            "instance": self.instance,
            "partition_key": days if isinstance(days, str) else None,
            "tags": range_tags(*days) if isinstance(days, tuple) else None,
            "run_config": run_config,
            "raise_on_error": False,
        }
        if not own and not resources:
            return asset_job(selection).execute_in_process(**how)
        defs = build_defs(resources) if resources else built_defs()
        return dg.materialize(
            [*(defs.assets or ()), *(defs.asset_checks or ()), *own],
            selection=selection,
            resources=dict(defs.resources or {}),
            **how,
        )

    def failure(self, result: dg.ExecuteInProcessResult) -> str:
        """What Dagster's UI says of the one failed step of a run that failed: description and chain of errors."""
        assert not result.success
        (event,) = [event for event in result.all_events if event.is_step_failure]
        data = event.step_failure_data
        texts, error = [], data.error
        while error:
            texts.append(error.message)
            error = error.cause
        if data.user_failure_data:
            texts.insert(0, data.user_failure_data.description or "")
        return "\n".join(texts)

    def materializations(self, asset: str) -> Sequence[dg.EventLogRecord]:
        """All materializations of an asset that the instance remembers, newest first."""
        return self.instance.fetch_materializations(dg.AssetKey(asset), limit=1000).records

    def times_materialized(self, asset: str = "transactions") -> dict[str | None, int]:
        """How many materializations each partition has."""
        return dict(Counter(record.partition_key for record in self.materializations(asset)))

    def expected_ids(self, day: str) -> list[str]:
        """What a UTC day must hold, straight from the simulated world, in order of id."""
        start = datetime.fromisoformat(day).replace(tzinfo=UTC)
        rows = self.simulator.world.rows(start, start + timedelta(days=1) - timedelta(milliseconds=1))
        return sorted(row["id"] for row in rows)

    def landed_ids(self, *days: str) -> list[str]:
        """What has landed, in order of id, repeated ones included."""
        return sorted(self.lake.read("transactions", days, ["id"])["id"].to_pylist())

    def record(self) -> str:
        """Everything that the instance remembers of its runs, as text."""
        runs = self.instance.get_runs()
        entries = [entry.to_json() for run in runs for entry in self.instance.all_logs(run.run_id)]
        return "\n".join([*entries, *(json.dumps(run.run_config) + json.dumps(dict(run.tags)) for run in runs)])


def range_tags(first: str, last: str) -> dict[str, str]:
    """How Dagster marks a run over a range of partitions, ends included."""
    return {"dagster/asset_partition_range_start": first, "dagster/asset_partition_range_end": last}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    """An instance in memory, several times faster than one on disk; the acceptance tests have theirs on disk."""
    with dg.DagsterInstance.ephemeral() as memory:
        yield memory


@pytest.fixture(scope="module")
def beginning(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beginning]:
    """Where all tests of a module begin that ask for it, each with a pipeline of its own."""
    found = Beginning(tmp_path_factory.mktemp("beginning"))
    yield found
    found.close()


def pipeline_on(
    simulator: Simulator,
    instance: dg.DagsterInstance,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    data_url: str = "",
) -> Pipeline:
    """Point the environment at a simulator, all durations scaled as its clock is; what is kept is in a folder."""
    scale = simulator.config.speed
    variables = {
        "API_ID": API_ID,
        "API_KEY": API_KEY,
        "BASE_URL": simulator.base_url,
        "RATE_LIMIT": f"{simulator.config.rate_limit}/{simulator.config.block_seconds / scale:g}",
        "POLL_INTERVAL": f"{2 / scale:g}",
        "JOB_TIMEOUT": f"{300 / scale:g}",
        "HASH_LIFETIME": f"{simulator.config.hash_seconds / scale:g}",
        "DATA_URL": data_url or str(folder / "data"),
        "STATE_DIR": str(folder / "state"),
    }
    monkeypatch.chdir(folder)  # no .env from outside
    for name, value in variables.items():
        monkeypatch.setenv(f"SONNYS_{name}", value)
    return Pipeline(simulator, instance, Lake(variables["DATA_URL"]), folder / "state")


#: What simulators of pipelines have unless told otherwise.
USUAL = {"rows_per_day": 120, "api_id": API_ID, "api_key": API_KEY}


@pytest.fixture
def open_pipeline(
    start_simulator: Callable[..., Simulator],
    instance: dg.DagsterInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., Pipeline]:
    """Points the environment at a new simulator (at noon of 2026-03-20), all durations scaled as its clock is."""

    def open_one(data_url: str = "", **config: Any) -> Pipeline:
        return pipeline_on(start_simulator(**{**USUAL, **config}), instance, tmp_path, monkeypatch, data_url)

    return open_one


@pytest.fixture
def pipeline(open_pipeline: Callable[..., Pipeline]) -> Pipeline:
    """A pipeline with 120 rows, so two pages, on each UTC day, one of them exactly on midnight."""
    return open_pipeline(midnight_row=True)


@pytest.fixture
def open_desk(
    start_simulator: Callable[..., Simulator], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Desk]:
    """Starts a simulator whose present is ours, and points the environment of `sonnys backfill` at it."""

    def open_one(**config: Any) -> Desk:
        own = {"sites": 3, "rows_per_day": 120, "now": datetime.now(UTC), "api_id": API_ID, "api_key": API_KEY}
        simulator = start_simulator(**{**own, **config})
        point_environment(simulator, tmp_path, monkeypatch)
        return Desk(simulator, tmp_path)

    return open_one


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    """120 rows on each UTC day over three sites, so a page of each."""
    return open_desk()
