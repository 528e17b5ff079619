"""DG-02, DG-03: marts follow landed rows: nothing for an unchanged day, for an edited row exactly the days it touches.

The conditions are evaluated here as the daemon evaluates them; the acceptance test has a real daemon.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sonnys_pipeline.lake.errors import LakeError
from sonnys_pipeline.marts.incremental.inputs import MartInputs, Recipe
from sonnys_pipeline.marts.incremental.staleness import Stale, stale_days
from sonnys_pipeline.orchestration.resources import LakeResource
from sonnys_pipeline_tests.support.pipelines.definitions import built_defs

DAYS = ("2026-03-10", "2026-03-12")
EACH = ["2026-03-10", "2026-03-11", "2026-03-12"]
TABLES = ("line_items", "tenders", "discounts")
MARTS = ("site_day_kpis", "site_hour_kpis", "membership_daily", "item_mix")


class Daemon:
    """Evaluates the conditions of tables and marts, tick after tick."""

    def __init__(self, pipeline, cursor=None) -> None:
        self.pipeline = pipeline
        self.cursor = cursor

    def tick(self) -> dict[str, list[str]]:
        """Requested days by asset; assets without any are left out."""
        result = dg.evaluate_automation_conditions(
            built_defs(),
            self.pipeline.instance,
            asset_selection=dg.AssetSelection.assets(*TABLES, *MARTS),
            cursor=self.cursor,
            evaluation_time=datetime(2026, 3, 20, 12, tzinfo=UTC),
        )
        self.cursor = result.cursor
        asked = {name: result.get_requested_partitions(dg.AssetKey(name)) for name in (*TABLES, *MARTS)}
        return {name: sorted(days) for name, days in asked.items() if days}


def land(pipeline, *assets: str, days: tuple[str, str]) -> None:
    """Materialize assets without their checks."""
    assert pipeline.run(selection=dg.AssetSelection.assets(*assets).without_checks(), days=days).success


def elsewhere(pipeline, *assets: str, days: tuple[str, str]) -> None:
    """Materialize assets in files alone: Dagster hears nothing of it."""
    with dg.DagsterInstance.ephemeral() as other:
        land(replace(pipeline, instance=other), *assets, days=days)


def late_row(pipeline, *, hour: int) -> None:
    """One more row on the 11th, of this hour in UTC, and its day landed with it."""
    pipeline.simulator.advance(1300)  # hashes expire: what is read again is read anew
    pipeline.simulator.world.add_late_rows(datetime(2026, 3, 11, hour, tzinfo=UTC))
    land(pipeline, "transactions", days=("2026-03-11", "2026-03-11"))


def without_a_row(lake, day: str) -> None:
    """Replace a day's file by one that lacks a row."""
    path = lake.path("transactions", day)
    with pq.ParquetFile(path) as file:
        table = file.read()
    pq.write_table(table.slice(1), path)


def asked_for(partitions: list[str], business_dates: list[str]) -> dict[str, list[str]]:
    """Each table for partitions of `transactions`, each mart for business dates."""
    return dict.fromkeys(TABLES, partitions) | dict.fromkeys(MARTS, business_dates)


def every(*days: str) -> dict[str, list[str]]:
    """Each table and mart, for the same days."""
    return asked_for(list(days), list(days))


@pytest.fixture
def pipeline(open_pipeline: Callable[..., Any]):
    """One site, in Chicago: its business days lie in two UTC days each."""
    return open_pipeline(sites=1)


@pytest.fixture
def daemon(pipeline) -> Daemon:
    """A daemon that has seen an empty instance."""
    found = Daemon(pipeline)
    assert found.tick() == {}
    return found


@pytest.fixture
def settled(pipeline, beginning) -> Daemon:
    """Three days landed in one run with all that stands downstream, as the morning's job does: nothing is left."""

    def settle() -> Any:
        daemon = Daemon(pipeline)
        assert daemon.tick() == {}
        land(pipeline, "transactions", "sites", *TABLES, *MARTS, days=DAYS)
        assert daemon.tick() == {}
        return daemon.cursor

    found = Daemon(pipeline, beginning.of(pipeline, settle))
    pipeline.simulator.advance(1300)  # hashes expire: what is read again is read anew
    return found


def test_backfilled_days_are_followed_once(daemon):
    """Days far from the latest one land: they are requested, and not again while nothing new comes."""
    land(daemon.pipeline, "transactions", "sites", days=DAYS)

    assert daemon.tick() == every(*EACH)
    assert daemon.tick() == {}


def test_days_that_the_command_line_lands_are_followed(settled):
    """A day that is read again outside of Dagster, which nobody tells it, as when `sonnys backfill run` is killed."""
    settled.pipeline.simulator.world.add_late_rows(datetime(2026, 3, 11, 18, tzinfo=UTC))

    elsewhere(settled.pipeline, "transactions", days=DAYS)

    assert settled.tick() == every("2026-03-11")
    assert settled.tick() == {}


def test_a_landing_while_a_mart_is_computed_is_followed(settled):
    """Rows that land after a run has read and before it says so: its event does not make them handled."""
    pipeline, day = settled.pipeline, ("2026-03-11", "2026-03-11")
    late_row(pipeline, hour=18)
    assert settled.tick() == every("2026-03-11")
    elsewhere(pipeline, *TABLES, *MARTS, days=day)

    late_row(pipeline, hour=19)
    for name in (*TABLES, *MARTS):
        pipeline.instance.report_runless_asset_event(dg.AssetMaterialization(name, partition="2026-03-11"))

    assert settled.tick() == every("2026-03-11")
    land(pipeline, *TABLES, *MARTS, days=day)
    assert settled.tick() == {}


def test_a_run_that_fails_is_tried_again_when_its_inputs_are_landed_again(settled, tmp_path):
    """Once for a landing between request and failure, and not over and over; then again with the next landing."""
    pipeline, day = settled.pipeline, "2026-03-11"
    nowhere = {"lake": LakeResource(data_url=str(tmp_path / "nowhere"))}
    late_row(pipeline, hour=18)
    assert settled.tick() == every(day)

    late_row(pipeline, hour=19)
    assert not pipeline.run("site_day_kpis", days=day, resources=nowhere).success

    assert settled.tick()["site_day_kpis"] == [day]
    assert not pipeline.run("site_day_kpis", days=day, resources=nowhere).success
    assert settled.tick() == {}
    land(pipeline, "transactions", days=(day, day))
    assert settled.tick()["site_day_kpis"] == [day]


def test_a_run_that_is_terminated_is_not_started_over_and_over(settled):
    """Somebody stops what was asked for: it stays stopped."""
    pipeline, day = settled.pipeline, "2026-03-11"
    late_row(pipeline, hour=18)
    assert settled.tick() == every(day)

    job = built_defs().resolve_implicit_global_asset_job_def()
    run = pipeline.instance.create_run_for_job(
        job, asset_selection={dg.AssetKey("site_day_kpis")}, tags={"dagster/partition": day}
    )
    assert settled.tick() == {}
    pipeline.instance.report_run_canceled(run)

    assert settled.tick() == {}
    assert settled.tick() == {}


def test_days_that_were_landed_before_the_sensor_was_on_are_followed(pipeline):
    """The first evaluation ever takes up whatever is landed and not computed."""
    land(pipeline, "transactions", "sites", days=DAYS)

    assert Daemon(pipeline).tick() == every(*EACH)


def test_an_unchanged_day_read_again_runs_nothing(settled):
    """Three days and the site list are read anew, into newer files with the same rows: zero."""
    pipeline = settled.pipeline
    before = {day: pipeline.lake.metadata("transactions", day)["loaded_at"] for day in EACH}

    land(pipeline, "transactions", "sites", days=DAYS)

    assert all(pipeline.lake.metadata("transactions", day)["loaded_at"] > before[day] for day in EACH)
    assert settled.tick() == {}


@pytest.mark.parametrize(
    ("instant", "business_date"),
    [
        (datetime(2026, 3, 11, 4, tzinfo=UTC), "2026-03-10"),  # an hour before midnight in Chicago
        (datetime(2026, 3, 11, 18, tzinfo=UTC), "2026-03-11"),
    ],
)
def test_an_edited_row_runs_exactly_the_days_that_it_touches(settled, instant, business_date):
    """Tables of the partition that the row is in, marts of the business day that it counts toward: no other day."""
    pipeline = settled.pipeline
    (row_id,) = pipeline.simulator.world.add_late_rows(instant)

    land(pipeline, "transactions", "sites", days=DAYS)

    assert row_id in pipeline.landed_ids("2026-03-11")
    assert settled.tick() == asked_for(["2026-03-11"], [business_date])
    land(pipeline, *TABLES, days=("2026-03-11", "2026-03-11"))
    land(pipeline, *MARTS, days=(business_date, business_date))
    assert settled.tick() == {}


def test_a_new_day_completes_the_business_day_before_it(settled):
    """The 13th lands: the 12th of Chicago, of which hours were missing, is computed again together with the 13th."""
    land(settled.pipeline, "transactions", days=("2026-03-13", "2026-03-13"))

    asked = settled.tick()

    assert asked == asked_for(["2026-03-13"], ["2026-03-12", "2026-03-13"])


def test_nothing_is_computed_from_a_day_that_does_not_hold(settled):
    """A changed day that lacks a promised row is left alone, checked or not; the day beside it follows."""
    pipeline = settled.pipeline
    for instant in (datetime(2026, 3, 10, 18, tzinfo=UTC), datetime(2026, 3, 12, 18, tzinfo=UTC)):
        pipeline.simulator.world.add_late_rows(instant)
    land(pipeline, "transactions", days=DAYS)
    without_a_row(pipeline.lake, "2026-03-12")

    asked = settled.tick()

    assert asked == every("2026-03-10")


def test_a_file_that_is_replaced_is_looked_at_again(settled):
    """A day that held, and now lacks a promised row: what was found before is not used for the file of now."""
    lake = settled.pipeline.lake
    recipe = Recipe("tenders", "the next version", by_site_day=False)  # so that each day has to be computed again

    before = stale_days(lake, MartInputs(lake, "UTC"), recipe, EACH)
    without_a_row(lake, "2026-03-12")
    after = stale_days(lake, MartInputs(lake, "UTC"), recipe, EACH)

    assert before == Stale(tuple(EACH))
    assert after.days == tuple(EACH[:2])
    assert "the API promised" in after.problems[0]


def test_an_unreadable_day_stops_no_other(settled):
    """Garbage in one file's place: the conditions go on with the rest."""
    pipeline = settled.pipeline
    pipeline.simulator.world.add_late_rows(datetime(2026, 3, 10, 18, tzinfo=UTC))
    land(pipeline, "transactions", days=DAYS)
    pipeline.lake.path("transactions", "2026-03-12").write_bytes(b"not parquet at all")

    asked = settled.tick()

    assert asked == every("2026-03-10")


def test_a_damaged_or_deleted_mart_is_made_again_with_the_next_news(settled):
    """Its inputs are the same, but the file is not there: re-reading the day brings it back."""
    pipeline = settled.pipeline
    pipeline.lake.path("site_day_kpis", "2026-03-11").unlink()

    land(pipeline, "transactions", days=("2026-03-11", "2026-03-11"))

    assert settled.tick() == {"site_day_kpis": ["2026-03-11"]}


def test_a_site_that_is_read_since_and_had_no_rows_is_followed(settled):
    """The 11th was landed for another site alone, now it is for all: the same rows, but two business days are whole."""
    lake = settled.pipeline.lake
    rows = lake.read("transactions", ["2026-03-11"]).drop_columns("date")
    metadata = lake.metadata("transactions", "2026-03-11")
    lake.land("transactions", rows, partition="2026-03-11", metadata={**metadata, "sites": '["HARBOR"]'})
    land(settled.pipeline, *MARTS, days=DAYS)
    assert lake.rows("site_day_kpis", "2026-03-10") == lake.rows("site_day_kpis", "2026-03-11") == 0
    assert settled.tick() == {}

    lake.land("transactions", rows, partition="2026-03-11", metadata={**metadata, "sites": "null"})

    two = ["2026-03-10", "2026-03-11"]
    assert settled.tick() == dict.fromkeys(MARTS, two)


def test_a_file_that_is_gone_is_named_with_its_remedy(settled):
    """Deleted after the lake was listed: the error that the docstrings promise, not the bare one of the disk."""
    inputs = MartInputs(settled.pipeline.lake, "UTC")
    settled.pipeline.lake.path("transactions", "2026-03-11").unlink()

    for recipe in (Recipe("site_day_kpis", "1", by_site_day=True), Recipe("tenders", "1", by_site_day=False)):
        with pytest.raises(LakeError, match=r"date=2026-03-11.* cannot be read .*materialize it again"):
            inputs.digests(recipe, ["2026-03-11"])
        with pytest.raises(LakeError, match="materialize it again"):
            inputs.recorded_inputs(recipe, "2026-03-11", ["2026-03-11"])


def test_a_zone_that_is_put_right_runs_the_days_again(settled):
    """The site list has another zone: every business day is another one, and the flat tables are not concerned."""
    lake = settled.pipeline.lake
    sites = lake.read("sites")
    zones = ["America/New_York" if zone else None for zone in sites["timezone"].to_pylist()]
    place = sites.schema.get_field_index("timezone")
    lake.land("sites", sites.set_column(place, sites.schema.field(place), pa.array(zones, pa.string())))
    settled.pipeline.instance.report_runless_asset_event(dg.AssetMaterialization("sites"))

    assert settled.tick() == dict.fromkeys(MARTS, EACH)
