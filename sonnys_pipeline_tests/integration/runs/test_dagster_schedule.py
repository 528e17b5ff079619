"""DG-03: what the daily schedule asks for can be run, also on an instance on disk as a daemon would have it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pyarrow as pa
import pytest

from sonnys_pipeline.orchestration.build import build_defs
from sonnys_pipeline.simulator import Simulator
from sonnys_pipeline_tests.integration.conftest import USUAL, Pipeline, pipeline_on

#: That of the sites: a business day is one partition.
ZONE = "America/Chicago"
EDITED, EXTENDED = "2026-03-15", "2026-03-16"
DAYS = [f"2026-03-{day}" for day in range(13, 18)]
WRITTEN = ("line_items", "tenders", "discounts", "site_day_kpis", "site_hour_kpis", "membership_daily", "item_mix")


@pytest.fixture
def asked() -> Iterator[dg.DagsterInstance]:
    """Which the schedule is asked on: Dagster wants one on disk."""
    with dg.instance_for_test() as on_disk:
        yield on_disk


@dataclass
class Mornings:
    """What three mornings in a row have left, on an instance on disk.

    Attributes:
        folder: where the pipeline keeps its files.
        versions: of files and pages after the first and the second morning, by asset and day.
        times_materialized: after the second morning, by asset and day.
        totals: of the transactions of `EXTENDED` after the second and the third morning, by id.
        changed: ids of the row of `EXTENDED` that was edited between these two, and of the one that arrived.
    """

    pipeline: Pipeline
    folder: Path
    versions: list[dict[tuple[str, str], str]] = field(default_factory=list)
    times_materialized: dict[str, dict[str | None, int]] = field(default_factory=dict)
    totals: list[dict[str, float]] = field(default_factory=list)
    changed: tuple[str, str] = ("", "")

    def look(self) -> dict[tuple[str, str], str]:
        lake = self.pipeline.lake
        found = {(asset, day): lake.version(asset, day) for asset in WRITTEN for day in DAYS}
        pages = {("page", day): lake.page("daily_report", "report.html", partition=day) for day in DAYS}
        return {key: str(value) for key, value in {**found, **pages}.items() if value}

    def read(self) -> dict[str, float]:
        rows = self.pipeline.lake.read("transactions", [EXTENDED], ["id", "total"])
        return dict(zip(rows["id"].to_pylist(), rows["total"].to_pylist(), strict=True))


@pytest.fixture(scope="module")
def mornings(
    simulators_of_module: Callable[..., Simulator], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mornings]:
    """The first two run all that the schedule asks for, the third only `transactions`; rows change between them."""
    folder = tmp_path_factory.mktemp("mornings")
    with dg.instance_for_test() as on_disk:
        with pytest.MonkeyPatch.context() as patch:
            simulator = simulators_of_module(**USUAL, midnight_row=True)
            found = Mornings(pipeline_on(simulator, on_disk, folder, patch), folder)
            patch.setenv("SONNYS_TIMEZONE", ZONE)
            defs = build_defs()
            (schedule,) = [one for one in defs.schedules or () if one.name == "daily_transactions_schedule"]
            job = defs.resolve_job_def(schedule.job_name)

            def run_on(morning: datetime, *assets: str) -> None:
                with dg.build_schedule_context(on_disk, scheduled_execution_time=morning) as context:
                    (request,) = schedule.evaluate_tick(context).run_requests or ()
                keys = [dg.AssetKey(asset) for asset in assets] or None
                assert job.execute_in_process(
                    instance=on_disk, tags=request.tags, asset_selection=keys, raise_on_error=False
                ).success

            run_on(datetime(2026, 3, 17, 12, tzinfo=UTC))
            found.versions.append(found.look())
            assert simulator.world.edit_rows(*bounds(EDITED))
            simulator.advance(1300)  # the hashes of the first morning expire
            run_on(datetime(2026, 3, 18, 12, tzinfo=UTC))
            found.versions.append(found.look())
            for asset in ("transactions", "sites", *WRITTEN):
                found.times_materialized[asset] = found.pipeline.times_materialized(asset)
            found.totals.append(found.read())
            (late_id,) = simulator.world.add_late_rows(bounds(EXTENDED)[1] - timedelta(seconds=1))
            (edited_id,) = simulator.world.edit_rows(*bounds(EXTENDED))
            found.changed = edited_id, late_id
            simulator.advance(1300)
            run_on(datetime(2026, 3, 19, 12, tzinfo=UTC), "transactions")
            found.totals.append(found.read())
        yield found


def bounds(day: str) -> tuple[datetime, datetime]:
    """First instant of a day, and of the day after it."""
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(ZONE))
    return start.astimezone(UTC), (start + timedelta(days=1)).astimezone(UTC)


def test_each_morning_reads_the_last_days_again(mornings: Mornings) -> None:
    """Two mornings in a row: four days each, three of them in both; sites, checks, tables and marts run along.

    Before the third a row of one day changes and another one arrives: both are in the file afterwards.
    """
    expected = {"2026-03-13": 1, "2026-03-14": 2, "2026-03-15": 2, "2026-03-16": 2, "2026-03-17": 1}
    assert mornings.times_materialized["transactions"] == expected
    assert mornings.times_materialized["site_day_kpis"] == expected
    assert mornings.times_materialized["line_items"] == expected
    assert mornings.times_materialized["sites"] == {None: 2}
    for day in expected:
        start, end = bounds(day)
        rows = mornings.pipeline.simulator.world.rows(start, end - timedelta(milliseconds=1))
        assert mornings.pipeline.landed_ids(day) == sorted(row["id"] for row in rows)
    old, new = mornings.totals
    edited_id, late_id = mornings.changed
    assert new.keys() - old.keys() == {late_id}
    assert {row_id for row_id in old if new[row_id] != old[row_id]} == {edited_id}
    assert new[edited_id] == pytest.approx(old[edited_id] + 1)


def test_a_morning_writes_only_what_changed(mornings: Mornings, monkeypatch: pytest.MonkeyPatch) -> None:
    """KT-03: tables, marts and pages of days that were read again without changes stay; an edited day's are written.

    So is the page of the day after it, which shows the edited figures in its trend, week and month to date.
    """
    before, after = mornings.versions
    changed = {key for key in after if before.get(key) != after[key]}
    by_day = {day: {asset for asset, other in changed if other == day} for _, day in changed}
    edited = by_day.pop(EDITED)
    assert {"line_items", "site_day_kpis", "page"} <= edited
    assert by_day == {"2026-03-16": {"page"}, "2026-03-17": {*WRITTEN, "page"}}  # 2026-03-17 is new
    kept = {record.partition_key for record in mornings.pipeline.materializations("site_day_kpis")
            if "kept" in record.asset_materialization.metadata}  # fmt: skip
    assert kept == {"2026-03-14", "2026-03-16"}

    monkeypatch.setenv("SONNYS_TIMEZONE", ZONE)
    again = pipeline_on(mornings.pipeline.simulator, mornings.pipeline.instance, mornings.folder, monkeypatch)
    assert again.run("line_items", days="2026-03-14").success  # by hand: written
    assert again.lake.version("line_items", "2026-03-14") != after["line_items", "2026-03-14"]


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
