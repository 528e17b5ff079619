"""DG-03: what the daily schedule asks for can be run, also on an instance on disk as a daemon would have it."""

from collections.abc import Iterator
from datetime import UTC, datetime

import dagster as dg
import pyarrow as pa
import pytest

from sonnys_pipeline.orchestration.build import build_defs


@pytest.fixture
def instance(request: pytest.FixtureRequest, instance: dg.DagsterInstance) -> Iterator[dg.DagsterInstance]:
    """The one in memory, or one on disk for a test that says so."""
    if getattr(request, "param", "in memory") == "in memory":
        yield instance
    else:
        with dg.instance_for_test() as on_disk:
            yield on_disk


@pytest.fixture
def asked(instance: dg.DagsterInstance) -> Iterator[dg.DagsterInstance]:
    """Which the schedule is asked on: Dagster wants one on disk."""
    if instance.is_persistent:
        yield instance
    else:
        with dg.instance_for_test() as on_disk:
            yield on_disk


@pytest.mark.parametrize("instance", ["on disk"], indirect=True)
def test_each_morning_reads_the_last_days_again(pipeline, asked):
    """Two mornings in a row: four days each, three of them in both; sites, checks, tables and marts run along.

    Between them a row of one day changes and another one arrives: both are in the file after the second morning.
    """
    defs = build_defs()
    (schedule,) = [one for one in defs.schedules or () if one.name == "daily_transactions_schedule"]
    job = defs.resolve_job_def(schedule.job_name)

    def run_on(morning: datetime) -> None:
        with dg.build_schedule_context(asked, scheduled_execution_time=morning) as context:
            (request,) = schedule.evaluate_tick(context).run_requests or ()
        result = job.execute_in_process(instance=pipeline.instance, tags=request.tags, raise_on_error=False)
        assert result.success

    run_on(datetime(2026, 3, 17, 6, tzinfo=UTC))
    world = pipeline.simulator.world
    before = pipeline.lake.read("transactions", ["2026-03-16"], ["id", "total"])
    (late_id,) = world.add_late_rows(datetime(2026, 3, 16, 23, 59, 59, tzinfo=UTC))
    (edited_id,) = world.edit_rows(datetime(2026, 3, 16, tzinfo=UTC), datetime(2026, 3, 17, tzinfo=UTC))
    pipeline.simulator.advance(1300)  # the hashes of the first morning expire
    run_on(datetime(2026, 3, 18, 6, tzinfo=UTC))

    expected = {"2026-03-13": 1, "2026-03-14": 2, "2026-03-15": 2, "2026-03-16": 2, "2026-03-17": 1}
    assert pipeline.times_materialized() == expected
    assert pipeline.times_materialized("site_day_kpis") == expected
    assert pipeline.times_materialized("line_items") == expected
    assert pipeline.times_materialized("sites") == {None: 2}
    for day in expected:
        assert pipeline.landed_ids(day) == pipeline.expected_ids(day)
    after = pipeline.lake.read("transactions", ["2026-03-16"], ["id", "total"])
    old, new = (
        dict(zip(table["id"].to_pylist(), table["total"].to_pylist(), strict=True)) for table in (before, after)
    )
    assert new.keys() - old.keys() == {late_id}
    assert {row_id for row_id in old if new[row_id] != old[row_id]} == {edited_id}
    assert new[edited_id] == pytest.approx(old[edited_id] + 1)


def test_a_morning_writes_only_what_changed(pipeline, asked, monkeypatch):
    """KT-03: tables, marts and pages of days that were read again without changes stay; an edited day's are written.

    So is the page of the day after it, which shows the edited figures in its trend, week and month to date.
    """
    monkeypatch.setenv("SONNYS_TIMEZONE", "America/Chicago")  # that of its sites: a business day is one partition
    defs = build_defs()
    (schedule,) = [one for one in defs.schedules or () if one.name == "daily_transactions_schedule"]
    job = defs.resolve_job_def(schedule.job_name)
    assets = ("line_items", "tenders", "discounts", "site_day_kpis", "site_hour_kpis", "membership_daily", "item_mix")

    def run_on(morning: datetime) -> None:
        with dg.build_schedule_context(asked, scheduled_execution_time=morning) as context:
            (request,) = schedule.evaluate_tick(context).run_requests or ()
        assert job.execute_in_process(instance=pipeline.instance, tags=request.tags, raise_on_error=False).success

    def versions() -> dict[tuple[str, str], str]:
        days = [f"2026-03-{day}" for day in range(13, 18)]
        found = {(asset, day): pipeline.lake.version(asset, day) for asset in assets for day in days}
        pages = {("page", day): pipeline.lake.page("daily_report", "report.html", partition=day) for day in days}
        return {key: str(value) for key, value in {**found, **pages}.items() if value}

    run_on(datetime(2026, 3, 17, 12, tzinfo=UTC))
    before = versions()
    assert pipeline.simulator.world.edit_rows(datetime(2026, 3, 15, 12, tzinfo=UTC), datetime(2026, 3, 16, tzinfo=UTC))
    pipeline.simulator.advance(1300)  # the hashes of the first morning expire
    run_on(datetime(2026, 3, 18, 12, tzinfo=UTC))
    after = versions()

    changed = {key for key in after if before.get(key) != after[key]}
    by_day = {day: {asset for asset, other in changed if other == day} for _, day in changed}
    edited = by_day.pop("2026-03-15")
    assert {"line_items", "site_day_kpis", "page"} <= edited
    assert by_day == {"2026-03-16": {"page"}, "2026-03-17": {*assets, "page"}}  # 2026-03-17 is new
    kept = {record.partition_key for record in pipeline.materializations("site_day_kpis")
            if "kept" in record.asset_materialization.metadata}  # fmt: skip
    assert kept == {"2026-03-14", "2026-03-16"}

    assert pipeline.run("line_items", days="2026-03-16").success  # by hand: written
    assert pipeline.lake.version("line_items", "2026-03-16") != after["line_items", "2026-03-16"]


def test_a_day_that_a_transaction_has_left_is_read_again(pipeline, asked):
    """KT-02: found by the next morning beside its own days, whatever its age; in one day afterwards."""
    defs = build_defs()
    (schedule,) = [one for one in defs.schedules or () if one.name == "daily_transactions_schedule"]
    old, new = "2026-03-10", "2026-03-16"
    for day in (old, new):
        assert pipeline.run("transactions", days=day).success
    moved = pipeline.lake.read("transactions", [new]).drop_columns("date").slice(0, 1)
    kept = pipeline.lake.read("transactions", [old]).drop_columns("date")
    metadata = {**pipeline.lake.metadata("transactions", old), "loaded_at": "2026-03-11T00:00:00+00:00"}
    pipeline.lake.land("transactions", pa.concat_tables([kept, moved]), partition=old, metadata=metadata)

    morning = datetime(2026, 3, 18, 6, tzinfo=UTC)
    repository = defs.get_repository_def()  # which partitions a job has
    with dg.build_schedule_context(
        asked, scheduled_execution_time=morning, repository_def=repository
    ) as context:  # fmt: skip
        requests = schedule.evaluate_tick(context).run_requests or ()
    assert [request.partition_key for request in requests] == [None, old]

    pipeline.simulator.advance(1300)
    job = defs.resolve_job_def(schedule.job_name)
    assert job.execute_in_process(instance=pipeline.instance, partition_key=old, raise_on_error=False).success
    for day in (old, new):
        assert pipeline.landed_ids(day) == pipeline.expected_ids(day)
