"""DG-01, DG-03: what `SONNYS_EXECUTOR` and `SONNYS_DAYS_PER_RUN` make of the definitions."""

import dagster as dg
import pytest

from sonnys_pipeline.config.settings import Settings, SettingsError
from sonnys_pipeline.orchestration.build import build_defs


def policies(defs: dg.Definitions) -> dict[str, set[dg.BackfillPolicy | None]]:
    """Backfill policies of the assets with partitions, and of those without."""
    found: dict[str, set[dg.BackfillPolicy | None]] = {"partitioned": set(), "other": set()}
    for asset in defs.assets or ():
        assert isinstance(asset, dg.AssetsDefinition)
        found["partitioned" if asset.partitions_def else "other"].add(asset.backfill_policy)
    return found


@pytest.mark.parametrize(("named", "used"), [(None, "in_process"), ("in_process", "in_process"), ("multiprocess",) * 2])
def test_the_executor_is_the_one_that_is_named(monkeypatch, named, used):
    """One process unless the setting says several."""
    if named:
        monkeypatch.setenv("SONNYS_EXECUTOR", named)

    assert build_defs().executor.name == used


def test_another_executor_is_refused(monkeypatch):
    """The message names the variable."""
    monkeypatch.setenv("SONNYS_EXECUTOR", "celery")

    with pytest.raises(SettingsError, match="SONNYS_EXECUTOR"):
        build_defs()


def test_a_backfill_is_one_run_by_default():
    """Every asset has the policy that `--partition-range` asks for."""
    one_run = {dg.BackfillPolicy.single_run()}

    assert policies(build_defs(settings=Settings())) == {"partitioned": one_run, "other": one_run}


def test_a_backfill_is_cut_into_runs_of_so_many_days():
    """Each asset with partitions, marts too, so that no job mixes policies; nothing else of an asset changes."""
    defs, whole = build_defs(settings=Settings(days_per_run=14)), build_defs(settings=Settings())

    assert policies(defs)["partitioned"] == {dg.BackfillPolicy.multi_run(max_partitions_per_run=14)}
    assert policies(defs)["other"] == {dg.BackfillPolicy.single_run()}
    specs = [{spec.key: spec for spec in found.resolve_all_asset_specs()} for found in (defs, whole)]
    assert specs[0].keys() == specs[1].keys()
    for key, spec in specs[0].items():
        assert (spec.group_name, spec.deps, bool(spec.automation_condition)) == (
            specs[1][key].group_name, specs[1][key].deps, bool(specs[1][key].automation_condition)
        )  # fmt: skip
    dg.Definitions.validate_loadable(defs)
    assert defs.resolve_job_def("daily_transactions").backfill_policy.max_partitions_per_run == 14


@pytest.mark.parametrize("days", ["0", "-1", "many"])
def test_days_per_run_is_a_count(monkeypatch, days):
    """The message names the variable."""
    monkeypatch.setenv("SONNYS_DAYS_PER_RUN", days)

    with pytest.raises(SettingsError, match="SONNYS_DAYS_PER_RUN"):
        build_defs()
