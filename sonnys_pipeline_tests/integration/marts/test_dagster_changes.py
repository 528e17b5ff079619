"""KT-02 in Dagster: the asset `transaction_changes`, its check, and its rows as an input by annotation."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import polars as pl
import pytest

from sonnys_pipeline.lake.changes import CHANGES, TRANSACTION_CHANGES
from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.orchestration.assets.transaction_changes import changes_asset
from sonnys_pipeline.orchestration.checks.changes import changes_check
from sonnys_pipeline.orchestration.io_manager import LakeIOManager
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.quality.late_edits import Looks
from sonnys_pipeline_tests.unit.quality.test_late_edits import changes

# `build_defs` ignores it: one run over many partitions is beta in Dagster (decision 3).
pytestmark = pytest.mark.filterwarnings("ignore::dagster.BetaWarning")
TODAY = datetime.now(UTC).date()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    landed = Lake(tmp_path / "data")
    for back in (1, 0):
        rows = changes((f"{back}:1", 6.0 + 24 * 9, "states", "edited", "total"))
        landed.land(CHANGES, rows, partition=(TODAY - timedelta(days=back)).isoformat())
    return landed


@pytest.fixture
def materialize(lake: Lake) -> Callable[..., dg.ExecuteInProcessResult]:
    resource = LakeResource(data_url=str(lake.root))

    def run(*assets: Any, looks: Looks | None = None) -> dg.ExecuteInProcessResult:
        chosen = [changes_asset("landing", looks=looks), changes_check(looks=looks), *assets]
        resources = {"lake": resource, "lake_io": LakeIOManager(lake=resource)}
        return dg.materialize(chosen, resources=resources)

    return run


def test_the_asset_shows_how_late_edits_come(materialize: Callable[..., dg.ExecuteInProcessResult]) -> None:
    """Counts, hours, looks, and what they recommend; the check passes while the policy looks long enough."""
    result = materialize()
    (event,) = result.asset_materializations_for_node("transaction_changes")
    shown = {name: value.value for name, value in event.metadata.items()}
    assert (shown["dagster/row_count"], shown["changed_transactions"]) == (2, 2)
    assert (shown["p50_hours"], shown["p95_hours"], shown["last_hours"]) == (222.0, 222.0, 222.0)
    assert json.loads(json.dumps(shown["found_by"])) == {"states": 2}
    assert shown["recommended_days"] == {"full": 4, "states": 35, "count": 183}
    (check,) = result.get_asset_check_evaluations()
    assert check.passed


def test_edits_that_come_later_than_the_policy_looks_are_a_warning(
    materialize: Callable[..., dg.ExecuteInProcessResult],
) -> None:
    """It names the transactions, and the ages that fit."""
    (check,) = materialize(looks=Looks(full=2, states=7)).get_asset_check_evaluations()
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert "2 came later than such changes are looked for: 0:1 of 2026-03-10 after 10 days" in str(check.description)


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame], ids=["pandas", "polars"])
def test_the_rows_are_an_input_as_any_other(materialize: Callable[..., dg.ExecuteInProcessResult], kind: Any) -> None:
    """All reading dates in one table, with the date first."""
    seen = []

    def read(transaction_changes) -> None:
        seen.append(transaction_changes)

    read.__annotations__["transaction_changes"] = kind
    materialize(dg.asset(read, io_manager_key="lake_io"))
    assert list(seen[0].columns) == ["date", *TRANSACTION_CHANGES.names]
    assert len(seen[0]) == 2
