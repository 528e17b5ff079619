"""KT-01, KT-02: the job `verify_landed_days`: what it repairs, records and starts; and the check `verified`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest

from sonnys_pipeline.landing.verified import VERIFICATIONS
from sonnys_pipeline.orchestration.checks.verified import verified_checks
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline.simulator.edits import Edit
from sonnys_pipeline_tests.integration.conftest import Pipeline
from sonnys_pipeline_tests.support.pipelines.definitions import built_defs
from sonnys_pipeline_tests.support.pipelines.snapshots import Beginning

KEY = dg.AssetKey("transactions")
COMPUTED = ("line_items", "tenders", "site_day_kpis")


@dataclass
class Scene:
    """Eight landed days and what is computed from them, in a pipeline whose present is ours."""

    pipeline: Pipeline
    days: list[str]

    def sweep(self, **config: Any) -> dg.ExecuteInProcessResult:
        """Run the job."""
        self.pipeline.simulator.advance(1300)  # hashes and lists expire
        job = built_defs().resolve_job_def("verify_landed_days")
        return job.execute_in_process(
            instance=self.pipeline.instance,
            run_config={"ops": {"compare_landed_days_with_api": {"config": config}}},
            raise_on_error=False,
        )

    def requested(self) -> dict[str, set[str]]:
        """What the daemon would start for tables and marts."""
        result = dg.evaluate_automation_conditions(
            built_defs(), self.pipeline.instance, asset_selection=dg.AssetSelection.assets(*COMPUTED)
        )
        asked = {name: result.get_requested_partitions(dg.AssetKey(name)) for name in COMPUTED}
        return {name: {str(day) for day in days} for name, days in asked.items() if days}

    def observations(self) -> dict[str | None, dict[str, Any]]:
        """The newest observation of each day."""
        records = self.pipeline.instance.fetch_observations(KEY, limit=1000).records
        found: dict[str | None, dict[str, Any]] = {}
        for record in records:
            event = record.asset_observation
            if event is not None and event.partition not in found:
                found[event.partition] = {name: value.value for name, value in event.metadata.items()}
        return found

    def check(self, days_later: int = 0) -> dg.AssetCheckEvaluation:
        """The check `verified`, so many days from now."""
        (check,) = verified_checks("UTC", now=lambda: datetime.now(UTC) + timedelta(days=days_later))
        watch = dg.define_asset_job("watch", selection=dg.AssetSelection.checks(check))
        result = dg.Definitions(asset_checks=[check], resources={"lake": LakeResource()}, jobs=[watch])
        done = result.resolve_job_def("watch").execute_in_process(instance=self.pipeline.instance)
        (evaluation,) = done.get_asset_check_evaluations()
        return evaluation


@pytest.fixture
def scene(open_pipeline: Callable[..., Pipeline], beginning: Beginning) -> Scene:
    """Landed and computed."""
    pipeline = open_pipeline(now=datetime.now(UTC), sites=3, virtual_site=False, codeless_site=False)

    def land() -> list[str]:
        today = datetime.now(UTC).date()
        days = [(today - timedelta(days=back)).isoformat() for back in range(8, 0, -1)]
        wanted = dg.AssetSelection.assets("transactions", "sites", *COMPUTED).without_checks()
        assert pipeline.run(selection=wanted, days=(days[0], days[-1])).success
        return days

    return Scene(pipeline, beginning.of(pipeline, land))


def test_a_sweep_without_differences_starts_nothing(scene: Scene) -> None:
    """KT-01: no materialization, no mart run; each day says when it was verified, by what, and with which result."""
    before = scene.requested()
    assert scene.sweep(by="states").success
    assert scene.pipeline.times_materialized() == dict.fromkeys(scene.days, 1)
    assert scene.requested() == before == {}
    seen = scene.observations()
    assert sorted(seen) == scene.days
    assert {(one["verified_by"], one["verified_result"]) for one in seen.values()} == {("states", "same")}
    assert scene.pipeline.lake.read(VERIFICATIONS).num_rows == len(scene.days)
    # By the policy nothing is due: the days were read in full today.
    assert scene.sweep().success
    assert len(scene.observations()) == len(scene.days)


def test_an_edited_day_is_read_again_and_marts_follow_it_alone(scene: Scene) -> None:
    """KT-02: one materialization more for that day, and a mart run for what is computed from it."""
    day = scene.days[2]
    start = datetime.fromisoformat(day).replace(tzinfo=UTC)
    scene.pipeline.simulator.world.edit_rows(start + timedelta(hours=12), start + timedelta(hours=23), edit=Edit.TOTAL)
    assert scene.sweep(by="states").success
    assert scene.pipeline.times_materialized() == {**dict.fromkeys(scene.days, 1), day: 2}
    assert scene.requested()["line_items"] == {day}
    assert scene.observations()[day]["verified_result"] == "repaired"
    assert scene.pipeline.landed_ids(day) == scene.pipeline.expected_ids(day)


def test_a_difference_that_may_not_be_repaired_fails_and_is_warned_of(scene: Scene) -> None:
    """KT-02: the run names day and rows; the check warns until the day is read again, and of overdue looks."""
    assert scene.check().passed
    start = datetime.fromisoformat(scene.days[2]).replace(tzinfo=UTC)
    (row_id,) = scene.pipeline.simulator.world.edit_rows(start, start + timedelta(hours=23), edit=Edit.VOID)
    said = scene.pipeline.failure(scene.sweep(by="states", repair=False))
    assert f"{scene.days[2]} differs: 1 total changed: {row_id}" in said
    assert "sonnys verify --repair" in said
    told = scene.check()
    assert not told.passed
    assert f"were not read again: {scene.days[2]}" in (told.description or "")
    assert scene.sweep().success, "it is still due, and repaired by default"
    assert scene.check().passed
    late = scene.check(days_later=10)
    assert not late.passed
    assert "not verified as SONNYS_REVISIT says" in (late.description or "")


def test_a_configuration_that_cannot_be_meant_is_refused(scene: Scene) -> None:
    """KT-01: one line that says what is wrong."""
    assert "'twice' is not a valid Look" in scene.pipeline.failure(scene.sweep(by="twice"))
